//! Asking servers, one after the other, and comparing what they say.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lathe_types::{BlockHeader, Checkpoint, Decode, SignedBlock, Slot, State, TreeHash as _, Validators};
use tracing::{info, warn};
use ureq::http::{StatusCode, header};

use crate::error::{Claim, Error, Refusal};
use crate::proxy::Proxy;
use crate::server::{BLOCK_PATH, STATE_PATH, Server};
use crate::verify::{Network, verify};

/// Longest state read. Twelve days of block roots are 8 MiB, a full registry is half a MiB, and the pending votes of as
/// long without finality a few MiB.
pub const MAX_STATE_BYTES: u64 = 32 << 20;
/// Longest block read: what gossip lets through, 10 MiB. Without a payload a block is hardly longer than its proof.
pub const MAX_BLOCK_BYTES: u64 = 10 << 20;
/// A server that is there accepts a connection at once.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest state over 5 Mbit/s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// For all servers together: an operator who waits longer wants to hear what is wrong.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(180);
/// Times that block and state are asked for when finality moves on between the two. It moves every few seconds at most.
const PAIRING_ATTEMPTS: u32 = 3;

/// How long and how much to wait for.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// To connect.
    pub connect: Duration,
    /// For a whole answer.
    pub request: Duration,
    /// For all answers of all servers.
    pub total: Duration,
    /// Bytes of a state.
    pub state_bytes: u64,
    /// Bytes of a block.
    pub block_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: CONNECT_TIMEOUT,
            request: REQUEST_TIMEOUT,
            total: TOTAL_TIMEOUT,
            state_bytes: MAX_STATE_BYTES,
            block_bytes: MAX_BLOCK_BYTES,
        }
    }
}

/// A finalized block and the state after it.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckpointAnchor {
    /// Header of the block; its root is the block's.
    pub header: BlockHeader,
    /// The block, unless the server gives out states only.
    pub block: Option<Arc<SignedBlock>>,
    /// The state after it.
    pub state: Arc<State>,
}

/// What asking takes from outside this crate.
pub struct Environment<'a> {
    /// The current slot, and slot 0 before genesis.
    pub clock: &'a dyn Fn() -> Slot,
    /// Whether a block's proof is valid, given the registry.
    pub proof_is_valid: &'a dyn Fn(&SignedBlock, &Validators) -> bool,
    /// How long and how much to wait for.
    pub limits: Limits,
    /// Stands before servers that are not on this machine or its network.
    pub proxy: Option<Proxy>,
}

/// The newest finalized block and state of `network` that `servers` have.
///
/// # Errors
/// [`Error::NoCheckpoint`] says of each server what was wrong with it; [`Error::Disagreement`] names two whose chains
/// exclude each other.
pub fn fetch(
    servers: &[Server],
    network: &Network,
    environment: &Environment<'_>,
) -> Result<CheckpointAnchor, Error> {
    let started = Instant::now();
    let mut newest: Option<(Claim, CheckpointAnchor)> = None;
    let mut refusals = Vec::new();
    for server in servers {
        let asked = Client::new(server, environment, started).and_then(|client| client.ask(network));
        let anchor = match asked {
            Ok(anchor) => anchor,
            Err(refusal) => {
                warn!("no checkpoint: {server} {refusal}");
                refusals.push((server.clone(), refusal));
                continue;
            }
        };
        let has_block = anchor.block.is_some();
        let checkpoint = Checkpoint { root: anchor.header.tree_hash_root(), slot: anchor.header.slot };
        info!(%server, slot = checkpoint.slot.0, root = %checkpoint.root, has_block, "checkpoint fetched");
        let claim = Claim { server: server.clone(), checkpoint };
        newest = Some(match newest {
            None => (claim, anchor),
            Some(other) => newer_of(other, (claim, anchor))?,
        });
    }
    newest.map(|(_, anchor)| anchor).ok_or(Error::NoCheckpoint(refusals))
}

