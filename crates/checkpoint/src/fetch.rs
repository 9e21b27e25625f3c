//! Asking servers, one after the other.

use std::sync::Arc;
use std::time::Duration;

use lathe_types::{BlockHeader, Decode, SignedBlock, Slot, State};
use tracing::{info, warn};
use ureq::http::{StatusCode, header};

use crate::error::{Error, Refusal};
use crate::server::Server;
use crate::verify::{Network, verify};

pub(crate) const STATE_PATH: &str = "/lean/v0/states/finalized";
pub(crate) const BLOCK_PATH: &str = "/lean/v0/blocks/finalized";

/// Longest state read. Twelve days of block roots are 8 MiB, a full registry is half a MiB, and the pending votes of as
/// long without finality a few MiB.
pub const MAX_STATE_BYTES: u64 = 32 << 20;
/// Longest block read: what gossip lets through, 10 MiB. Without a payload a block is hardly longer than its proof.
pub const MAX_BLOCK_BYTES: u64 = 10 << 20;
/// A server that is there accepts a connection at once.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest state over 5 Mbit/s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// Times that block and state are asked for when finality moves on between the two. It moves every few seconds at most.
const PAIRING_ATTEMPTS: u32 = 3;

/// How long and how much to wait for.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// To connect.
    pub connect: Duration,
    /// For a whole answer.
    pub request: Duration,
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
            state_bytes: MAX_STATE_BYTES,
            block_bytes: MAX_BLOCK_BYTES,
        }
    }
}

/// A finalized block and the state after it.
#[derive(Clone, Debug, PartialEq)]
pub struct Anchor {
    /// Header of the block; its root is the block's.
    pub header: BlockHeader,
    /// The block, unless the server gives out states only.
    pub block: Option<Arc<SignedBlock>>,
    /// The state after it.
    pub state: Arc<State>,
}

/// A finalized block and state of `network` from the first of `servers` that has one. `clock` tells the current slot,
/// and slot 0 before genesis.
///
/// # Errors
/// [`Error::NoCheckpoint`] says of each server what was wrong with it.
pub fn fetch(
    servers: &[Server],
    network: &Network,
    clock: &dyn Fn() -> Slot,
    limits: &Limits,
) -> Result<Anchor, Error> {
    let config = ureq::Agent::config_builder()
        .timeout_connect(Some(limits.connect))
        .timeout_global(Some(limits.request))
        .max_redirects(0)
        .http_status_as_error(false)
        .build();
    let client = Client { agent: config.into(), limits };
    let mut refusals = Vec::with_capacity(servers.len());
    for server in servers {
        match client.ask(server, network, clock) {
            Ok(anchor) => {
                let has_block = anchor.block.is_some();
                info!(%server, slot = anchor.header.slot.0, has_block, "checkpoint fetched");
                return Ok(anchor);
            }
            Err(refusal) => {
                warn!("no checkpoint: {server} {refusal}");
                refusals.push((server.clone(), refusal));
            }
        }
    }
    Err(Error::NoCheckpoint(refusals))
}

struct Client<'a> {
    agent: ureq::Agent,
    limits: &'a Limits,
}

impl Client<'_> {
    fn ask(&self, server: &Server, network: &Network, clock: &dyn Fn() -> Slot) -> Result<Anchor, Refusal> {
        for _ in 0..PAIRING_ATTEMPTS {
            // The block first: it is small, so a server that is of no use is found out early.
            let block: Option<SignedBlock> = self.get(server, BLOCK_PATH, self.limits.block_bytes)?;
            let state: State = self
                .get(server, STATE_PATH, self.limits.state_bytes)?
                .ok_or(Refusal::Status { path: STATE_PATH, status: StatusCode::NOT_FOUND.as_u16() })?;
            let header = verify(&state, network, clock())?;
            match &block {
                // Finality moved on in between.
                Some(block) if block.block.slot != header.slot => continue,
                Some(block) if block.block.header() != header => return Err(Refusal::Block),
                _ => {}
            }
            return Ok(Anchor { header, block: block.map(Arc::new), state: Arc::new(state) });
        }
        Err(Refusal::Unpaired { attempts: PAIRING_ATTEMPTS })
    }

    /// An object in SSZ; `None` if the server does not have it.
    fn get<T: Decode>(&self, server: &Server, path: &'static str, limit: u64) -> Result<Option<T>, Refusal> {
        let transport = |error: ureq::Error| match error {
            ureq::Error::BodyExceedsLimit(_) => Refusal::TooLarge { path, limit },
            error => Refusal::Transport(error.to_string()),
        };
        let request = self.agent.get(server.url(path)).header(header::ACCEPT, "application/octet-stream");
        let mut response = request.call().map_err(transport)?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
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
