//! Services on loopback, driven by tasks, and hand-made objects to send.

#![allow(dead_code, reason = "every test binary uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::time::Duration;

use lathe_network::{Bootnode, Config, Error, Multiaddr, NetworkEvent, NodeKey, PeerId, Service};
use lathe_types::{
    AggregatedAttestation, AggregationBits, AttestationData, Block, BlockBody, Checkpoint, Decode as _,
    MultiMessageAggregate, Participation as _, Root, Signature, SignatureShape, SignedAttestation,
    SignedBlock, Slot, Status, ValidatorIndex,
};
use tokio::sync::{mpsc, oneshot};

/// Far above what anything here takes; a test that gets there has failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

type Command = Box<dyn FnOnce(&mut Service) + Send>;

/// A service in a task of its own.
pub(crate) struct Node {
    pub key: NodeKey,
    pub address: Multiaddr,
    commands: mpsc::UnboundedSender<Command>,
    events: mpsc::UnboundedReceiver<NetworkEvent>,
    task: tokio::task::JoinHandle<()>,
}

impl Node {
    /// Starts a service that knows `bootnodes`.
    pub(crate) async fn start(bootnodes: Vec<Bootnode>) -> Self {
        Self::with_config(Config { bootnodes, ..Config::new(NodeKey::generate()) }).await
    }

    pub(crate) async fn with_config(config: Config) -> Self {
        let key = config.key.clone();
        let mut service = bind(config).await;
        let (commands, mut inbox) = mpsc::unbounded_channel::<Command>();
        let (outbox, events) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    event = service.next_event() => { let _ = outbox.send(event); }
                    command = inbox.recv() => match command {
                        Some(command) => command(&mut service),
                        None => return,
                    },
                }
            }
        });
        let address = "/ip4/127.0.0.1/udp/1/quic-v1".parse().unwrap();
        let mut node = Self { key, address, commands, events, task };
        node.address = node
            .wait(|event| if let NetworkEvent::Listening { address } = event { Some(address) } else { None })
            .await;
        node.with(|service| service.set_status(status(0))).await;
        node
    }

    /// Stops at once, without a farewell.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    pub(crate) fn id(&self) -> PeerId {
        self.key.peer_id()
    }

    pub(crate) fn bootnode(&self) -> Bootnode {
        Bootnode { peer_id: Some(self.id()), address: self.address.clone() }
    }

    /// Runs `work` on the service.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Service) -> T + Send + 'static,
    ) -> T {
        let (sender, receiver) = oneshot::channel();
        let command = move |service: &mut Service| {
            let _ = sender.send(work(service));
        };
        self.commands.send(Box::new(command)).expect("the service runs");
        receiver.await.unwrap()
    }

    /// Waits for the first event that `pick` takes; drops those before it.
    pub(crate) async fn wait<T>(&mut self, mut pick: impl FnMut(NetworkEvent) -> Option<T>) -> T {
        let picked = async {
            loop {
                let event = self.events.recv().await.expect("the service runs");
                if let Some(picked) = pick(event) {
                    return picked;
                }
            }
        };
        tokio::time::timeout(DEADLINE, picked).await.expect("no such event in time")
    }

    pub(crate) async fn wait_connected(&mut self, peer: PeerId) {
        self.wait(|event| {
            matches!(event, NetworkEvent::PeerConnected { peer: connected, .. } if connected == peer)
                .then_some(())
        })
        .await;
    }

    /// Polls `check` until it holds.
    pub(crate) async fn until(&self, check: impl Fn(&mut Service) -> bool + Send + Clone + 'static) {
        let polling = async {
            loop {
                let check = check.clone();
                if self.with(move |service| check(service)).await {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(DEADLINE, polling).await.expect("the condition never held");
    }
}

/// Opens the socket; a service that was just killed may still hold it for a moment.
async fn bind(config: Config) -> Service {
    let binding = async {
        loop {
            match Service::new(config.clone()) {
                Err(Error::Listen { .. }) => tokio::time::sleep(Duration::from_millis(10)).await,
                other => return other.unwrap(),
            }
        }
    };
    tokio::time::timeout(DEADLINE, binding).await.expect("the port stays in use")
}

/// A status with `slot` as its head.
pub(crate) fn status(slot: u64) -> Status {
    Status { head: Checkpoint { root: Root::repeat_byte(9), slot: Slot(slot) }, ..Status::default() }
}

/// A small block, different for every slot.
pub(crate) fn block(slot: u64) -> Arc<SignedBlock> {
    let block = Block { slot: Slot(slot), ..Block::default() };
    Arc::new(SignedBlock { block, proof: MultiMessageAggregate { proof: vec![7; 100].try_into().unwrap() } })
}

/// A block of more than a mebibyte.
pub(crate) fn heavy_block(slot: u64) -> Arc<SignedBlock> {
    let bits = AggregationBits::from_indices([ValidatorIndex(4095)]).unwrap();
    let vote = AggregatedAttestation { aggregation_bits: bits, data: AttestationData::default() };
    let body = BlockBody { attestations: vec![vote; 1000].try_into().unwrap(), execution: None };
    let block = Block { slot: Slot(slot), body, ..Block::default() };
    Arc::new(SignedBlock {
        block,
        proof: MultiMessageAggregate { proof: vec![7; 512 * 1024].try_into().unwrap() },
    })
}

/// A block of half a mebibyte that does not compress.
pub(crate) fn noisy_block(slot: u64) -> Arc<SignedBlock> {
    let mut state = 1_u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    let proof: Vec<u8> = noise.take(512 * 1024).collect();
    let block = Block { slot: Slot(slot), ..Block::default() };
    Arc::new(SignedBlock { block, proof: MultiMessageAggregate { proof: proof.try_into().unwrap() } })
}

/// A well-formed vote with a signature of zeros.
pub(crate) fn attestation(validator: u64, slot: u64) -> SignedAttestation {
    let shape = SignatureShape::PROD;
    let mut signature = vec![0; shape.encoded_len()];
    signature[0..4].copy_from_slice(&36_u32.to_le_bytes());
    signature[32..36].copy_from_slice(&(40 + 32 * shape.siblings() as u32).to_le_bytes());
    signature[36..40].copy_from_slice(&4_u32.to_le_bytes());
    SignedAttestation {
        validator_index: ValidatorIndex(validator),
        data: AttestationData { slot: Slot(slot), ..AttestationData::default() },
        signature: Signature::from_ssz_bytes(&signature).unwrap(),
    }
}
