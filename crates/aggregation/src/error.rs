//! Why a proof was not made or not believed.

/// Everything that can go wrong with a proof.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AggregationError {
    /// The bytes end before the encoding does.
    #[error("proof ends in the middle of a field")]
    Truncated,
    /// Bytes follow the encoding.
    #[error("{0} bytes follow the proof")]
    TrailingBytes(usize),
    /// The format is newer than this build, or not a proof at all.
    #[error("unknown proof format version {0}")]
    UnknownVersion(u8),
    /// A single-message proof stands where a multi-message proof belongs, or the reverse.
    #[error("proof has layout {found}, expected {expected}")]
    WrongLayout {
        /// The layout that the context asks for.
        expected: u8,
        /// The layout that the bytes name.
        found: u8,
    },
    /// A proof must cover at least one message.
    #[error("proof has {found} components, expected {expected}")]
    WrongComponentCount {
        /// Messages that the caller wants covered.
        expected: usize,
        /// Components in the proof.
        found: usize,
    },
    /// A message's proof has no parts.
    #[error("a message has no parts")]
    NoParts,
    /// A message's proof has more parts than are allowed.
    #[error("a message has {found} parts, at most {max} are allowed")]
    TooManyParts {
        /// Parts in the proof.
        found: usize,
        /// The cap.
        max: usize,
    },
    /// This build cannot read that kind of part.
    #[error("unknown kind of part {0}")]
    UnknownPartKind(u8),
    /// A part is about another message than the one that is asked for.
    #[error("a part is about another message")]
    ForeignPart,
    /// A part is about a component that its proof does not have.
    #[error("a part is about component {position} of a proof over {components}")]
    NoSuchComponent {
        /// The component, counted from 0.
        position: usize,
        /// Components of the proof.
        components: usize,
    },
    /// The parts of a message are not in their one canonical form.
    #[error("parts are not in canonical form: {0}")]
    NonCanonicalParts(&'static str),
    /// A flat proof that several messages use must stand once before them, and only such a proof; and it is over
    /// different messages.
    #[error("flat proofs are not shared in the one canonical way")]
    NonCanonicalShares,
    /// A slot is beyond what a signature can be for.
    #[error("slot {0} is beyond the lifetime of the keys")]
    SlotOutOfRange(u64),
    /// A part covers nobody.
    #[error("a part covers no signer")]
    EmptyPart,
    /// A set of signers is not in its one canonical encoding.
    #[error("signers are not in canonical form: {0}")]
    NonCanonicalSigners(&'static str),
    /// A raw part must carry one signature per signer.
    #[error("a part names {signers} signers and carries {signatures} signatures")]
    SignatureCountMismatch {
        /// Bits set.
        signers: usize,
        /// Signatures announced.
        signatures: usize,
    },
    /// A signature inside the proof is not an encoding of the scheme in force.
    #[error("the signature of validator {0} is malformed")]
    MalformedSignature(u64),
    /// A signer does not exist.
    #[error("validator {index} is outside the registry of {registry}")]
    SignerOutsideRegistry {
        /// The index.
        index: u64,
        /// Validators in the registry.
        registry: usize,
    },
    /// A raw signer is also covered elsewhere.
    #[error("validator {0} is covered twice")]
    OverlappingSigner(u64),
    /// The parts together do not cover exactly the participants that are claimed.
    #[error("the parts cover other validators than the participants that are claimed")]
    ParticipantsMismatch,
    /// There is nobody to prove anything about.
    #[error("there are no participants")]
    NoParticipants,
    /// Signatures handed in are not strictly ascending by validator.
    #[error("signatures are not strictly ascending by validator")]
    UnorderedSignatures,
    /// The result would exceed what a proof may hold.
    #[error("proof would hold {signatures} signatures, at most {max} fit")]
    TooLarge {
        /// Signatures wanted.
        signatures: usize,
        /// Signatures that fit.
        max: usize,
    },
    /// No component is about the message that was asked for.
    #[error("no component is about that message")]
    UnknownMessage,
    /// Structure is sound, but a signature does not verify.
    #[error("the signature of validator {0} does not verify")]
    InvalidSignature(u64),
    /// Structure is sound, but the proof does not verify.
    #[error("the proof does not verify")]
    InvalidProof,
    /// No proof is worth making: what it would take exceeds the time that is left, or it would save nothing.
    #[error("no proof is worth making in the time that is left")]
    NotWorthwhile,
    /// The backend cannot do that.
    #[error("the backend cannot {0}")]
    Unsupported(&'static str),
    /// The backend did not do it, for reasons of its own: nothing was found out.
    #[error("the backend is not available: {0}")]
    Unavailable(String),
    /// The caller gave up.
    #[error("cancelled")]
    Cancelled,
}

impl AggregationError {
    /// Whether it says something about the proof, as opposed to about whoever was to check it.
    pub fn is_verdict(&self) -> bool {
        !matches!(self, Self::Unsupported(_) | Self::Unavailable(_) | Self::Cancelled)
    }
}
