//! The HTTP interface of a node: what tools, dashboards and syncing peers ask for.
//!
//! The server knows nothing of the node but the [`Api`] trait, whose answers come from an immutable view: a request
//! never waits for consensus. It runs its own accept loop, because strangers may connect: connections are capped,
//! in all and by address, and none is kept that sends its request slowly or does not read its answer.

mod admin;
mod api;
mod compress;
mod connection;
mod driver;
mod encode;
mod error;
mod events;
mod negotiate;
mod origin;
mod overview;
mod page;
mod places;
mod routes;
mod server;
mod stall;

pub use admin::{Guard, MIN_TOKEN_LEN, Token};
pub use api::{
    Api, ApiError, BlockId, ExecutionSync, ForkChoice, ForkChoiceNode, Identity, LogSwitch, NetworkInfo,
    PeerInfo, Syncing,
};
pub use connection::{Limits, serve_stream};
pub use driver::{DriverCall, TestDriver};
pub use error::HttpError;
pub use events::{Feed, Topic};
pub use overview::{
    AggregateRecord, Arrivals, BlockRecord, Duties, Overview, Process, REMEMBERED_SLOTS, SlotLog, SlotRecord,
};
pub use page::NetworkPage;
pub use routes::Options;
pub use server::{Addresses, Server};
