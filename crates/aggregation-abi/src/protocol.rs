//! The messages between a node and a worker, version 2.

use crate::codec::{CodecError, Reader, Writer};

/// Version of the protocol. Another version is another protocol: a node speaks exactly this one.
pub const PROTOCOL_VERSION: u32 = 2;

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Request {}
    impl Sealed for super::Answer {}
}

/// What a frame can carry: a request or an answer.
pub trait Message: sealed::Sealed + Sized {
    #[doc(hidden)]
    fn write(&self, to: &mut Writer);
    #[doc(hidden)]
    fn read(from: &mut Reader<'_>) -> Result<Self, CodecError>;
}

/// What a worker is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Checking proofs and signatures.
    Verify,
    /// Making proofs.
    Prove,
    /// Making keys and signing with them.
    Sign,
}

impl Purpose {
    /// Its number in messages, and in `lathe_aggregation.h`.
    pub const fn code(self) -> u32 {
        match self {
            Self::Verify => 1,
            Self::Prove => 2,
            Self::Sign => 3,
        }
    }

    /// The purpose with that number.
    pub fn of_code(code: u32) -> Option<Self> {
        [Self::Verify, Self::Prove, Self::Sign].into_iter().find(|purpose| purpose.code() == code)
    }

    /// Its name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Prove => "prove",
            Self::Sign => "sign",
        }
    }
}

/// What a worker is and can do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Name of the proof format: at most 31 letters, digits, '.', '_' and '-'. Part of a network's identity.
    pub name: String,
    /// Its version, of the same kind. Change it whenever proofs of one cannot be read by the other.
    pub version: String,
    /// Name of the signature scheme, as networks have it.
    pub scheme: String,
    /// Bytes of a public key; 0 stands for 52.
    pub public_key_bytes: u32,
    /// Bytes of a signature; 0 stands for 2,536.
    pub signature_bytes: u32,
    /// Most signers of a single-message proof.
    pub max_signers: u32,
    /// Most children that one aggregate takes; 0 if proofs cannot be folded.
    pub max_children: u32,
    /// Most components that one merge takes, the proposer among them.
    pub max_components: u32,
    /// Proofs that can be made at a time, each in a process of its own; 0 stands for 1.
    pub provers: u32,
    /// Whether signatures over several messages are merged into one proof as they are.
    pub merges_signatures: bool,
    /// Whether a component can be taken out of a merged proof.
    pub splits: bool,
    /// Whether it makes keys, and signs with them.
    pub signs: bool,
    /// Whether it checks single signatures.
    pub verifies_signatures: bool,
    /// Whether it can be asked how long work takes.
    pub estimates: bool,
    /// Whether the system keeps it from the files of the node.
    pub is_confined: bool,
    /// Address space that it needs at most, in bytes; 0 stands for 16 GiB.
    pub memory_bytes: u64,
}

/// That the holders of these keys signed this message at this slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Root of the vote's data or of the block; it contains the slot.
    pub message: [u8; 32],
    /// Any 64-bit number: a slot that the scheme does not have is invalid, never cut off.
    pub slot: u64,
    /// Keys one after another, in the order of the validators' indices.
    pub public_keys: Vec<u8>,
}

/// A statement with what shows it: a single-message proof, or one signature per key, one after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// What is shown.
    pub statement: Statement,
    /// What shows it.
    pub bytes: Vec<u8>,
}

/// One component to be merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// What is shown, and what shows it.
    pub evidence: Evidence,
    /// Whether that is signatures; else it is a proof.
    pub is_signatures: bool,
}

/// One signature to check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureClaim {
    /// The signer's key.
    pub public_key: Vec<u8>,
    /// The slot that it signed at.
    pub slot: u64,
    /// What it signed.
    pub message: [u8; 32],
    /// The signature.
    pub signature: Vec<u8>,
}

/// Work whose time is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Folding so many signatures and children.
    Aggregate {
        /// Signatures.
        raw: u32,
        /// Proofs.
        children: u32,
    },
    /// Merging so many proofs, and so many signatures of further components.
    Merge {
        /// Proofs.
        proofs: u32,
        /// Signatures.
        signatures: u32,
    },
}

