//! What a proof is worth, computed from the parameters of every size in use.

use crate::layout::Layout;
use crate::{Claim, MAX_SIGNATURES, MAX_SLOTS, SECURITY_BITS, Statement, security};

fn claims(signatures: usize, slots: usize) -> Statement {
    let claim = |index: usize| Claim { public_key: [0; 52], message: [0; 32], slot: (index % slots) as u32 };
    Statement::new((0..signatures).map(claim).collect()).unwrap()
}

#[test]
fn every_layout_reaches_its_bits_under_the_johnson_bound() {
    let mut layouts = Vec::new();
    for signatures in 1..=MAX_SIGNATURES {
        for slots in [1, 2, 4, 8, 16, MAX_SLOTS] {
            let statement = claims(signatures, slots.min(signatures));
            let heights = Layout::of(&statement).log_heights;
            if layouts.contains(&heights) {
                continue;
            }
            layouts.push(heights);
            let report = security(&statement).unwrap();
            let bits = report.security_bits().unwrap();
            assert!(bits >= SECURITY_BITS as f64, "{signatures} signatures, {slots} slots: {bits:.2} bits");
            report.require_security(SECURITY_BITS).unwrap();
        }
    }
    assert!(layouts.len() > 20, "all heights from the least to the largest: {}", layouts.len());
}
