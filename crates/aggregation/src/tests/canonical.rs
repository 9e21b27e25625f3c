//! One encoding of everything: no way to cut or order the parts of a proof anew is accepted.

use lathe_types::SignatureShape;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use super::{MESSAGE, World};
use crate::AggregationError as Error;
use crate::container::{Context, decode_multi, decode_single, encode_multi, encode_single};
use crate::part::{Flat, FlatPart, Part, RawPart, StarkPart, VoteGroup, separate};

const CONTEXT: Context = Context { registry: 32, shape: SignatureShape::TEST, starks: true };

fn raw(signers: &[u16]) -> Part {
    let world = World::small();
    let entries = signers.iter().map(|signer| (*signer, world.vote(u64::from(*signer), MESSAGE).1));
    Part::Raw(RawPart { entries: entries.collect() })
}

fn stark(signers: &[u16]) -> Part {
    Part::Stark(StarkPart { signers: signers.to_vec(), proof: vec![7; 40] })
}

/// A part of a proof over votes for [`MESSAGE`] and for another one.
fn flat(signers: &[u16]) -> Part {
    let mut other = MESSAGE;
    other.slot.0 += 1;
    let components = [MESSAGE, other].map(|message| VoteGroup { message, signers: signers.to_vec() });
    Part::Flat(FlatPart {
        position: 0,
        flat: Flat { components: components.into(), proof: vec![8; 40] }.into(),
    })
}

/// Whether these parts in this order are taken, for one message and in a block.
fn decode(parts: &[Part]) -> Result<(), Error> {
    let single = decode_single(&encode_single(parts), CONTEXT);
    let components = [parts.to_vec(), vec![raw(&[31])]];
    let multi = decode_multi(&encode_multi(&components), 2, CONTEXT);
    match (single, multi) {
        (Ok(single), Ok(multi)) => {
            assert_eq!((&single[..], &multi[..]), (parts, &components[..]));
            Ok(())
        }
        (Err(single), Err(multi)) => {
            assert_eq!(single, multi);
            Err(single)
        }
        (single, multi) => panic!("{single:?} alone, {multi:?} in a block"),
    }
}

#[test]
fn parts_are_cut_and_ordered_in_one_way() {
    let refused = |parts: &[Part], why| assert_eq!(decode(parts), Err(Error::NonCanonicalParts(why)));
    let [cut, turned, idle] = [
        "signatures are not in one part, after all proofs",
        "proofs are not in order",
        "a proof covers nobody whom the others do not",
    ];
    assert_eq!(decode(&[raw(&[0, 1, 2])]), Ok(()));
    refused(&[raw(&[0]), raw(&[1, 2])], cut);
    refused(&[raw(&[1, 2]), raw(&[0])], cut);
    assert_eq!(decode(&[stark(&[1, 2]), raw(&[0])]), Ok(()));
    refused(&[raw(&[0]), stark(&[1, 2])], cut);
    // The larger first, then by signers, whatever they are shown by.
    assert_eq!(decode(&[flat(&[1, 2, 3]), stark(&[0, 4]), stark(&[1, 5]), raw(&[6])]), Ok(()));
    refused(&[stark(&[0, 4]), flat(&[1, 2, 3]), stark(&[1, 5])], turned);
    refused(&[flat(&[1, 2, 3]), stark(&[1, 5]), stark(&[0, 4])], turned);
    // What could be left out, or put in.
    refused(&[stark(&[0, 1]), stark(&[0, 1])], idle);
    refused(&[stark(&[0, 1]), flat(&[0, 1])], idle);
    refused(&[stark(&[0, 1]), stark(&[1])], idle);
    refused(&[stark(&[0, 1]), stark(&[0, 2]), stark(&[1, 2])], idle);
    assert_eq!(decode(&[stark(&[0, 1]), raw(&[1])]), Err(Error::OverlappingSigner(1)));
}

#[test]
fn a_flat_proof_is_over_different_messages() {
    let Part::Flat(FlatPart { flat, .. }) = flat(&[1]) else { unreachable!() };
    let again = Flat { components: [&flat.components[..], &flat.components[..1]].concat(), proof: vec![8] };
    let part = Part::Flat(FlatPart { position: 0, flat: again.into() });
    assert_eq!(decode(&[part]), Err(Error::NonCanonicalShares));
}

/// All orders of some parts.
fn orders(parts: &[Part]) -> Vec<Vec<Part>> {
    if parts.is_empty() {
        return vec![Vec::new()];
    }
    (0..parts.len())
        .flat_map(|first| {
            let mut rest = parts.to_vec();
            let first = rest.remove(first);
            orders(&rest).into_iter().map(move |rest| [vec![first.clone()], rest].concat())
        })
        .collect()
}

proptest! {
    /// Of all selections and orders of some proofs that show the same, one is taken, and it is the one that a fold
    /// makes.
    #[test]
    fn a_fold_makes_the_one_form_that_is_taken(proofs in vec(btree_set(0..6u16, 1..4), 1..5)) {
        let all: Vec<Part> =
            proofs.iter().map(|signers| stark(&signers.iter().copied().collect::<Vec<_>>())).collect();
        let (made, _) = separate(all);
        prop_assert_eq!(decode(&made), Ok(()));
        let taken: Vec<_> = orders(&made).into_iter().filter(|parts| decode(parts).is_ok()).collect();
        prop_assert_eq!(taken, vec![made]);
    }

    /// What is taken encodes to the bytes that it came from.
    #[test]
    fn bytes_that_are_taken_are_the_only_ones(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let parts = [flat(&[1, 2, 3]), stark(&[0, 1]), raw(&[5, 6])];
        let mut bytes = encode_single(&parts);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(parts) = decode_single(&bytes, CONTEXT) {
            prop_assert_eq!(encode_single(&parts), bytes);
        }
    }
}