/// What a node asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The first message: the protocol's version. Answered by [`Answer::Hello`], at once.
    Hello {
        /// [`PROTOCOL_VERSION`].
        version: u32,
    },
    /// The second: set up for this. Answered by an empty [`Answer::Done`].
    SetUp(Purpose),
    /// A key from a seed. Answered by the public key and the secret, each behind its length.
    GenerateKey {
        /// 32 random bytes.
        seed: Vec<u8>,
    },
    /// Do what would delay a signature at that leaf.
    PrepareKey {
        /// The key.
        secret: Vec<u8>,
        /// The leaf.
        leaf: u64,
    },
    /// Sign at that leaf.
    Sign {
        /// The key.
        secret: Vec<u8>,
        /// The leaf: the slot.
        leaf: u64,
        /// What.
        message: [u8; 32],
    },
    /// Check signatures. Answered by a byte each: 1 holds, 0 does not.
    VerifySignatures(Vec<SignatureClaim>),
    /// Fold signatures and proofs over one message.
    Aggregate {
        /// Signatures; may have no keys.
        raw: Evidence,
        /// Proofs.
        children: Vec<Evidence>,
    },
    /// Merge components, in order.
    Merge(Vec<Component>),
    /// Check a single-message proof.
    VerifySingle(Evidence),
    /// Check a multi-message proof.
    VerifyMulti {
        /// What it has to show, in order.
        statements: Vec<Statement>,
        /// The proof.
        proof: Vec<u8>,
    },
    /// Take a component out.
    Split {
        /// What the proof shows, in order.
        statements: Vec<Statement>,
        /// The proof.
        proof: Vec<u8>,
        /// Which one.
        index: u32,
    },
    /// How long work takes. Answered by eight bytes, milliseconds, or none.
    Estimate(Work),
    /// Give up the request of that number, which is answered all the same. Not answered itself.
    Cancel {
        /// The request's.
        request: u32,
    },
}

/// What a worker answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Its version of the protocol, and what it can do.
    Hello {
        /// The version.
        version: u32,
        /// What it can do.
        capabilities: Capabilities,
    },
    /// The result; empty for a verification.
    Done(Vec<u8>),
    /// The proof, or what it was to be made from, is bad.
    Invalid(String),
    /// It cannot do that.
    Unsupported(String),
    /// It failed.
    Failed(String),
    /// It was told to give up.
    Cancelled,
    /// What it runs gave out what cannot be; it wants to be started again.
    Broken(String),
}

impl Statement {
    fn write(&self, to: &mut Writer) {
        to.raw(&self.message).u64(self.slot).bytes(&self.public_keys);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self { message: from.array()?, slot: from.u64()?, public_keys: from.bytes()? })
    }
}

impl Evidence {
    fn write(&self, to: &mut Writer) {
        self.statement.write(to);
        to.bytes(&self.bytes);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self { statement: Statement::read(from)?, bytes: from.bytes()? })
    }
}

fn flag(from: &mut Reader<'_>) -> Result<bool, CodecError> {
    match from.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(CodecError::Malformed("a flag is neither 0 nor 1")),
    }
}

impl Capabilities {
    fn write(&self, to: &mut Writer) {
        to.bytes(self.name.as_bytes()).bytes(self.version.as_bytes()).bytes(self.scheme.as_bytes());
        to.u32(self.public_key_bytes).u32(self.signature_bytes);
        to.u32(self.max_signers).u32(self.max_children).u32(self.max_components).u32(self.provers);
        let flags = [
            self.merges_signatures,
            self.splits,
            self.signs,
            self.verifies_signatures,
            self.estimates,
            self.is_confined,
        ];
        flags.iter().for_each(|set| {
            to.u8(u8::from(*set));
        });
        to.u64(self.memory_bytes);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            name: from.text()?,
            version: from.text()?,
            scheme: from.text()?,
            public_key_bytes: from.u32()?,
            signature_bytes: from.u32()?,
            max_signers: from.u32()?,
            max_children: from.u32()?,
            max_components: from.u32()?,
            provers: from.u32()?,
            merges_signatures: flag(from)?,
            splits: flag(from)?,
            signs: flag(from)?,
            verifies_signatures: flag(from)?,
            estimates: flag(from)?,
            is_confined: flag(from)?,
            memory_bytes: from.u64()?,
        })
    }
}

