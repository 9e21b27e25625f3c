//! What goes wrong, by name.

/// Why there is no proof, or why a proof is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The statement says nothing.
    #[error("the statement has no signatures")]
    Empty,
    /// More signatures than one proof may hold.
    #[error("{found} signatures, more than the {max} that one proof may hold")]
    TooManySignatures {
        /// Signatures of the statement.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// More different slots than one proof may hold.
    #[error("{found} different slots, more than the {max} that one proof may hold")]
    TooManySlots {
        /// Slots of the statement.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// A public key of the statement is not canonical.
    #[error("public key {index} is malformed")]
    MalformedKey {
        /// Position in the statement.
        index: usize,
    },
    /// Not one signature per claim.
    #[error("{found} signatures for {expected} claims")]
    SignatureCount {
        /// Claims of the statement.
        expected: usize,
        /// Signatures given.
        found: usize,
    },
    /// A signature to be proved is not valid.
    #[error("signature {index} is not valid")]
    InvalidSignature {
        /// Position in the statement.
        index: usize,
    },
    /// The bytes are too long for a proof.
    #[error("{found} bytes, more than the {max} of the longest proof")]
    TooLong {
        /// Bytes given.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// The bytes are not the encoding of a proof.
    #[error("the bytes are not the encoding of a proof: {0}")]
    Malformed(&'static str),
    /// The proof does not hold for the statement.
    #[error("the proof does not hold: {0}")]
    Rejected(String),
    /// The proof system refused its input or its parameters.
    #[error("the proof system refused: {0}")]
    System(String),
    /// The proof system panicked; the panic was caught.
    #[error("the proof system panicked")]
    Panicked,
}
