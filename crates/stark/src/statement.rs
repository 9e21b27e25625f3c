//! What a proof shows: these keys signed these messages at these slots. Knows nothing of how it is proved.

use lathe_leansig::PUBLIC_KEY_BYTES;

use crate::error::Error;

/// Signatures in one proof, so that neither the memory of a prover nor the work of a verifier grows without bound: the
/// registry has room for four times as many, and a proof over this many takes about 2 GiB to make.
pub const MAX_SIGNATURES: usize = 1024;

/// Different slots in one proof. A block has at most nine messages; each slot costs a verifier 512 rows of tweaks.
pub const MAX_SLOTS: usize = 32;

/// One signature that is said to exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Encoded key of the signer.
    pub public_key: [u8; PUBLIC_KEY_BYTES],
    /// What was signed.
    pub message: [u8; 32],
    /// The slot that it was signed for: the epoch of the one-time key.
    pub slot: u32,
}

/// Signatures that are said to exist, in order. The same claim may stand in it twice; that says nothing more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    claims: Vec<Claim>,
    slots: Vec<u32>,
}

impl Statement {
    /// A statement over `claims`.
    ///
    /// # Errors
    /// There are none, or more than [`MAX_SIGNATURES`], or they have more than [`MAX_SLOTS`] different slots.
    pub fn new(claims: Vec<Claim>) -> Result<Self, Error> {
        if claims.is_empty() {
            return Err(Error::Empty);
        }
        if claims.len() > MAX_SIGNATURES {
            return Err(Error::TooManySignatures { found: claims.len(), max: MAX_SIGNATURES });
        }
        let mut slots: Vec<u32> = claims.iter().map(|claim| claim.slot).collect();
        slots.sort_unstable();
        slots.dedup();
        if slots.len() > MAX_SLOTS {
            return Err(Error::TooManySlots { found: slots.len(), max: MAX_SLOTS });
        }
        Ok(Self { claims, slots })
    }

    /// The claims, in order; at least one.
    pub fn claims(&self) -> &[Claim] {
        &self.claims
    }

    /// The different slots, ascending; at least one.
    pub fn slots(&self) -> &[u32] {
        &self.slots
    }

    /// Feeds everything that the statement says to `absorb`. Unambiguous: all parts but their number have a fixed
    /// length, and the number comes first.
    pub fn absorb(&self, mut absorb: impl FnMut(&[u8])) {
        absorb(&(self.claims.len() as u64).to_le_bytes());
        for claim in &self.claims {
            absorb(&claim.public_key);
            absorb(&claim.message);
            absorb(&claim.slot.to_le_bytes());
        }
    }
}
