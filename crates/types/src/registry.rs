//! The registry's own rule: a validator's index is its position.
//!
//! The rule is part of the type in the specification, so bytes that break it do not decode. It is kept outside the list
//! type, which stays a plain persistent list. Used as the SSZ codec of [`crate::State::validators`].

use ssz::DecodeError;

use crate::state::Validators;

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

/// Decodes a registry and checks it.
pub fn decode_registry(bytes: &[u8]) -> Result<Validators, DecodeError> {
    decode::from_ssz_bytes(bytes)
}

/// Encoding, as the derive macro wants it.
pub(crate) mod encode {
    use super::Validators;

    pub(crate) fn is_ssz_fixed_len() -> bool {
        <Validators as ssz::Encode>::is_ssz_fixed_len()
    }
    pub(crate) fn ssz_fixed_len() -> usize {
        <Validators as ssz::Encode>::ssz_fixed_len()
    }
    pub(crate) fn ssz_bytes_len(validators: &Validators) -> usize {
        ssz::Encode::ssz_bytes_len(validators)
    }
    pub(crate) fn ssz_append(validators: &Validators, buf: &mut Vec<u8>) {
        ssz::Encode::ssz_append(validators, buf);
    }
}

/// Decoding, as the derive macro wants it.
pub(crate) mod decode {
    use super::{DecodeError, Validators, check_registry};

    pub(crate) fn is_ssz_fixed_len() -> bool {
        <Validators as ssz::Decode>::is_ssz_fixed_len()
    }
    pub(crate) fn ssz_fixed_len() -> usize {
        <Validators as ssz::Decode>::ssz_fixed_len()
    }
    pub(crate) fn from_ssz_bytes(bytes: &[u8]) -> Result<Validators, DecodeError> {
        let validators = <Validators as ssz::Decode>::from_ssz_bytes(bytes)?;
        check_registry(&validators)?;
        Ok(validators)
    }
}
