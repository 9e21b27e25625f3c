//! A peer without manners: sends any bytes on any protocol.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use futures::prelude::*;
use lathe_network::reqresp::Protocol;
use lathe_network::{Bootnode, Multiaddr, PeerId};
use libp2p::request_response::{self, Codec, OutboundRequestId, ProtocolSupport};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{StreamProtocol, Swarm, SwarmBuilder, gossipsub};
use tokio::sync::{mpsc, oneshot};

/// Longest wait for anything that a peer waits for; a test that gets there has failed.
const DEADLINE: Duration = Duration::from_secs(60);

/// How streams are treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Streams {
    /// As the protocol says: what is said is read to its end.
    #[default]
    Whole,
    /// Asks, and never reads the answer.
    Unread,
    /// Begins a request, and never ends it.
    HalfOpen,
}

/// Reads and writes bytes as they are.
#[derive(Clone, Default)]
pub struct Bytes {
    streams: Streams,
}

/// What a hostile peer speaks: gossip, and one request protocol.
#[derive(NetworkBehaviour)]
pub struct Behaviour {
    /// Messages without signature; nothing that is heard is judged.
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
        if self.streams != Streams::Whole {
            future::pending::<()>().await;
        }
        read_all(io).await
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, bytes: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        if self.streams == Streams::HalfOpen {
            io.write_all(&bytes[..bytes.len() / 2]).await?;
            io.flush().await?;
            future::pending::<()>().await;
        }
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

/// Takes a message: its topic, and its bytes as they came.
type Ear = Box<dyn FnMut(&str, &[u8]) + Send>;

enum Command {
    Ask(PeerId, Vec<u8>, Answer),
    Run(Work),
    Listen(Ear),
}

/// What a peer says to every request.
pub type Answers = Arc<dyn Fn() -> Vec<u8> + Send + Sync>;

/// How a peer begins.
pub struct Manners {
    /// Address that it listens on, and that it dials from.
    pub ip: IpAddr,
    /// The request protocol that it speaks.
    pub protocol: Protocol,
    /// What it says to requests.
    pub answers: Answers,
    /// What it does with streams.
    pub streams: Streams,
}

impl Manners {
    /// A peer on loopback that speaks `protocol` and answers with nothing.
    pub fn new(protocol: Protocol) -> Self {
        let ip = Ipv4Addr::LOCALHOST.into();
        Self { ip, protocol, answers: Arc::new(Vec::new), streams: Streams::Whole }
    }
}

/// The peer, in a task of its own, with an identity of its own.
pub struct Raw {
    /// Its identity.
    pub id: PeerId,
    /// Where it listens.
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
        Self::with(Manners { answers: Arc::new(move || answer.clone()), ..Manners::new(protocol) }).await
    }

    /// A peer that asks and then does not read.
    pub async fn stalling(protocol: Protocol) -> Self {
        Self::with(Manners { streams: Streams::Unread, ..Manners::new(protocol) }).await
    }

