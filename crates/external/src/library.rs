//! The shared object and its functions. Loaded in a worker process and nowhere else: from here on the compiler's
//! promises rest on somebody else's code.

#![allow(
    unsafe_code,
    reason = "calling into a shared object cannot be checked by the compiler; the process around it is the safety net"
)]

use std::ffi::c_char;
use std::path::Path;
use std::ptr;

use lathe_types::MAX_PROOF_BYTES;

use crate::abi;
use crate::error::ExternalError;
use crate::message::{Answer, Evidence, Hello, MAX_TEXT_BYTES, Purpose, Request, Statement, text};

/// A loaded library.
pub(crate) struct Library {
    capabilities: abi::GetCapabilities,
    init: abi::Init,
    aggregate: abi::Aggregate,
    merge: abi::Merge,
    verify_single: abi::VerifySingle,
    verify_multi: abi::VerifyMulti,
    split: abi::Split,
    free: abi::Free,
    /// Keeps the code above mapped.
    _object: libloading::Library,
}

/// What a call left behind.
enum Output {
    Bytes(Vec<u8>),
    Lie(String),
}

impl Library {
    /// Loads the library and checks that it is of our version of the interface.
    pub(crate) fn load(path: &Path) -> Result<Self, ExternalError> {
        // SAFETY: loading runs the library's initialisers, which may do anything; this process exists for nothing else.
        let object = unsafe { libloading::Library::new(path) }?;
        // SAFETY: the header gives this function this type. A library that disagrees can only harm this process.
        let version = unsafe { object.get::<abi::AbiVersion>(b"lathe_aggregation_abi_version\0") }?;
        // SAFETY: as the header says, it takes nothing and returns a number.
        let found = unsafe { version() };
        if found != abi::ABI_VERSION {
            return Err(ExternalError::Version { expected: abi::ABI_VERSION, found });
        }
        // SAFETY: the header gives these functions these types, and the version says that it is the same header. They
        // stay mapped for as long as the library, which is kept beside them.
        unsafe {
            Ok(Self {
                capabilities: *object.get(b"lathe_aggregation_capabilities\0")?,
                init: *object.get(b"lathe_aggregation_init\0")?,
                aggregate: *object.get(b"lathe_aggregation_aggregate\0")?,
                merge: *object.get(b"lathe_aggregation_merge\0")?,
                verify_single: *object.get(b"lathe_aggregation_verify_single\0")?,
                verify_multi: *object.get(b"lathe_aggregation_verify_multi\0")?,
                split: *object.get(b"lathe_aggregation_split\0")?,
                free: *object.get(b"lathe_aggregation_free\0")?,
                _object: object,
            })
        }
    }

    /// What the library says of itself.
    pub(crate) fn capabilities(&self) -> Result<Hello, ExternalError> {
        let mut found = abi::Capabilities {
            name: [0; abi::NAME_LENGTH],
            version: [0; abi::NAME_LENGTH],
            max_signers: 0,
            max_children: 0,
            max_components: 0,
            provers: 0,
            memory_bytes: 0,
        };
        // SAFETY: the pointer is to a whole structure of the header's layout, which lives across the call.
        unsafe { (self.capabilities)(&raw mut found) };
        let hello = Hello {
            name: terminated(&found.name),
            version: terminated(&found.version),
            max_signers: found.max_signers,
            max_children: found.max_children,
            max_components: found.max_components,
            provers: found.provers.max(1),
            memory_bytes: found.memory_bytes,
            is_confined: false,
        };
        hello.check()?;
        Ok(hello)
    }

    /// Lets the library set itself up.
    pub(crate) fn init(&self, purpose: Purpose) -> Result<(), ExternalError> {
        // SAFETY: `call` passes a buffer that lives across the call.
        let answer = self.call(MAX_TEXT_BYTES, |out| unsafe { (self.init)(purpose.code(), out) });
        match answer {
            Answer::Done(_) => Ok(()),
            Answer::Garbage(why) => Err(ExternalError::Garbage(text(&why))),
            Answer::Invalid(why) | Answer::Unsupported(why) | Answer::Failed(why) => {
                Err(ExternalError::Failed(text(&why)))
            }
            Answer::Ready(_) => Ok(()),
        }
    }

