//! `lathe_aggregation.h` in Rust: the same types and functions, field by field.

use std::ffi::c_char;

/// `LATHE_AGGREGATION_ABI_VERSION`.
pub const ABI_VERSION: u32 = 1;

/// `LATHE_OK`.
pub const OK: i32 = 0;
/// `LATHE_INVALID`.
pub const INVALID: i32 = 1;
/// `LATHE_UNSUPPORTED`.
pub const UNSUPPORTED: i32 = 2;
/// `LATHE_FAILED`.
pub const FAILED: i32 = 3;

/// `lathe_bytes`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Bytes {
    /// First byte; not null.
    pub data: *const u8,
    /// How many.
    pub length: usize,
}

impl Bytes {
    /// A view of `bytes`, which must outlive it.
    pub fn of(bytes: &[u8]) -> Self {
        Self { data: bytes.as_ptr(), length: bytes.len() }
    }
}

/// `lathe_buffer`.
#[repr(C)]
pub struct Buffer {
    /// First byte, or null.
    pub data: *mut u8,
    /// How many.
    pub length: usize,
}

/// `lathe_statement`.
#[repr(C)]
pub struct Statement {
    /// What was signed.
    pub message: [u8; 32],
    /// When.
    pub slot: u64,
    /// By whose keys.
    pub public_keys: Bytes,
}

/// `lathe_evidence`.
#[repr(C)]
pub struct Evidence {
    /// What is shown.
    pub statement: Statement,
    /// What shows it.
    pub bytes: Bytes,
}

/// Length of the names in [`Capabilities`].
pub const NAME_LENGTH: usize = 32;

/// `lathe_capabilities`.
#[repr(C)]
pub struct Capabilities {
    /// Terminated.
    pub name: [c_char; NAME_LENGTH],
    /// Terminated.
    pub version: [c_char; NAME_LENGTH],
    /// Most signers of a proof.
    pub max_signers: u32,
    /// Most children of an aggregate.
    pub max_children: u32,
    /// Most components of a merge.
    pub max_components: u32,
    /// Proofs at a time; 0 stands for 1.
    pub provers: u32,
    /// Address space.
    pub memory_bytes: u64,
}

/// `lathe_aggregation_abi_version`.
pub type AbiVersion = unsafe extern "C" fn() -> u32;
/// `lathe_aggregation_capabilities`.
pub type GetCapabilities = unsafe extern "C" fn(*mut Capabilities);
/// `lathe_aggregation_init`.
pub type Init = unsafe extern "C" fn(u32, *mut Buffer) -> i32;
/// `lathe_aggregation_aggregate`.
pub type Aggregate = unsafe extern "C" fn(*const Evidence, *const Evidence, usize, *mut Buffer) -> i32;
/// `lathe_aggregation_merge`.
pub type Merge = unsafe extern "C" fn(*const Evidence, usize, *mut Buffer) -> i32;
/// `lathe_aggregation_verify_single`.
pub type VerifySingle = unsafe extern "C" fn(*const Evidence, *mut Buffer) -> i32;
/// `lathe_aggregation_verify_multi`.
pub type VerifyMulti = unsafe extern "C" fn(*const Statement, usize, *const Bytes, *mut Buffer) -> i32;
/// `lathe_aggregation_split`.
pub type Split = unsafe extern "C" fn(*const Statement, usize, *const Bytes, usize, *mut Buffer) -> i32;
/// `lathe_aggregation_free`.
pub type Free = unsafe extern "C" fn(*mut Buffer);
