//! `include/lathe_aggregation.h` in Rust: the same types and functions, field by field.

use std::ffi::c_char;

/// `LATHE_AGGREGATION_ABI_VERSION`.
pub(crate) const ABI_VERSION: u32 = 1;

/// `LATHE_OK`.
pub(crate) const OK: i32 = 0;
/// `LATHE_INVALID`.
pub(crate) const INVALID: i32 = 1;
/// `LATHE_UNSUPPORTED`.
pub(crate) const UNSUPPORTED: i32 = 2;
/// `LATHE_FAILED`.
pub(crate) const FAILED: i32 = 3;

/// `lathe_bytes`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Bytes {
    pub(crate) data: *const u8,
    pub(crate) length: usize,
}

impl Bytes {
    /// A view of `bytes`, which must outlive it.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self { data: bytes.as_ptr(), length: bytes.len() }
    }
}

/// `lathe_buffer`.
#[repr(C)]
pub(crate) struct Buffer {
    pub(crate) data: *mut u8,
    pub(crate) length: usize,
}

/// `lathe_statement`.
#[repr(C)]
pub(crate) struct Statement {
    pub(crate) message: [u8; 32],
    pub(crate) slot: u64,
    pub(crate) public_keys: Bytes,
}

/// `lathe_evidence`.
#[repr(C)]
pub(crate) struct Evidence {
    pub(crate) statement: Statement,
    pub(crate) bytes: Bytes,
}

/// Length of the names in [`Capabilities`].
pub(crate) const NAME_LENGTH: usize = 32;

/// `lathe_capabilities`.
#[repr(C)]
pub(crate) struct Capabilities {
    pub(crate) name: [c_char; NAME_LENGTH],
    pub(crate) version: [c_char; NAME_LENGTH],
    pub(crate) max_signers: u32,
    pub(crate) max_children: u32,
    pub(crate) max_components: u32,
    pub(crate) provers: u32,
    pub(crate) memory_bytes: u64,
}

pub(crate) type AbiVersion = unsafe extern "C" fn() -> u32;
pub(crate) type GetCapabilities = unsafe extern "C" fn(*mut Capabilities);
pub(crate) type Init = unsafe extern "C" fn(u32, *mut Buffer) -> i32;
pub(crate) type Aggregate = unsafe extern "C" fn(*const Evidence, *const Evidence, usize, *mut Buffer) -> i32;
pub(crate) type Merge = unsafe extern "C" fn(*const Evidence, usize, *mut Buffer) -> i32;
pub(crate) type VerifySingle = unsafe extern "C" fn(*const Evidence, *mut Buffer) -> i32;
pub(crate) type VerifyMulti = unsafe extern "C" fn(*const Statement, usize, *const Bytes, *mut Buffer) -> i32;
pub(crate) type Split =
    unsafe extern "C" fn(*const Statement, usize, *const Bytes, usize, *mut Buffer) -> i32;
pub(crate) type Free = unsafe extern "C" fn(*mut Buffer);
