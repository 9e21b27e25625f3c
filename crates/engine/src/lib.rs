//! The sans-IO consensus engine: what a Lean Ethereum node decides, without anything that it does.
//!
//! [`Engine::handle`] takes what happened and the time, [`Engine::poll_effect`] gives what is to be done about it, and
//! [`Engine::next_timeout`] says when to come back if nothing happens. There is no socket, disk, clock, thread or
//! randomness inside, so the same engine runs in a node, in a simulator with a thousand crashes, and under the
//! specification's fixtures. The same inputs give the same effects, byte for byte.
//!
//! One call takes one turn: the clock first (intervals that began, proposals that are due), then the input, then
//! whatever has become possible. Cryptography and proofs are asked of workers; the state transition runs inline.
//! On an execution-paired chain an execution client judges payloads, and blocks are imported before it has.
//! Nothing from outside makes it panic or grow without bound: what does not fit is refused and, where it matters,
//! announced. A driver that answers late, twice or never costs the duty concerned and nothing else.
//!
//! Each module that does something is a *room*: it owns its state, takes the core that all share, and hands back
//! what concerns another room. `turn` is where the rooms meet.

mod aggregation;
mod attesting;
mod blocks;
mod concerns;
mod config;
mod core;
mod engine;
mod execution;
mod gate;
mod import;
mod intervals;
mod io;
mod observer;
mod plausibility;
mod proposal;
mod share;
mod sync;
mod time;
mod timeline;
mod turn;
mod view;
mod votes;

pub use config::{Anchor, DEFAULT_AGGREGATE_CAPACITY, DEFAULT_SIGN_LEAD_MS, EngineConfig, EngineError};
pub use engine::Engine;
pub use gate::{ChainLag, Gate};
pub use io::*;
pub use observer::{Observer, Step};
pub use view::{PoolSizes, SyncView, View, ViewNode};
