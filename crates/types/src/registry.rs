//! The registry's own rule: a validator's index is its position.
//!
//! The rule is part of the type in the specification, so bytes that break it do not decode. It is kept outside the
//! list type, which stays a plain persistent list; decoding a [`crate::State`] checks it. So does the codec of the
//! list stand here, because the length of an entry belongs to the network's signature scheme and not to the type.

use ssz::{Decode, DecodeError, Encode};

use crate::constants::VALIDATOR_REGISTRY_LIMIT;
use crate::primitives::{PublicKey, ValidatorIndex};
use crate::state::{Validator, Validators};

/// Refuses a registry in which some index is not its validator's position.
pub fn check_registry(validators: &Validators) -> Result<(), DecodeError> {
    let misplaced =
        validators.iter().enumerate().find(|(position, validator)| validator.index.0 != *position as u64);
    match misplaced {
        None => Ok(()),
        Some((position, validator)) => Err(DecodeError::BytesInvalid(format!(
            "validator at position {position} has index {}, which must equal its position",
            validator.index
        ))),
    }
}

/// Lengths of an entry: two keys and the index. An empty registry, and one that either would fit, is of the first.
const ENTRY_LENS: [usize; 2] = [2 * PublicKey::LEN + INDEX_LEN, 2 * PublicKey::SHORT_LEN + INDEX_LEN];
const INDEX_LEN: usize = 8;

/// Decodes a registry and checks it. Keys may be of either length: as each entry ends with its position, the bytes say
/// which it is.
pub fn decode_registry(bytes: &[u8]) -> Result<Validators, DecodeError> {
    let [long, short] = ENTRY_LENS;
    match decode_entries(bytes, long) {
        Ok(validators) => Ok(validators),
        // A registry that is none is judged as what the specification has.
        Err(error) => decode_entries(bytes, short).map_err(|_| error),
    }
}

fn decode_entries(bytes: &[u8], entry_len: usize) -> Result<Validators, DecodeError> {
    let count = bytes.len() / entry_len;
    if count > VALIDATOR_REGISTRY_LIMIT as usize {
        let problem = format!("List of {count} items exceeds maximum of {VALIDATOR_REGISTRY_LIMIT}");
        return Err(DecodeError::BytesInvalid(problem));
    }
    let entries = bytes.chunks(entry_len).map(|entry| decode_entry(entry, entry_len));
    let entries = entries.collect::<Result<Vec<_>, _>>()?;
    let validators = Validators::try_from_iter(entries)
        .map_err(|error| DecodeError::BytesInvalid(format!("Error building ssz List: {error:?}")))?;
    check_registry(&validators)?;
    Ok(validators)
}

fn decode_entry(bytes: &[u8], entry_len: usize) -> Result<Validator, DecodeError> {
    if bytes.len() != entry_len {
        return Err(DecodeError::InvalidByteLength { len: bytes.len(), expected: entry_len });
    }
    let (keys, index) = bytes.split_at(entry_len - INDEX_LEN);
    let (attestation, proposal) = keys.split_at(keys.len() / 2);
    Ok(Validator {
        attestation_public_key: PublicKey::from_ssz_bytes(attestation)?,
        proposal_public_key: PublicKey::from_ssz_bytes(proposal)?,
        index: ValidatorIndex::from_ssz_bytes(index)?,
    })
}

/// Bytes of the encoding of a registry, whose keys are all of one length.
pub(crate) fn encoded_len(validators: &Validators) -> usize {
    validators.get(0).map_or(0, |first| first.ssz_bytes_len() * validators.len())
}

// The fields one after the other. To a list an entry is of fixed size, which makes it write entry after entry; the size
// itself is only that of the specification's scheme, so a list is read and measured by the functions above.
impl Encode for Validator {
    fn is_ssz_fixed_len() -> bool {
        true
    }
    fn ssz_fixed_len() -> usize {
        ENTRY_LENS[0]
    }
    fn ssz_bytes_len(&self) -> usize {
        self.attestation_public_key.ssz_bytes_len() + self.proposal_public_key.ssz_bytes_len() + INDEX_LEN
    }
    fn ssz_append(&self, buf: &mut Vec<u8>) {
        self.attestation_public_key.ssz_append(buf);
        self.proposal_public_key.ssz_append(buf);
        self.index.ssz_append(buf);
    }
}

impl Decode for Validator {
    fn is_ssz_fixed_len() -> bool {
        true
    }
    fn ssz_fixed_len() -> usize {
        ENTRY_LENS[0]
    }
    fn from_ssz_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let [long, short] = ENTRY_LENS;
        decode_entry(bytes, if bytes.len() == short { short } else { long })
    }
}
