//! The C ABI over a [`ProofSystem`]. What the macro exports calls these functions.

#![allow(
    unsafe_code,
    reason = "the other side of a C ABI: every pointer is the caller's word, as the header gives it"
)]

use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use crate::abi;
use crate::protocol::{Answer, Component, Evidence, Purpose, Request, Statement};
use crate::serve::answer;
use crate::system::ProofSystem;

/// Exports a [`ProofSystem`] with the C ABI of `lathe_aggregation.h`; for a `cdylib`, once.
#[macro_export]
macro_rules! export_proof_system {
    ($system:ty) => {
        static LATHE_SYSTEM: ::std::sync::Mutex<::std::option::Option<$system>> =
            ::std::sync::Mutex::new(::std::option::Option::None);

        #[unsafe(no_mangle)]
        extern "C" fn lathe_aggregation_abi_version() -> u32 {
            $crate::abi::ABI_VERSION
        }

        #[unsafe(no_mangle)]
        unsafe extern "C" fn lathe_aggregation_capabilities(to: *mut $crate::abi::Capabilities) {
            unsafe { $crate::export::capabilities::<$system>(to) }
        }

        #[unsafe(no_mangle)]
        unsafe extern "C" fn lathe_aggregation_init(purpose: u32, out: *mut $crate::abi::Buffer) -> i32 {
            unsafe { $crate::export::init(&LATHE_SYSTEM, purpose, out) }
        }

        #[unsafe(no_mangle)]
        unsafe extern "C" fn lathe_aggregation_aggregate(
            raw: *const $crate::abi::Evidence,
            children: *const $crate::abi::Evidence,
            count: usize,
            out: *mut $crate::abi::Buffer,
        ) -> i32 {
            unsafe { $crate::export::aggregate(&LATHE_SYSTEM, raw, children, count, out) }
        }

        #[unsafe(no_mangle)]
        unsafe extern "C" fn lathe_aggregation_merge(
            components: *const $crate::abi::Evidence,
            count: usize,
            out: *mut $crate::abi::Buffer,
        ) -> i32 {
            unsafe { $crate::export::merge(&LATHE_SYSTEM, components, count, out) }
        }

        #[unsafe(no_mangle)]
        unsafe extern "C" fn lathe_aggregation_verify_single(
            claim: *const $crate::abi::Evidence,
            out: *mut $crate::abi::Buffer,
        ) -> i32 {
            unsafe { $crate::export::verify_single(&LATHE_SYSTEM, claim, out) }
        }

        #[unsafe(no_mangle)]
        unsafe extern "C" fn lathe_aggregation_verify_multi(
            statements: *const $crate::abi::Statement,
            count: usize,
            proof: *const $crate::abi::Bytes,
            out: *mut $crate::abi::Buffer,
        ) -> i32 {
            unsafe { $crate::export::verify_multi(&LATHE_SYSTEM, statements, count, proof, out) }
        }

        #[unsafe(no_mangle)]
        unsafe extern "C" fn lathe_aggregation_split(
            statements: *const $crate::abi::Statement,
            count: usize,
            proof: *const $crate::abi::Bytes,
            index: usize,
            out: *mut $crate::abi::Buffer,
        ) -> i32 {
            unsafe { $crate::export::split(&LATHE_SYSTEM, statements, count, proof, index, out) }
        }

        #[unsafe(no_mangle)]
        unsafe extern "C" fn lathe_aggregation_free(buffer: *mut $crate::abi::Buffer) {
            unsafe { $crate::export::free(buffer) }
        }
    };
}

/// Where the macro keeps the system.
pub type Slot<S> = Mutex<Option<S>>;

/// # Safety
/// As the header says: `to` is to a whole structure.
pub unsafe fn capabilities<S: ProofSystem>(to: *mut abi::Capabilities) {
    let Ok(told) = catch_unwind(S::capabilities) else { return };
    let name = |text: &str| {
        let mut name: [c_char; abi::NAME_LENGTH] = [0; abi::NAME_LENGTH];
        // The last letter stays the terminator.
        for (to, from) in name[..abi::NAME_LENGTH - 1].iter_mut().zip(text.bytes()) {
            *to = from.cast_signed() as c_char;
        }
        name
    };
    let capabilities = abi::Capabilities {
        name: name(&told.name),
        version: name(&told.version),
        max_signers: told.max_signers,
        max_children: told.max_children,
        max_components: told.max_components,
        provers: told.provers,
        memory_bytes: told.memory_bytes,
    };
    // SAFETY: the caller's word.
    unsafe { to.write(capabilities) }
}

/// # Safety
/// As the header says: `out` is to a zeroed buffer.
pub unsafe fn init<S: ProofSystem>(slot: &Slot<S>, purpose: u32, out: *mut abi::Buffer) -> i32 {
    let Some(purpose) = Purpose::of_code(purpose) else { return abi::UNSUPPORTED };
    // SAFETY: the caller's word.
    unsafe { call(slot, &Request::SetUp(purpose), out) }
}

