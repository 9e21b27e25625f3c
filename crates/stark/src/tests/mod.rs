//! Real signatures of the production scheme, and what the tests do to their rows.

mod bytes;
mod cells;
mod checker;
mod forge;
pub(crate) mod liar;
mod mutants;
mod relations;
mod round_trip;
mod security;

use std::sync::OnceLock;

use lathe_leansig::{Prod, SecretKey};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::{Claim, Statement};

/// Slots whose chains never carry, carry from the first step on, and carry within one chain.
pub(crate) const SLOTS: [u64; 3] = [5, 254, 127 * 983_940];

/// Claims and their signatures.
pub(crate) struct Signed {
    pub claims: Vec<Claim>,
    pub signatures: Vec<Vec<u8>>,
}

impl Signed {
    pub(crate) fn statement(&self) -> Statement {
        Statement::new(self.claims.clone()).unwrap()
    }

    pub(crate) fn bytes(&self) -> Vec<&[u8]> {
        self.signatures.iter().map(Vec::as_slice).collect()
    }

    /// One key per slot.
    fn new(slots: &[u64]) -> Self {
        let mut signed = Self { claims: Vec::new(), signatures: Vec::new() };
        for slot in slots {
            let mut rng = ChaCha20Rng::seed_from_u64(*slot);
            let mut key = SecretKey::<Prod>::generate(&mut rng, *slot..slot + 1, |_, _| ()).unwrap();
            let message = [*slot as u8; 32];
            signed.signatures.push(key.sign_with_build(*slot, &message).unwrap().encode());
            let public_key = key.public_key().encode();
            signed.claims.push(Claim { public_key, message, slot: *slot as u32 });
        }
        signed
    }

    /// One signature.
    pub(crate) fn one() -> &'static Self {
        static SIGNED: OnceLock<Signed> = OnceLock::new();
        SIGNED.get_or_init(|| Self::new(&SLOTS[..1]))
    }

    /// A signature for each of [`SLOTS`].
    pub(crate) fn some() -> &'static Self {
        static SIGNED: OnceLock<Signed> = OnceLock::new();
        SIGNED.get_or_init(|| Self::new(&SLOTS))
    }
}
