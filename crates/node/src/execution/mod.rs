//! The execution client beside this node: an actor that owns the connection and its health.
//!
//! Nobody waits for it. Requests come from the chain and answers go back as inputs; while the client is away, hangs or
//! does not fit, each request is refused at once, and a handshake with backoff finds out when it is back.
//! What it lacks then is replayed from storage, and what storage lacks from the network.

mod actor;
mod convert;
mod history;
mod link;
mod mailbox;
mod replay;
mod state;

use std::sync::Arc;
use std::time::{Duration, Instant};

use lathe_actor::{Inbox, Supervisor};
use lathe_execution::{Address, B256, EngineClient, ExecutionError, Fault, Health, Limits};
use tracing::warn;

pub(crate) use actor::Execution;
use history::History;
use link::Link;
pub(crate) use mailbox::{Mailbox, Request, open};

pub use lathe_execution::{Endpoint, JwtSecret};

use crate::clock::Time;
use crate::error::NodeError;
use crate::metrics::Metrics;
use crate::options::NodeOptions;
use crate::{chain, network, store};

/// How long a start waits for the first word of the execution client. One that is not there yet is no reason not to
/// start.
const FIRST_WORD: Duration = Duration::from_secs(2);

/// How to reach the execution client.
#[derive(Clone, Debug)]
pub struct ExecutionOptions {
    /// Where it serves the Engine API.
    pub endpoint: Endpoint,
    /// The secret that both share.
    pub secret: JwtSecret,
    /// Who earns the fees of our blocks.
    pub fee_recipient: Address,
}

/// Reads the hash of an execution client's block 0, for a network that does not say which it is.
pub async fn genesis_block_hash(endpoint: Endpoint, secret: JwtSecret) -> Result<B256, ExecutionError> {
    let client = EngineClient::new(endpoint, secret, Limits::default());
    client.handshake(None).await.map(|peer| peer.genesis)
}

/// The execution client of a paired network, and the mailbox of the actor that will speak to it.
pub(crate) struct PairedClient {
    genesis: B256,
    mailbox: Mailbox,
    inbox: Inbox<Request>,
}

/// Looks for the execution client that the network needs. One that answers and will not do, because it does not trust
/// us or runs another chain, is an operator's mistake and better found now; one that does not answer is waited for
/// later.
pub(crate) async fn prepare(options: &NodeOptions) -> Result<Option<PairedClient>, NodeError> {
    let (execution, genesis) = match (&options.execution, options.genesis.execution_genesis) {
        (None, None) => return Ok(None),
        (None, Some(_)) => return Err(NodeError::NoExecutionClient),
        (Some(_), None) => return Err(NodeError::NoExecutionLayer),
        (Some(execution), Some(genesis)) => (execution, genesis),
    };
    let client = client(execution);
    match tokio::time::timeout(FIRST_WORD, client.handshake(Some(genesis))).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) if is_mistake(&error) => return Err(NodeError::Execution(error)),
        Ok(Err(error)) => warn!(%error, "the execution client is not there yet"),
        Err(_) => warn!(endpoint = %execution.endpoint, "the execution client does not answer yet"),
    }
    let (mailbox, inbox) = open();
    Ok(Some(PairedClient { genesis, mailbox, inbox }))
}

fn is_mistake(error: &ExecutionError) -> bool {
    matches!(error.fault(), Some(Fault::Unauthorised | Fault::Unsuitable))
}

fn client(options: &ExecutionOptions) -> EngineClient {
    EngineClient::new(options.endpoint.clone(), options.secret.clone(), Limits::default())
}

impl PairedClient {
    pub(crate) fn mailbox(&self) -> Mailbox {
        self.mailbox.clone()
    }
}

/// Starts the actor, if there is anybody to speak to. It ends when the chain has dropped its mailbox.
pub(crate) fn spawn(
    paired: Option<PairedClient>,
    supervisor: &mut Supervisor,
    options: &NodeOptions,
    chain: &chain::Mailbox,
    history: (store::Reader, network::Mailbox),
    time: &Time,
    metrics: &Arc<Metrics>,
) {
    let (Some(paired), Some(options)) = (paired, &options.execution) else { return };
    // Only the chain keeps a mailbox, so that the actor ends with it.
    let PairedClient { genesis, inbox, .. } = paired;
    let actor = Execution::new(options, genesis, chain.clone(), history, time.clone(), metrics.clone());
    supervisor.spawn("execution", actor.run(inbox));
}

impl Execution {
    /// An actor that has not called yet, for a chain that begins with `genesis`.
    pub(crate) fn new(
        options: &ExecutionOptions,
        genesis: B256,
        chain: chain::Mailbox,
        (reader, network): (store::Reader, network::Mailbox),
        time: Time,
        metrics: Arc<Metrics>,
    ) -> Self {
        let client = client(options);
        let fee_recipient = options.fee_recipient;
        Self {
            link: Arc::new(Link { client, genesis, fee_recipient, metrics: metrics.clone() }),
            chain,
            history: Arc::new(History { reader, network }),
            time,
            metrics,
            health: Health::default(),
            peer: None,
            requests: state::Requests::default(),
            building: None,
            replay: None,
            replayed_last: false,
            started: Instant::now(),
        }
    }
}