impl Message for Request {
    fn write(&self, to: &mut Writer) {
        match self {
            Self::Hello { version } => {
                to.u8(0x01).u32(*version);
            }
            Self::SetUp(purpose) => {
                to.u8(0x02).u32(purpose.code());
            }
            Self::Cancel { request } => {
                to.u8(0x03).u32(*request);
            }
            Self::GenerateKey { seed } => {
                to.u8(0x10).bytes(seed);
            }
            Self::PrepareKey { secret, leaf } => {
                to.u8(0x11).bytes(secret).u64(*leaf);
            }
            Self::Sign { secret, leaf, message } => {
                to.u8(0x12).bytes(secret).u64(*leaf).raw(message);
            }
            Self::VerifySignatures(claims) => {
                to.u8(0x20).list(claims, |to, claim| {
                    to.bytes(&claim.public_key).u64(claim.slot).raw(&claim.message).bytes(&claim.signature);
                });
            }
            Self::Aggregate { raw, children } => {
                to.u8(0x30);
                raw.write(to);
                to.list(children, |to, child| child.write(to));
            }
            Self::Merge(components) => {
                to.u8(0x31).list(components, |to, component| {
                    to.u8(u8::from(component.is_signatures));
                    component.evidence.write(to);
                });
            }
            Self::VerifySingle(claim) => {
                to.u8(0x32);
                claim.write(to);
            }
            Self::VerifyMulti { statements, proof } => {
                to.u8(0x33).list(statements, |to, it| it.write(to)).bytes(proof);
            }
            Self::Split { statements, proof, index } => {
                to.u8(0x34).list(statements, |to, it| it.write(to)).bytes(proof).u32(*index);
            }
            Self::Estimate(Work::Aggregate { raw, children }) => {
                to.u8(0x40).u8(0).u32(*raw).u32(*children);
            }
            Self::Estimate(Work::Merge { proofs, signatures }) => {
                to.u8(0x40).u8(1).u32(*signatures).u32(*proofs);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(match from.u8()? {
            0x01 => Self::Hello { version: from.u32()? },
            0x02 => {
                Self::SetUp(Purpose::of_code(from.u32()?).ok_or(CodecError::Malformed("an unknown purpose"))?)
            }
            0x03 => Self::Cancel { request: from.u32()? },
            0x10 => Self::GenerateKey { seed: from.bytes()? },
            0x11 => Self::PrepareKey { secret: from.bytes()?, leaf: from.u64()? },
            0x12 => Self::Sign { secret: from.bytes()?, leaf: from.u64()?, message: from.array()? },
            0x20 => Self::VerifySignatures(from.list(|from| {
                let (public_key, slot) = (from.bytes()?, from.u64()?);
                Ok(SignatureClaim { public_key, slot, message: from.array()?, signature: from.bytes()? })
            })?),
            0x30 => Self::Aggregate { raw: Evidence::read(from)?, children: from.list(Evidence::read)? },
            0x31 => Self::Merge(from.list(|from| {
                let is_signatures = flag(from)?;
                Ok(Component { evidence: Evidence::read(from)?, is_signatures })
            })?),
            0x32 => Self::VerifySingle(Evidence::read(from)?),
            0x33 => Self::VerifyMulti { statements: from.list(Statement::read)?, proof: from.bytes()? },
            0x34 => Self::Split {
                statements: from.list(Statement::read)?,
                proof: from.bytes()?,
                index: from.u32()?,
            },
            0x40 => {
                let (is_merge, signatures, proofs) = (flag(from)?, from.u32()?, from.u32()?);
                Self::Estimate(match is_merge {
                    true => Work::Merge { proofs, signatures },
                    false => Work::Aggregate { raw: signatures, children: proofs },
                })
            }
            _ => return Err(CodecError::Malformed("an unknown request")),
        })
    }
}

impl Message for Answer {
    fn write(&self, to: &mut Writer) {
        match self {
            Self::Hello { version, capabilities } => {
                to.u8(0x81).u32(*version);
                capabilities.write(to);
            }
            Self::Done(bytes) => {
                to.u8(0x80).bytes(bytes);
            }
            Self::Invalid(why) => {
                to.u8(0x82).bytes(why.as_bytes());
            }
            Self::Unsupported(why) => {
                to.u8(0x83).bytes(why.as_bytes());
            }
            Self::Failed(why) => {
                to.u8(0x84).bytes(why.as_bytes());
            }
            Self::Cancelled => {
                to.u8(0x85);
            }
            Self::Broken(why) => {
                to.u8(0x86).bytes(why.as_bytes());
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(match from.u8()? {
            0x80 => Self::Done(from.bytes()?),
            0x81 => {
                let version = from.u32()?;
                if version != PROTOCOL_VERSION {
                    // What follows is another version's business.
                    let rest = from.remaining();
                    from.take(rest)?;
                    return Ok(Self::Hello { version, capabilities: Capabilities::default() });
                }
                Self::Hello { version, capabilities: Capabilities::read(from)? }
            }
            0x82 => Self::Invalid(from.text()?),
            0x83 => Self::Unsupported(from.text()?),
            0x84 => Self::Failed(from.text()?),
            0x85 => Self::Cancelled,
            0x86 => Self::Broken(from.text()?),
            _ => return Err(CodecError::Malformed("an unknown answer")),
        })
    }
}
