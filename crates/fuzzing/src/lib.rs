//! What the fuzz targets do with their bytes: one function per family of decoders, and the properties that hold for
//! whatever they accept.
//!
//! A target takes any bytes and returns; it panics if a property does not hold. The binaries that search for such bytes
//! are in `fuzz/`, a workspace of its own; what they have found worth keeping is in `fuzz/corpus/`, and this crate's
//! test replays it. Where a decoder is one of several in a family, the first byte chooses.

mod enr;
mod execution;
mod gossip;
mod http;
mod key_files;
mod proofs;
mod reqresp;
mod snappy;
mod ssz;
mod stark;
mod transition;
mod xmss;
mod yaml;

pub mod seeds;

pub use enr::enr;
pub use execution::execution;
pub use gossip::gossip;
pub use http::http;
pub use key_files::key_files;
pub use proofs::proofs;
pub use reqresp::reqresp;
pub use snappy::snappy;
pub use ssz::ssz;
pub use stark::{containers, stark};
pub use transition::transition;
pub use xmss::xmss;
pub use yaml::yaml;

/// A target under the name of its binary and of its corpus.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 14] = [
    ("containers", containers),
    ("enr", enr),
    ("execution", execution),
    ("gossip", gossip),
    ("http", http),
    ("key_files", key_files),
    ("proofs", proofs),
    ("reqresp", reqresp),
    ("snappy", snappy),
    ("ssz", ssz),
    ("stark", stark),
    ("transition", transition),
    ("xmss", xmss),
    ("yaml", yaml),
];
