//! The main loop of a worker.

use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::MAX_PROOF_BYTES;
use crate::codec::{MAX_FRAME_BYTES, Writer, read_frame, write_frame};
use crate::protocol::{Answer, Capabilities, Component, Evidence, PROTOCOL_VERSION, Request, Statement};
use crate::system::{Failure, ProofSystem};

/// Serves a node until it closes `from`. A node whose process has ended is noticed between two requests; on Linux it
/// takes its workers with it.
pub fn serve<S: ProofSystem>(mut from: impl Read, to: impl Write) -> io::Result<()> {
    // Whatever the reason for the end is, nobody is left to be told.
    let requests = std::iter::from_fn(|| read_frame::<Request>(&mut from, MAX_FRAME_BYTES).ok());
    serve_requests::<S>(requests, to)
}

/// The same for requests that somebody else reads, each with its number.
pub fn serve_requests<S: ProofSystem>(
    requests: impl IntoIterator<Item = (u32, Request)>,
    mut to: impl Write,
) -> io::Result<()> {
    let mut system: Option<S> = None;
    for (id, request) in requests {
        // What it is about has been answered: requests come one at a time.
        if !matches!(request, Request::Cancel { .. }) {
            write_frame(&mut to, id, &answer::<S>(&mut system, &request))?;
        }
    }
    Ok(())
}

/// One answer. `system` is made by [`Request::SetUp`].
pub fn answer<S: ProofSystem>(system: &mut Option<S>, request: &Request) -> Answer {
    let outcome = catch_unwind(AssertUnwindSafe(|| perform(system, request)));
    let outcome = outcome.unwrap_or_else(|_| Err(panicked(request)));
    match outcome {
        Ok(answer) => answer,
        Err(Failure::Invalid(why)) => Answer::Invalid(why),
        Err(Failure::Unsupported(why)) => Answer::Unsupported(why),
        Err(Failure::Failed(why)) => Answer::Failed(why),
        Err(Failure::Broken(why)) => Answer::Broken(why),
    }
}

/// Whose fault a panic is: where something from outside was looked at, its own.
pub(crate) fn panicked(request: &Request) -> Failure {
    match request {
        Request::VerifySingle(_) | Request::VerifyMulti { .. } => Failure::Invalid("panicked".into()),
        _ => Failure::Failed("panicked".into()),
    }
}

fn perform<S: ProofSystem>(system: &mut Option<S>, request: &Request) -> Result<Answer, Failure> {
    let capabilities = S::capabilities();
    match request {
        Request::Hello { .. } => return Ok(Answer::Hello { version: PROTOCOL_VERSION, capabilities }),
        Request::SetUp(purpose) => {
            *system = Some(S::set_up(*purpose)?);
            return Ok(Answer::Done(Vec::new()));
        }
        _ => {}
    }
    let system = system.as_mut().ok_or_else(|| Failure::Failed("it is not set up".into()))?;
    let lengths = Lengths::of(&capabilities);
    lengths.check(request)?;
    Ok(Answer::Done(match request {
        Request::Hello { .. } | Request::SetUp(_) | Request::Cancel { .. } => Vec::new(),
        Request::GenerateKey { seed } => {
            let (public, secret) = system.generate_key(seed)?;
            let mut both = Writer::default();
            both.bytes(&public).bytes(&secret);
            both.0
        }
        Request::PrepareKey { secret, leaf } => {
            system.prepare_key(secret, *leaf)?;
            Vec::new()
        }
        Request::Sign { secret, leaf, message } => {
            let signature = system.sign(secret, *leaf, message)?;
            if signature.len() != lengths.signature {
                return Err(Failure::Broken(format!("a signature of {} bytes", signature.len())));
            }
            signature
        }
        Request::VerifySignatures(claims) => {
            system.verify_signatures(claims)?.into_iter().map(u8::from).collect()
        }
        Request::Aggregate { raw, children } => proof(system.aggregate(raw, children)?)?,
        Request::Merge(components) => proof(system.merge(components)?)?,
        Request::VerifySingle(claim) => {
            system.verify_single(claim)?;
            Vec::new()
        }
        Request::VerifyMulti { statements, proof } => {
            system.verify_multi(statements, proof)?;
            Vec::new()
        }
        Request::Split { statements, proof: from, index } => {
            let index = usize::try_from(*index).unwrap_or(usize::MAX);
            if index >= statements.len() {
                return Err(Failure::Invalid("there is no such component".into()));
            }
            proof(system.split(statements, from, index)?)?
        }
        Request::Estimate(work) => {
            system.estimate_ms(*work).map(|millis| millis.to_le_bytes().to_vec()).unwrap_or_default()
        }
    }))
}

/// Whether a result can be a proof.
pub(crate) fn proof(bytes: Vec<u8>) -> Result<Vec<u8>, Failure> {
    match bytes.len() {
        0 => Err(Failure::Broken("an empty proof".into())),
        1..=MAX_PROOF_BYTES => Ok(bytes),
        length => Err(Failure::Broken(format!("{length} bytes, at most {MAX_PROOF_BYTES} are allowed"))),
    }
}

/// The lengths that a system's keys and signatures have.
pub(crate) struct Lengths {
    pub(crate) key: usize,
    pub(crate) signature: usize,
}

/// The scheme of the specification.
const DEFAULT_KEY_BYTES: u32 = 52;
const DEFAULT_SIGNATURE_BYTES: u32 = 2_536;

impl Lengths {
    pub(crate) fn of(capabilities: &Capabilities) -> Self {
        let or = |told: u32, usual: u32| if told == 0 { usual } else { told } as usize;
        Self {
            key: or(capabilities.public_key_bytes, DEFAULT_KEY_BYTES),
            signature: or(capabilities.signature_bytes, DEFAULT_SIGNATURE_BYTES),
        }
    }

    fn statement(&self, statement: &Statement) -> Result<usize, Failure> {
        let length = statement.public_keys.len();
        if length.is_multiple_of(self.key) {
            Ok(length / self.key)
        } else {
            Err(Failure::Invalid(format!("{length} bytes are no keys of {}", self.key)))
        }
    }

    fn signatures(&self, evidence: &Evidence) -> Result<(), Failure> {
        let keys = self.statement(&evidence.statement)?;
        if evidence.bytes.len() == keys * self.signature {
            Ok(())
        } else {
            Err(Failure::Invalid("keys and signatures differ in number".into()))
        }
    }

    fn component(&self, component: &Component) -> Result<(), Failure> {
        if component.is_signatures {
            self.signatures(&component.evidence)
        } else {
            self.statement(&component.evidence.statement).map(drop)
        }
    }

    /// Whether everything has the lengths that an implementation may rely on.
    pub(crate) fn check(&self, request: &Request) -> Result<(), Failure> {
        match request {
            Request::Aggregate { raw, children } => {
                self.signatures(raw)?;
                children.iter().try_for_each(|child| self.statement(&child.statement).map(drop))
            }
            Request::Merge(components) => components.iter().try_for_each(|it| self.component(it)),
            Request::VerifySingle(claim) => self.statement(&claim.statement).map(drop),
            Request::VerifyMulti { statements, .. } | Request::Split { statements, .. } => {
                statements.iter().try_for_each(|it| self.statement(it).map(drop))
            }
            Request::VerifySignatures(claims) => {
                let fits = |claim: &crate::SignatureClaim| {
                    claim.public_key.len() == self.key && claim.signature.len() == self.signature
                };
                if claims.iter().all(fits) {
                    Ok(())
                } else {
                    Err(Failure::Invalid("a key or a signature has another length".into()))
                }
            }
            _ => Ok(()),
        }
    }
}
