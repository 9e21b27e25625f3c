//! The registry's own rule: a validator's index is its position.
//!
//! The rule is part of the type in the specification, so bytes that break it do not decode. It is kept outside the list
//! type, which stays a plain persistent list; decoding a [`crate::State`] checks it.

use ssz::{Decode as _, DecodeError};

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
    let validators = Validators::from_ssz_bytes(bytes)?;
    check_registry(&validators)?;
    Ok(validators)
}
