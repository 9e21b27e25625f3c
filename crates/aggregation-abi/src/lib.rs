//! For whoever brings a proof system of their own to Lathe: one safe trait, and two ways to connect it.
//!
//! Implement [`ProofSystem`], and then either
//!
//! * [`export_proof_system!`] it from a `cdylib`, which makes a shared library with the C ABI of
//!   `lathe_aggregation.h` (`--aggregation-backend external:PATH`), or
//! * call [`serve`] in the `main` of a program, which makes a worker of protocol 2
//!   (`--aggregation-backend external:exec:COMMAND`). `docs/worker_protocol.md` describes the protocol for other
//!   languages.
//!
//! Both check every length and catch every panic, so that an implementation is left with its own business: what comes
//! in has the lengths that its [`Capabilities`] name, and what goes out may be wrong without harm.
//!
//! ```
//! use lathe_aggregation_abi::{Capabilities, Evidence, Failure, ProofSystem, Purpose, Statement};
//!
//! struct Mine;
//!
//! impl ProofSystem for Mine {
//!     fn capabilities() -> Capabilities {
//!         Capabilities { name: "mine".into(), version: "1".into(), ..Capabilities::default() }
//!     }
//!
//!     fn set_up(_: Purpose) -> Result<Self, Failure> {
//!         Ok(Self)
//!     }
//!
//!     fn aggregate(&mut self, raw: &Evidence, children: &[Evidence]) -> Result<Vec<u8>, Failure> {
//!         # let _ = (raw, children);
//!         Err(Failure::Failed("no proofs yet".into()))
//!     }
//!
//!     fn verify_single(&mut self, claim: &Evidence) -> Result<(), Failure> {
//!         # let _ = claim;
//!         Err(Failure::Invalid("not a proof".into()))
//!     }
//!
//!     fn verify_multi(&mut self, statements: &[Statement], proof: &[u8]) -> Result<(), Failure> {
//!         # let _ = (statements, proof);
//!         Err(Failure::Invalid("not a proof".into()))
//!     }
//! }
//! ```

#[doc(hidden)]
pub mod abi;
mod codec;
#[doc(hidden)]
pub mod export;
mod protocol;
mod serve;
mod system;

pub use codec::{CodecError, MAX_FRAME_BYTES, read_frame, write_frame};
pub use protocol::{
    Answer, Capabilities, Component, Evidence, Message, PROTOCOL_VERSION, Purpose, Request, SignatureClaim,
    Statement, Work,
};
pub use serve::{answer, serve, serve_requests};
pub use system::{Failure, ProofSystem};

/// Most bytes of a proof.
pub const MAX_PROOF_BYTES: usize = 512 * 1024;
/// Error text that is listened to.
pub const MAX_TEXT_BYTES: usize = 1024;
