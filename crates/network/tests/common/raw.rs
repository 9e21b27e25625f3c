//! A peer without manners: sends any bytes on any protocol.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use futures::prelude::*;
use lathe_network::reqresp::Protocol;
use lathe_network::{Bootnode, Multiaddr, PeerId};
use libp2p::request_response::{self, Codec, OutboundRequestId, ProtocolSupport};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{StreamProtocol, Swarm, SwarmBuilder, gossipsub};
use tokio::sync::{mpsc, oneshot};

/// Reads and writes bytes as they are.
#[derive(Clone, Default)]
pub struct Bytes {
    /// Never reads an answer.
    stall: bool,
}

#[derive(NetworkBehaviour)]
pub struct Behaviour {
    pub gossip: gossipsub::Behaviour,
    exchanges: request_response::Behaviour<Bytes>,
}

impl Codec for Bytes {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read_all(io).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        if self.stall {
            future::pending::<()>().await;
        }
        read_all(io).await
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, bytes: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&bytes).await?;
        io.close().await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, bytes: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&bytes).await?;
        io.close().await
    }
}

async fn read_all(io: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io.read_to_end(&mut bytes).await?;
    Ok(bytes)
}

type Answer = oneshot::Sender<Result<Vec<u8>, String>>;

type Work = Box<dyn FnOnce(&mut Swarm<Behaviour>) + Send>;

enum Command {
    Ask(PeerId, Vec<u8>, Answer),
    Run(Work),
}

/// The peer, in a task of its own.
pub struct Raw {
    pub id: PeerId,
    pub address: Multiaddr,
    commands: mpsc::UnboundedSender<Command>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Raw {
    /// A peer that speaks `protocol` and answers every request with `answer`.
    pub async fn start(protocol: Protocol, answer: Vec<u8>) -> Self {
        Self::with_codec(protocol, answer, Bytes::default()).await
    }

    /// A peer that asks and then does not read.
    pub async fn stalling(protocol: Protocol) -> Self {
        Self::with_codec(protocol, Vec::new(), Bytes { stall: true }).await
    }

    async fn with_codec(protocol: Protocol, answer: Vec<u8>, codec: Bytes) -> Self {
        let mut swarm = swarm(protocol, codec);
        swarm.listen_on("/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap()).unwrap();
        let address = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                break address;
            }
        };
        let id = *swarm.local_peer_id();
        let (commands, inbox) = mpsc::unbounded_channel();
        let task = tokio::spawn(drive(swarm, inbox, answer));
        Self { id, address, commands, task }
    }

    pub fn bootnode(&self) -> Bootnode {
        Bootnode { peer_id: Some(self.id), address: self.address.clone() }
    }

    /// Waits until this side, too, knows of the connection.
    pub async fn until_connected(&self, peer: PeerId) {
        let polling = async {
            while !self.with(move |swarm| swarm.is_connected(&peer)).await {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(super::DEADLINE, polling).await.expect("no connection");
    }

    /// Sends `bytes` as a request and returns all that comes back.
    pub async fn ask(&self, peer: PeerId, bytes: Vec<u8>) -> Result<Vec<u8>, String> {
        let (sender, receiver) = oneshot::channel();
        assert!(self.commands.send(Command::Ask(peer, bytes, sender)).is_ok());
        tokio::time::timeout(super::DEADLINE, receiver).await.expect("no answer in time").unwrap()
    }

    /// Runs `work` on the swarm.
    pub async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Swarm<Behaviour>) -> T + Send + 'static,
    ) -> T {
        let (sender, receiver) = oneshot::channel();
        let run = move |swarm: &mut Swarm<Behaviour>| {
            let _ = sender.send(work(swarm));
        };
        assert!(self.commands.send(Command::Run(Box::new(run))).is_ok());
        receiver.await.unwrap()
    }

    /// Puts `bytes` on a topic once a peer is there.
    pub async fn publish(&self, topic: &str, bytes: Vec<u8>) {
        let publishing = async {
            loop {
                let (topic, bytes) = (gossipsub::TopicHash::from_raw(topic), bytes.clone());
                if self.with(move |swarm| swarm.behaviour_mut().gossip.publish(topic, bytes)).await.is_ok() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(super::DEADLINE, publishing).await.expect("no peer on the topic");
    }
}

fn swarm(protocol: Protocol, codec: Bytes) -> Swarm<Behaviour> {
    let config = gossipsub::ConfigBuilder::default()
        .validation_mode(gossipsub::ValidationMode::Anonymous)
        .max_transmit_size(16 * 1024 * 1024)
        .message_id_fn(|message| gossipsub::MessageId::from(message.data.clone()))
        .build()
        .unwrap();
    let behaviour = Behaviour {
        gossip: gossipsub::Behaviour::new(gossipsub::MessageAuthenticity::Anonymous, config).unwrap(),
        exchanges: request_response::Behaviour::with_codec(
            codec,
            [(StreamProtocol::new(protocol.name()), ProtocolSupport::Full)],
            request_response::Config::default().with_request_timeout(Duration::from_secs(300)),
        ),
    };
    SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_quic()
        .with_behaviour(|_| behaviour)
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(3600)))
        .build()
}

async fn drive(mut swarm: Swarm<Behaviour>, mut inbox: mpsc::UnboundedReceiver<Command>, answer: Vec<u8>) {
    let mut asked: HashMap<OutboundRequestId, Answer> = HashMap::new();
    loop {
        tokio::select! {
            command = inbox.recv() => match command {
                None => return,
                Some(Command::Run(work)) => work(&mut swarm),
                Some(Command::Ask(peer, bytes, sender)) => {
                    asked.insert(swarm.behaviour_mut().exchanges.send_request(&peer, bytes), sender);
                }
            },
            event = swarm.select_next_some() => {
                if let SwarmEvent::Behaviour(BehaviourEvent::Exchanges(event)) = event {
                    on_exchange(&mut swarm, &mut asked, event, &answer);
                }
            }
        }
    }
}

fn on_exchange(
    swarm: &mut Swarm<Behaviour>,
    asked: &mut HashMap<OutboundRequestId, Answer>,
    event: request_response::Event<Vec<u8>, Vec<u8>>,
    answer: &[u8],
) {
    use request_response::{Event, Message};
    match event {
        Event::Message { message: Message::Request { channel, .. }, .. } => {
            let _ = swarm.behaviour_mut().exchanges.send_response(channel, answer.to_vec());
        }
        Event::Message { message: Message::Response { request_id, response }, .. } => {
            let _ = asked.remove(&request_id).unwrap().send(Ok(response));
        }
        Event::OutboundFailure { request_id, error, .. } => {
            let _ = asked.remove(&request_id).unwrap().send(Err(error.to_string()));
        }
        _ => {}
    }
}