/// # Safety
/// As the header says: `raw` and `children` are to as many structures as it says, all valid until this returns.
pub unsafe fn aggregate<S: ProofSystem>(
    slot: &Slot<S>,
    raw: *const abi::Evidence,
    children: *const abi::Evidence,
    count: usize,
    out: *mut abi::Buffer,
) -> i32 {
    // SAFETY: the caller's word.
    unsafe {
        let request = Request::Aggregate { raw: evidence(&*raw), children: all(children, count, evidence) };
        call(slot, &request, out)
    }
}

/// # Safety
/// As for [`aggregate`].
pub unsafe fn merge<S: ProofSystem>(
    slot: &Slot<S>,
    components: *const abi::Evidence,
    count: usize,
    out: *mut abi::Buffer,
) -> i32 {
    // SAFETY: the caller's word.
    unsafe {
        let proofs = all(components, count, evidence).into_iter();
        let proofs = proofs.map(|evidence| Component { evidence, is_signatures: false });
        call(slot, &Request::Merge(proofs.collect()), out)
    }
}

/// # Safety
/// As for [`aggregate`].
pub unsafe fn verify_single<S: ProofSystem>(
    slot: &Slot<S>,
    claim: *const abi::Evidence,
    out: *mut abi::Buffer,
) -> i32 {
    // SAFETY: the caller's word.
    unsafe { call(slot, &Request::VerifySingle(evidence(&*claim)), out) }
}

/// # Safety
/// As for [`aggregate`].
pub unsafe fn verify_multi<S: ProofSystem>(
    slot: &Slot<S>,
    statements: *const abi::Statement,
    count: usize,
    proof: *const abi::Bytes,
    out: *mut abi::Buffer,
) -> i32 {
    // SAFETY: the caller's word.
    unsafe {
        let request =
            Request::VerifyMulti { statements: all(statements, count, statement), proof: bytes(&*proof) };
        call(slot, &request, out)
    }
}

/// # Safety
/// As for [`aggregate`].
pub unsafe fn split<S: ProofSystem>(
    slot: &Slot<S>,
    statements: *const abi::Statement,
    count: usize,
    proof: *const abi::Bytes,
    index: usize,
    out: *mut abi::Buffer,
) -> i32 {
    // SAFETY: the caller's word.
    unsafe {
        let request = Request::Split {
            statements: all(statements, count, statement),
            proof: bytes(&*proof),
            index: u32::try_from(index).unwrap_or(u32::MAX),
        };
        call(slot, &request, out)
    }
}

/// # Safety
/// `buffer` is as a call before left it, and is handed back once.
pub unsafe fn free(buffer: *mut abi::Buffer) {
    // SAFETY: the caller's word; what is there was a boxed slice of just that length.
    unsafe {
        let abi::Buffer { data, length } = *buffer;
        if !data.is_null() {
            drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(data, length)));
        }
        buffer.write(abi::Buffer { data: std::ptr::null_mut(), length: 0 });
    }
}

/// Answers, and puts what there is to say into the buffer.
unsafe fn call<S: ProofSystem>(slot: &Slot<S>, request: &Request, out: *mut abi::Buffer) -> i32 {
    let answered = catch_unwind(AssertUnwindSafe(|| {
        answer(&mut *slot.lock().unwrap_or_else(PoisonError::into_inner), request)
    }));
    let (status, bytes) = match answered {
        Ok(Answer::Done(bytes)) => (abi::OK, bytes),
        Ok(Answer::Invalid(why)) => (abi::INVALID, why.into_bytes()),
        Ok(Answer::Unsupported(why)) => (abi::UNSUPPORTED, why.into_bytes()),
        Ok(Answer::Failed(why) | Answer::Broken(why)) => (abi::FAILED, why.into_bytes()),
        Ok(Answer::Hello { .. } | Answer::Cancelled) | Err(_) => (abi::FAILED, Vec::new()),
    };
    if !bytes.is_empty() {
        let length = bytes.len();
        let data = Box::into_raw(bytes.into_boxed_slice()).cast::<u8>();
        // SAFETY: the caller's word.
        unsafe { out.write(abi::Buffer { data, length }) }
    }
    status
}

unsafe fn bytes(bytes: &abi::Bytes) -> Vec<u8> {
    // SAFETY: the caller's word: so many bytes are there, and the pointer is not null.
    unsafe { std::slice::from_raw_parts(bytes.data, bytes.length) }.to_vec()
}

unsafe fn statement(statement: &abi::Statement) -> Statement {
    // SAFETY: the caller's word.
    let public_keys = unsafe { bytes(&statement.public_keys) };
    Statement { message: statement.message, slot: statement.slot, public_keys }
}

unsafe fn evidence(evidence: &abi::Evidence) -> Evidence {
    // SAFETY: the caller's word.
    unsafe { Evidence { statement: statement(&evidence.statement), bytes: bytes(&evidence.bytes) } }
}

unsafe fn all<A, B>(items: *const A, count: usize, convert: unsafe fn(&A) -> B) -> Vec<B> {
    if count == 0 {
        return Vec::new();
    }
    // SAFETY: the caller's word: so many structures are there.
    unsafe { std::slice::from_raw_parts(items, count).iter().map(|item| convert(item)).collect() }
}
