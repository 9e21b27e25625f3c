//! The shared object and its functions. Loaded in a worker process and nowhere else: from here on the compiler's
//! promises rest on somebody else's code.

#![allow(
    unsafe_code,
    reason = "calling into a shared object cannot be checked by the compiler; the process around it is the safety net"
)]

use std::ffi::c_char;
use std::path::Path;
use std::ptr;

use std::sync::OnceLock;

use lathe_aggregation_abi::{
    Capabilities, Component, Evidence, Failure, MAX_PROOF_BYTES, MAX_TEXT_BYTES, ProofSystem, Purpose,
    Statement, abi,
};

use crate::error::ExternalError;
use crate::worker::{DEFAULT_MEMORY_BYTES, limit_memory};

/// The library of this process: it exists for no other.
static LOADED: OnceLock<Loaded> = OnceLock::new();

/// The loaded library as a proof system.
pub(crate) struct Library(&'static Loaded);

/// A library with its functions and what it says of itself.
struct Loaded {
    told: Capabilities,
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
    /// Loads the library, for this process and for good.
    pub(crate) fn load(path: &Path, is_confined: bool) -> Result<(), ExternalError> {
        let mut loaded = Loaded::load(path)?;
        loaded.told = Capabilities { is_confined, ..loaded.capabilities() };
        // There is one path per process, so nothing else can be there.
        let _ = LOADED.set(loaded);
        Ok(())
    }
}

impl Loaded {
    /// Loads the library and checks that it is of our version of the interface.
    fn load(path: &Path) -> Result<Self, ExternalError> {
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
                told: Capabilities::default(),
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
    fn capabilities(&self) -> Capabilities {
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
        Capabilities {
            name: terminated(&found.name),
            version: terminated(&found.version),
            max_signers: found.max_signers,
            max_children: found.max_children,
            max_components: found.max_components,
            provers: found.provers.max(1),
            memory_bytes: found.memory_bytes,
            splits: true,
            ..Capabilities::default()
        }
    }

    /// Calls the library with an empty buffer, and takes what it leaves there.
    fn call(&self, limit: usize, invoke: impl FnOnce(*mut abi::Buffer) -> i32) -> Result<Vec<u8>, Failure> {
        let mut buffer = abi::Buffer { data: ptr::null_mut(), length: 0 };
        let status = invoke(&raw mut buffer);
        let limit = if status == abi::OK { limit } else { MAX_TEXT_BYTES };
        let output = copy(&buffer, limit);
        // SAFETY: the buffer is as the library left it, and is handed back once.
        unsafe { (self.free)(&raw mut buffer) };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match (status, output) {
            (_, Output::Lie(why)) => Err(Failure::Broken(why)),
            (abi::OK, Output::Bytes(bytes)) => Ok(bytes),
            (abi::INVALID, Output::Bytes(why)) => Err(Failure::Invalid(text(&why))),
            (abi::UNSUPPORTED, Output::Bytes(why)) => Err(Failure::Unsupported(text(&why))),
            (abi::FAILED, Output::Bytes(why)) => Err(Failure::Failed(text(&why))),
            (unknown, _) => Err(Failure::Broken(format!("the unknown status {unknown}"))),
        }
    }
}

impl ProofSystem for Library {
    fn capabilities() -> Capabilities {
        LOADED.get().map(|loaded| loaded.told.clone()).unwrap_or_default()
    }

    fn set_up(purpose: Purpose) -> Result<Self, Failure> {
        let loaded = LOADED.get().ok_or_else(|| Failure::Failed("no library is loaded".into()))?;
        let memory =
            if loaded.told.memory_bytes == 0 { DEFAULT_MEMORY_BYTES } else { loaded.told.memory_bytes };
        limit_memory(memory).map_err(|error| Failure::Failed(error.to_string()))?;
        // SAFETY: `call` passes a buffer that lives across the call.
        loaded.call(MAX_TEXT_BYTES, |out| unsafe { (loaded.init)(purpose.code(), out) })?;
        Ok(Self(loaded))
    }

    // SAFETY, for each call below: every pointer is to a structure of the header's layout, or to as many of them as the
    // count says; they and the bytes that they point to are owned by the request or by a local vector, both of which
    // outlive the call; and `call` passes a buffer that does.

    fn aggregate(&mut self, raw: &Evidence, children: &[Evidence]) -> Result<Vec<u8>, Failure> {
        let (raw, children) = (evidence(raw), all(children, evidence));
        self.0.call(MAX_PROOF_BYTES, |out| unsafe {
            (self.0.aggregate)(&raw const raw, children.as_ptr(), children.len(), out)
        })
    }

    fn merge(&mut self, components: &[Component]) -> Result<Vec<u8>, Failure> {
        if components.iter().any(|component| component.is_signatures) {
            return Err(Failure::Unsupported("a library merges proofs alone".into()));
        }
        let components = all(components, |component| evidence(&component.evidence));
        self.0.call(MAX_PROOF_BYTES, |out| unsafe {
            (self.0.merge)(components.as_ptr(), components.len(), out)
        })
    }

    fn verify_single(&mut self, claim: &Evidence) -> Result<(), Failure> {
        let claim = evidence(claim);
        self.0.call(MAX_TEXT_BYTES, |out| unsafe { (self.0.verify_single)(&raw const claim, out) }).map(drop)
    }

    fn verify_multi(&mut self, statements: &[Statement], proof: &[u8]) -> Result<(), Failure> {
        let (statements, proof) = (all(statements, statement), abi::Bytes::of(proof));
        let call = |out| unsafe {
            (self.0.verify_multi)(statements.as_ptr(), statements.len(), &raw const proof, out)
        };
        self.0.call(MAX_TEXT_BYTES, call).map(drop)
    }

    fn split(&mut self, statements: &[Statement], proof: &[u8], index: usize) -> Result<Vec<u8>, Failure> {
        let (statements, proof) = (all(statements, statement), abi::Bytes::of(proof));
        self.0.call(MAX_PROOF_BYTES, |out| unsafe {
            (self.0.split)(statements.as_ptr(), statements.len(), &raw const proof, index, out)
        })
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
fn terminated(name: &[c_char; abi::NAME_LENGTH]) -> String {
    let bytes = name.map(|letter| letter.to_ne_bytes()[0]);
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or_default();
    String::from_utf8_lossy(&bytes[..end]).into_owned()
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