/// The newer of two, provided that the older lies on its chain. Of two at one slot the one with its block.
fn newer_of(
    first: (Claim, CheckpointAnchor),
    second: (Claim, CheckpointAnchor),
) -> Result<(Claim, CheckpointAnchor), Error> {
    let rank = |(claim, anchor): &(Claim, CheckpointAnchor)| (claim.checkpoint.slot, anchor.block.is_some());
    let (newer, older) = if rank(&second) > rank(&first) { (second, first) } else { (first, second) };
    let (Checkpoint { root, slot }, new) = (older.0.checkpoint, newer.0.checkpoint);
    let remembered =
        usize::try_from(slot.0).ok().and_then(|at| newer.1.state.historical_block_hashes.get(at));
    let agrees = if slot == new.slot { root == new.root } else { remembered == Some(&root) };
    if agrees { Ok(newer) } else { Err(Error::Disagreement(Box::new(older.0), Box::new(newer.0))) }
}

struct Client<'a> {
    agent: ureq::Agent,
    server: &'a Server,
    environment: &'a Environment<'a>,
    proxy: Option<&'a Proxy>,
}

impl<'a> Client<'a> {
    /// A client that does not ask longer than what is left of the time that all servers have since `started`.
    fn new(server: &'a Server, environment: &'a Environment<'a>, started: Instant) -> Result<Self, Refusal> {
        let limits = &environment.limits;
        let left = limits.total.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Err(Refusal::NoTime);
        }
        let proxy = environment.proxy.as_ref().filter(|_| !server.is_near());
        let config = ureq::Agent::config_builder()
            .timeout_connect(Some(limits.connect.min(left)))
            .timeout_global(Some(limits.request.min(left)))
            .proxy(proxy.map(Proxy::to_library))
            .max_redirects(0)
            .http_status_as_error(false)
            .build();
        Ok(Self { agent: config.into(), server, environment, proxy })
    }

    fn ask(&self, network: &Network) -> Result<CheckpointAnchor, Refusal> {
        let limits = &self.environment.limits;
        for _ in 0..PAIRING_ATTEMPTS {
            // The block first: it is small, so a server that is of no use is found out early.
            let block: Option<SignedBlock> = self.get(BLOCK_PATH, limits.block_bytes)?;
            let state: State = self
                .get(STATE_PATH, limits.state_bytes)?
                .ok_or(Refusal::Status { path: STATE_PATH, status: StatusCode::NOT_FOUND.as_u16() })?;
            let header = verify(&state, network, (self.environment.clock)())?;
            match &block {
                // Finality moved on in between.
                Some(block) if block.block.slot != header.slot => continue,
                Some(block) if block.block.header() != header => return Err(Refusal::Block),
                // Nobody signed genesis.
                Some(block)
                    if header.slot != Slot(0)
                        && !(self.environment.proof_is_valid)(block, &state.validators) =>
                {
                    return Err(Refusal::Proof);
                }
                _ => {}
            }
            return Ok(CheckpointAnchor { header, block: block.map(Arc::new), state: Arc::new(state) });
        }
        Err(Refusal::Unpaired { attempts: PAIRING_ATTEMPTS })
    }

    /// An object in SSZ; `None` if the server does not have it.
    fn get<T: Decode>(&self, path: &'static str, limit: u64) -> Result<Option<T>, Refusal> {
        let transport = |error: ureq::Error| match (error, self.proxy) {
            (ureq::Error::BodyExceedsLimit(_), _) => Refusal::TooLarge { path, limit },
            (error, None) => Refusal::Transport(error.to_string()),
            (error, Some(proxy)) => Refusal::Transport(format!("{error}, asked through the proxy {proxy}")),
        };
        let request =
            self.agent.get(self.server.url(path)).header(header::ACCEPT, "application/octet-stream");
        let mut response = request.call().map_err(transport)?;
        match response.status() {
            StatusCode::OK => {}
            // Some servers have no such route at all, and say so in their own way.
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
                return Ok(None);
            }
            status if status.is_redirection() => {
                let target = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
                return Err(Refusal::Redirect(shortened(target.unwrap_or("nowhere"))));
            }
            status => return Err(Refusal::Status { path, status: status.as_u16() }),
        }
        if response.body().content_length().is_some_and(|length| length > limit) {
            return Err(Refusal::TooLarge { path, limit });
        }
        // The library's bound is the first length that it refuses.
        let bytes = response.body_mut().with_config().limit(limit + 1).read_to_vec().map_err(transport)?;
        T::from_ssz_bytes(&bytes).map(Some).map_err(|_| Refusal::Undecodable { path })
    }
}

/// The beginning of what a server says, for messages.
fn shortened(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(120).collect()
}
