//! Single votes that an aggregator has yet to fold into a proof.

use std::collections::BTreeMap;

use lathe_types::{AttestationData, Root, Signature, TreeHash, VALIDATOR_REGISTRY_LIMIT, ValidatorIndex};

/// Signatures held at a time: two slots of a full registry, about 20 MB in the production scheme.
pub const MAX_ATTESTATION_SIGNATURES: usize = 2 * VALIDATOR_REGISTRY_LIMIT as usize;

/// The signatures over one data.
#[derive(Clone, Debug)]
pub(crate) struct SignatureEntry {
    pub data: AttestationData,
    pub signatures: BTreeMap<ValidatorIndex, Signature>,
}

/// Signatures by the root of the data that they sign.
#[derive(Clone, Debug, Default)]
pub(crate) struct SignaturePool {
    entries: BTreeMap<Root, SignatureEntry>,
    count: usize,
}

impl SignaturePool {
    pub(crate) fn entries(&self) -> &BTreeMap<Root, SignatureEntry> {
        &self.entries
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Adds a signature; a validator's first one over the same data stays.
    pub(crate) fn insert(&mut self, data: AttestationData, validator: ValidatorIndex, signature: Signature) {
        let new = SignatureEntry { data, signatures: BTreeMap::new() };
        let signatures = &mut self.entries.entry(data.tree_hash_root()).or_insert(new).signatures;
        signatures.entry(validator).or_insert_with(|| {
            self.count += 1;
            signature
        });
        self.evict();
    }

    /// Keeps only entries that `keep` accepts.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Root, &AttestationData) -> bool) {
        self.entries.retain(|data_root, entry| keep(data_root, &entry.data));
        self.count = self.entries.values().map(|entry| entry.signatures.len()).sum();
    }

    /// Drops the signatures over one data that `absorbed` accepts.
    pub(crate) fn remove(&mut self, data_root: &Root, absorbed: impl Fn(ValidatorIndex) -> bool) {
        let Some(entry) = self.entries.get_mut(data_root) else { return };
        let before = entry.signatures.len();
        entry.signatures.retain(|validator, _| !absorbed(*validator));
        self.count -= before - entry.signatures.len();
        if entry.signatures.is_empty() {
            self.entries.remove(data_root);
        }
    }

    /// The oldest data goes first, and of one slot that with the fewest signatures: an equivocator's, not the
    /// majority's.
    fn evict(&mut self) {
        while self.count > MAX_ATTESTATION_SIGNATURES {
            let rank =
                |(root, entry): (&Root, &SignatureEntry)| (entry.data.slot, entry.signatures.len(), *root);
            let Some((_, _, root)) = self.entries.iter().map(rank).min() else { return };
            if let Some(entry) = self.entries.remove(&root) {
                self.count -= entry.signatures.len();
            }
        }
    }
}
