//! The API of a chain that nobody moves.

use std::sync::Arc;

use lathe_engine::{Anchor, Engine, EngineConfig};
use lathe_http::{Api, Identity, NetworkInfo};
use lathe_storage::Database;
use tokio::sync::watch;

use super::NodeApi;
use crate::clock::Time;
use crate::error::NodeError;
use crate::metrics::Metrics;
use crate::{chain, store};

/// The API of a node that has just started at `anchor` and has met nobody: for asking what a node answers, without its
/// sockets, files and threads. `database` is what it reads blocks and states from.
pub fn api_at_rest(
    database: Arc<dyn Database>,
    anchor: Anchor,
    is_aggregator: bool,
) -> Result<impl Api, NodeError> {
    let genesis_time = anchor.state.config.genesis_time;
    let validator_count = anchor.state.validators.len() as u64;
    let metrics = Metrics::new("at rest", 0.0)?;
    let mut engine = Engine::new(EngineConfig { is_aggregator, ..EngineConfig::default() }, anchor)?;
    // Whoever would change what is watched is not there; the last value stays. The same goes for the chain's letters.
    let ((_, view), (_, peers)) = (watch::channel(engine.view()), watch::channel(Vec::new()));
    let (chain, _) = chain::open();
    Ok(NodeApi {
        view,
        peers,
        reader: store::Reader::new(database),
        chain,
        pulse: chain::Pulse::new(),
        records: chain::Records::default(),
        local_validators: Vec::new(),
        name: String::new(),
        time: Time::new(genesis_time, 1.0),
        metrics: Arc::new(metrics),
        identity: Identity { version: env!("CARGO_PKG_VERSION").into(), peer_id: String::new() },
        network: NetworkInfo { genesis_time, validator_count, fork_digest: String::new() },
        is_paired: false,
        log: None,
        is_aggregator: is_aggregator.into(),
    })
}