    /// A peer of these manners.
    pub async fn with(manners: Manners) -> Self {
        let Manners { ip, protocol, answers, streams } = manners;
        let mut swarm = swarm(protocol, Bytes { streams });
        let family = if ip.is_ipv4() { "ip4" } else { "ip6" };
        swarm.listen_on(format!("/{family}/{ip}/udp/0/quic-v1").parse().unwrap()).unwrap();
        let address = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                break address;
            }
        };
        let id = *swarm.local_peer_id();
        let (commands, inbox) = mpsc::unbounded_channel();
        let task = tokio::spawn(drive(swarm, inbox, answers));
        Self { id, address, commands, task }
    }

    /// Where it is found, for a node's list.
    pub fn bootnode(&self) -> Bootnode {
        Bootnode { peer_id: Some(self.id), address: self.address.clone() }
    }

    /// Dials a node, whoever it is.
    pub async fn dial(&self, address: &Multiaddr) {
        let address = address.clone();
        // An address that was just refused may not be dialled again at once: the next attempt will do.
        let _ = self.run(move |swarm| swarm.dial(address)).await;
    }

    /// Whom it is connected to.
    pub async fn connected(&self) -> Vec<PeerId> {
        self.run(|swarm| swarm.connected_peers().copied().collect()).await
    }

    /// Has every message of the topics that it follows taken by `ear`, in place of the one before.
    pub fn on_gossip(&self, ear: impl FnMut(&str, &[u8]) + Send + 'static) {
        assert!(self.commands.send(Command::Listen(Box::new(ear))).is_ok());
    }

    /// Follows a topic.
    pub async fn subscribe(&self, topic: &str) {
        let topic = gossipsub::IdentTopic::new(topic);
        self.run(move |swarm| swarm.behaviour_mut().gossip.subscribe(&topic)).await.unwrap();
    }

    /// The topics that any peer of it follows.
    pub async fn topics_of_others(&self) -> Vec<String> {
        let topics = |swarm: &mut Swarm<Behaviour>| {
            let peers = swarm.behaviour().gossip.all_peers();
            peers.flat_map(|(_, topics)| topics).map(ToString::to_string).collect()
        };
        self.run(topics).await
    }

    /// Puts `bytes` on a topic; `false` if nobody takes them.
    pub async fn throw(&self, topic: &str, bytes: Vec<u8>) -> bool {
        let topic = gossipsub::TopicHash::from_raw(topic);
        self.run(move |swarm| swarm.behaviour_mut().gossip.publish(topic, bytes)).await.is_ok()
    }

    /// Waits until this side, too, knows of the connection.
    pub async fn until_connected(&self, peer: PeerId) {
        let polling = async {
            while !self.run(move |swarm| swarm.is_connected(&peer)).await {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(DEADLINE, polling).await.expect("no connection");
    }

    /// Sends `bytes` as a request and returns all that comes back.
    pub async fn ask(&self, peer: PeerId, bytes: Vec<u8>) -> Result<Vec<u8>, String> {
        let (sender, receiver) = oneshot::channel();
        assert!(self.commands.send(Command::Ask(peer, bytes, sender)).is_ok());
        tokio::time::timeout(DEADLINE, receiver).await.expect("no answer in time").unwrap()
    }

    /// Runs `work` on the swarm.
    pub async fn run<T: Send + 'static>(
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
                if self.throw(topic, bytes.clone()).await {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(DEADLINE, publishing).await.expect("no peer on the topic");
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

async fn drive(mut swarm: Swarm<Behaviour>, mut inbox: mpsc::UnboundedReceiver<Command>, answers: Answers) {
    let mut asked: HashMap<OutboundRequestId, Answer> = HashMap::new();
    let mut ear: Option<Ear> = None;
    loop {
        tokio::select! {
            command = inbox.recv() => match command {
                None => return,
                Some(Command::Run(work)) => work(&mut swarm),
                Some(Command::Listen(new)) => ear = Some(new),
                Some(Command::Ask(peer, bytes, sender)) => {
                    asked.insert(swarm.behaviour_mut().exchanges.send_request(&peer, bytes), sender);
                }
            },
            event = swarm.select_next_some() => match event {
                SwarmEvent::Behaviour(BehaviourEvent::Exchanges(event)) => {
                    on_exchange(&mut swarm, &mut asked, event, &answers);
                }
                SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Message { message, .. })) => {
                    if let Some(ear) = &mut ear {
                        ear(message.topic.as_str(), &message.data);
                    }
                }
                _ => {}
            }
        }
    }
}

fn on_exchange(
    swarm: &mut Swarm<Behaviour>,
    asked: &mut HashMap<OutboundRequestId, Answer>,
    event: request_response::Event<Vec<u8>, Vec<u8>>,
    answers: &Answers,
) {
    use request_response::{Event, Message};
    match event {
        Event::Message { message: Message::Request { channel, .. }, .. } => {
            let _ = swarm.behaviour_mut().exchanges.send_response(channel, answers());
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