    /// One call.
    pub(crate) fn perform(&self, request: &Request) -> Answer {
        // SAFETY, for each call below: every pointer is to a structure of the header's layout, or to as many of them as
        // the count says; they and the bytes that they point to are owned by `request` or by a local vector, both of
        // which outlive the call; and `call` passes a buffer that does.
        match request {
            Request::Aggregate(aggregate) => {
                let (raw, children) = (evidence(&aggregate.raw), all(&aggregate.children, evidence));
                self.prove(|out| unsafe {
                    (self.aggregate)(&raw const raw, children.as_ptr(), children.len(), out)
                })
            }
            Request::Merge(components) => {
                let components = all(components, evidence);
                self.prove(|out| unsafe { (self.merge)(components.as_ptr(), components.len(), out) })
            }
            Request::VerifySingle(claim) => {
                let claim = evidence(claim);
                self.verify(|out| unsafe { (self.verify_single)(&raw const claim, out) })
            }
            Request::VerifyMulti(multi) => {
                let statements = all(&multi.statements, statement);
                let proof = abi::Bytes::of(&multi.proof);
                self.verify(|out| unsafe {
                    (self.verify_multi)(statements.as_ptr(), statements.len(), &raw const proof, out)
                })
            }
            Request::Split(split) => {
                let statements = all(&split.multi.statements, statement);
                let proof = abi::Bytes::of(&split.multi.proof);
                let Ok(index) = usize::try_from(split.index) else {
                    return Answer::Unsupported(Vec::new());
                };
                self.prove(|out| unsafe {
                    (self.split)(statements.as_ptr(), statements.len(), &raw const proof, index, out)
                })
            }
        }
    }

    fn prove(&self, invoke: impl FnOnce(*mut abi::Buffer) -> i32) -> Answer {
        match self.call(MAX_PROOF_BYTES, invoke) {
            Answer::Done(proof) if proof.is_empty() => Answer::Garbage(b"an empty proof".to_vec()),
            answer => answer,
        }
    }

    fn verify(&self, invoke: impl FnOnce(*mut abi::Buffer) -> i32) -> Answer {
        match self.call(MAX_TEXT_BYTES, invoke) {
            Answer::Done(_) => Answer::Done(Vec::new()),
            answer => answer,
        }
    }

    /// Calls the library with an empty buffer, and takes what it leaves there.
    fn call(&self, limit: usize, invoke: impl FnOnce(*mut abi::Buffer) -> i32) -> Answer {
        let mut buffer = abi::Buffer { data: ptr::null_mut(), length: 0 };
        let status = invoke(&raw mut buffer);
        let limit = if status == abi::OK { limit } else { MAX_TEXT_BYTES };
        let output = copy(&buffer, limit);
        // SAFETY: the buffer is as the library left it, and is handed back once.
        unsafe { (self.free)(&raw mut buffer) };
        match (status, output) {
            (_, Output::Lie(why)) => Answer::Garbage(why.into_bytes()),
            (abi::OK, Output::Bytes(bytes)) => Answer::Done(bytes),
            (abi::INVALID, Output::Bytes(why)) => Answer::Invalid(why),
            (abi::UNSUPPORTED, Output::Bytes(why)) => Answer::Unsupported(why),
            (abi::FAILED, Output::Bytes(why)) => Answer::Failed(why),
            (unknown, _) => Answer::Garbage(format!("the unknown status {unknown}").into_bytes()),
        }
    }
}

/// Ends the process without running anything of the library any more: it may be busy, hold locks, or hang.
pub(crate) fn end_process() -> ! {
    // SAFETY: it takes a number, and does not return.
    unsafe { libc::_exit(0) }
}

/// The bytes of a buffer, unless its length cannot be true.
fn copy(buffer: &abi::Buffer, limit: usize) -> Output {
    if buffer.length > limit {
        return Output::Lie(format!("{} bytes, at most {limit} are allowed", buffer.length));
    }
    if buffer.length == 0 {
        return Output::Bytes(Vec::new());
    }
    if buffer.data.is_null() {
        return Output::Lie(format!("{} bytes at a null pointer", buffer.length));
    }
    // SAFETY: the library says that so many bytes are there, which is what the header asks of it; if that is not so, it
    // is this process that reads astray.
    Output::Bytes(unsafe { std::slice::from_raw_parts(buffer.data, buffer.length) }.to_vec())
}

/// The bytes before the terminator, or nothing if there is none.
fn terminated(name: &[c_char; abi::NAME_LENGTH]) -> Vec<u8> {
    let bytes = name.map(|letter| letter.to_ne_bytes()[0]);
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or_default();
    bytes[..end].to_vec()
}

fn statement(statement: &Statement) -> abi::Statement {
    abi::Statement {
        message: statement.message,
        slot: statement.slot,
        public_keys: abi::Bytes::of(&statement.public_keys),
    }
}

fn evidence(evidence: &Evidence) -> abi::Evidence {
    abi::Evidence { statement: statement(&evidence.statement), bytes: abi::Bytes::of(&evidence.bytes) }
}

fn all<A, B>(items: &[A], convert: impl Fn(&A) -> B) -> Vec<B> {
    items.iter().map(convert).collect()
}
