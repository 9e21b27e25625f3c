//! Keys of a scheme that no signer of ours is built in for: a worker signs, and is asked only after the ledger.
//!
//! ```text
//! file = "LATHEKEY" | version 1 (1) | public key (32) | first slot (8) | end slot (8) | secret
//! ```
//! Numbers are little-endian. The secret is the worker's own, 32 bytes with leanVM.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lathe_types::{PublicKey, Root, Signature};
use zeroize::Zeroizing;

/// Signs with keys that it is handed. Calls may take seconds.
pub trait OutsideSigner: Send + Sync {
    /// Does what would delay a signature at that leaf and those that share its subtree.
    fn prepare(&self, secret: &[u8], leaf: u64) -> Result<(), String>;

    /// Signs at that leaf.
    fn sign(&self, secret: &[u8], leaf: u64, message: &Root) -> Result<Signature, String>;
}

const MAGIC: &[u8; 9] = b"LATHEKEY\x01";
const PUBLIC_KEY_BYTES: usize = 32;
const HEADER_BYTES: usize = MAGIC.len() + PUBLIC_KEY_BYTES + 16;
/// Longest secret.
const MAX_SECRET_BYTES: usize = 64 * 1024;
/// Leaves that are prepared together: a bottom tree of leanVM's XMSS.
const LEAVES_PER_SUBTREE: u64 = 1 << 16;
/// Stands for no subtree.
const NONE: u64 = u64::MAX;

/// A secret key that a worker signs with. The secret is wiped when it is dropped.
pub struct OutsideKey {
    public_key: PublicKey,
    slots: Range<u64>,
    secret: Arc<Zeroizing<Vec<u8>>>,
    signer: Arc<dyn OutsideSigner>,
    /// The subtree that is prepared.
    prepared: AtomicU64,
}

impl OutsideKey {
    /// Reads a key file.
    pub(crate) fn decode(bytes: &[u8], signer: Arc<dyn OutsideSigner>) -> Option<Self> {
        let rest = bytes.strip_prefix(MAGIC)?;
        let (public_key, rest) = rest.split_first_chunk::<PUBLIC_KEY_BYTES>()?;
        let (first, rest) = rest.split_first_chunk::<8>()?;
        let (end, secret) = rest.split_first_chunk::<8>()?;
        let slots = u64::from_le_bytes(*first)..u64::from_le_bytes(*end);
        if slots.is_empty() || secret.is_empty() || secret.len() > MAX_SECRET_BYTES {
            return None;
        }
        Some(Self {
            public_key: PublicKey::from(*public_key),
            slots,
            secret: Arc::new(Zeroizing::new(secret.to_vec())),
            signer,
            prepared: AtomicU64::new(NONE),
        })
    }

    pub(crate) fn public_key(&self) -> PublicKey {
        self.public_key
    }

    pub(crate) fn slots(&self) -> Range<u64> {
        self.slots.clone()
    }

    pub(crate) fn is_prepared(&self, slot: u64) -> bool {
        self.slots.contains(&slot) && self.prepared.load(Ordering::Acquire) == slot / LEAVES_PER_SUBTREE
    }

    /// The subtree of `slot`, if it is not there. The one after it has to wait for its turn: a worker keeps one.
    pub(crate) fn prepare(&self, slot: u64) -> Option<OutsideTask> {
        let slot = slot.max(self.slots.start);
        let wanted = self.slots.contains(&slot) && !self.is_prepared(slot);
        wanted.then(|| OutsideTask { secret: self.secret.clone(), signer: self.signer.clone(), leaf: slot })
    }

    pub(crate) fn install(&self, subtree: u64) {
        self.prepared.store(subtree, Ordering::Release);
    }

    pub(crate) fn sign(&self, slot: u64, message: &Root) -> Result<Signature, String> {
        if !self.slots.contains(&slot) {
            return Err(format!("slot {slot} is outside the key's {:?}", self.slots));
        }
        self.signer.sign(&self.secret, slot, message)
    }
}

impl std::fmt::Debug for OutsideKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutsideKey").field("slots", &self.slots).finish_non_exhaustive()
    }
}

/// Heavy work for such a key.
pub struct OutsideTask {
    secret: Arc<Zeroizing<Vec<u8>>>,
    signer: Arc<dyn OutsideSigner>,
    leaf: u64,
}

impl OutsideTask {
    /// The subtree that is prepared afterwards.
    pub(crate) fn run(self) -> Result<u64, String> {
        self.signer.prepare(&self.secret, self.leaf)?;
        Ok(self.leaf / LEAVES_PER_SUBTREE)
    }
}

/// The bytes of a key file.
pub fn encode_outside_key(public_key: &[u8; 32], slots: &Range<u64>, secret: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(HEADER_BYTES + secret.len()));
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(public_key);
    bytes.extend_from_slice(&slots.start.to_le_bytes());
    bytes.extend_from_slice(&slots.end.to_le_bytes());
    bytes.extend_from_slice(secret);
    bytes
}

#[cfg(test)]
mod tests {
    use lathe_types::{Decode as _, SignatureShape};

    use super::*;

    struct Signer;

    impl OutsideSigner for Signer {
        fn prepare(&self, secret: &[u8], leaf: u64) -> Result<(), String> {
            if secret == [7; 32] && leaf != 70_001 { Ok(()) } else { Err(format!("not {leaf}")) }
        }

        fn sign(&self, _: &[u8], leaf: u64, message: &Root) -> Result<Signature, String> {
            let mut bytes = vec![message[0]; SignatureShape::LeanPq.encoded_len()];
            bytes[..8].copy_from_slice(&leaf.to_le_bytes());
            Signature::from_ssz_bytes(&bytes).map_err(|error| format!("{error:?}"))
        }
    }

    fn key(bytes: &[u8]) -> Option<OutsideKey> {
        OutsideKey::decode(bytes, Arc::new(Signer))
    }

    #[test]
    fn a_key_file_says_whose_it_is_and_when_and_nothing_else_is_one() {
        let bytes = encode_outside_key(&[9; 32], &(5..80_000), &[7; 32]);
        let read = key(&bytes).unwrap();
        assert_eq!((read.public_key(), read.slots()), (PublicKey::from([9; 32]), 5..80_000));
        assert!(!format!("{read:?}").contains('7'), "{read:?}");
        for length in 0..=HEADER_BYTES {
            assert!(key(&bytes[..length]).is_none(), "{length}");
        }
        assert!(key(&encode_outside_key(&[9; 32], &(5..5), &[7; 32])).is_none());
        assert!(key(&encode_outside_key(&[9; 32], &(5..6), &vec![7; MAX_SECRET_BYTES + 1])).is_none());
    }

    #[test]
    fn it_signs_in_its_slots_and_is_prepared_a_subtree_at_a_time() {
        let key = key(&encode_outside_key(&[9; 32], &(5..80_000), &[7; 32])).unwrap();
        assert!(!key.is_prepared(5));
        let subtree = key.prepare(0).unwrap().run().unwrap();
        key.install(subtree);
        assert!(key.is_prepared(5) && key.is_prepared(65_535) && !key.is_prepared(65_536));
        assert!(!key.is_prepared(4), "before its first slot");
        assert!(key.prepare(65_535).is_none());
        assert_eq!(key.prepare(70_001).unwrap().run(), Err("not 70001".into()));
        assert!(key.prepare(80_000).is_none());
        assert_eq!(key.sign(6, &Root::repeat_byte(3)).unwrap().as_bytes()[..9], [6, 0, 0, 0, 0, 0, 0, 0, 3]);
        assert!(key.sign(80_000, &Root::ZERO).is_err());
    }
}
