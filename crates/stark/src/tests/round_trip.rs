//! Proofs of true statements verify; of other statements they do not.

use super::Signed;
use crate::layout::Layout;
use crate::proof::prove_by_library;
use crate::tables::Table;
use crate::trace::Trace;
use crate::{Claim, Error, MAX_SIGNATURES, MAX_SLOTS, Statement, prove, verify};

#[test]
fn a_proof_holds_for_its_statement_and_no_other() {
    let signed = Signed::some();
    let statement = signed.statement();
    let proof = prove(&statement, &signed.bytes()).unwrap();
    assert_eq!(verify(&statement, &proof), Ok(()));

    let other = |edit: &dyn Fn(&mut Vec<Claim>)| {
        let mut claims = signed.claims.clone();
        edit(&mut claims);
        let verdict = verify(&Statement::new(claims).unwrap(), &proof);
        assert!(matches!(verdict, Err(Error::Rejected(_))), "{verdict:?}");
    };
    other(&|claims| claims[1].message[31] ^= 1);
    other(&|claims| claims[1].slot += 1);
    other(&|claims| claims[1].public_key[0] ^= 1);
    other(&|claims| claims[1].public_key[51] ^= 1);
    other(&|claims| claims.swap(0, 1));
    other(&|claims| claims.truncate(2));
    other(&|claims| claims.push(claims[0]));
}

/// Rounds of our own, and the library's: the same proof, byte for byte, with tables of one height and of several. On
/// one thread, because several look for a witness of grinding side by side, and the first that is found counts.
#[test]
fn proofs_are_those_that_the_library_makes() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    pool.install(|| [Signed::one(), Signed::some()].into_iter().for_each(is_the_same));

    fn is_the_same(signed: &Signed) {
        let statement = signed.statement();
        let layout = Layout::of(&statement);
        let tables = Table::all(&statement, &layout).unwrap();
        let trace = Trace::new(&statement, &layout, &tables, &signed.bytes()).unwrap();
        let expected = prove_by_library(&statement, &layout, &tables, trace);
        assert!(prove(&statement, &signed.bytes()).unwrap() == expected, "another proof");
    }
}

/// The slots of the fixture have tweaks that split in every way there is.
#[test]
fn the_slots_of_the_fixture_carry() {
    use lathe_leansig::circuit::{chain_tweak, split};
    let carries = |slot: u32| {
        let high = |chain: usize, step: u32| split(chain_tweak(slot, chain, step))[1];
        (high(0, 1) != high(45, 7), high(0, 0) != high(0, 1))
    };
    let found: Vec<_> = super::SLOTS.iter().map(|slot| carries(*slot as u32)).collect();
    assert_eq!(found, [(false, false), (false, true), (true, false)]);
}

#[test]
fn what_is_not_signed_is_not_proved() {
    let signed = Signed::one();
    let statement = signed.statement();
    for at in [4, 40, 1064, 2535] {
        let mut signature = signed.signatures[0].clone();
        signature[at] ^= 1;
        let verdict = prove(&statement, &[&signature]);
        assert_eq!(verdict, Err(Error::InvalidSignature { index: 0 }), "{at}");
    }
    assert_eq!(prove(&statement, &[]), Err(Error::SignatureCount { expected: 1, found: 0 }));
    assert_eq!(prove(&statement, &[&[]]), Err(Error::InvalidSignature { index: 0 }));
}

fn empty(slot: u32) -> Claim {
    Claim { public_key: [0; 52], message: [0; 32], slot }
}

#[test]
fn statements_are_bounded() {
    let claim = empty(0);
    assert_eq!(Statement::new(vec![]), Err(Error::Empty));
    assert!(Statement::new(vec![claim; MAX_SIGNATURES]).is_ok());
    let found = MAX_SIGNATURES + 1;
    let max = MAX_SIGNATURES;
    assert_eq!(Statement::new(vec![claim; found]), Err(Error::TooManySignatures { found, max }));
    let slots = |count: usize| (0..count as u32).map(empty).collect::<Vec<Claim>>();
    assert!(Statement::new(slots(MAX_SLOTS)).is_ok());
    let [found, max] = [MAX_SLOTS + 1, MAX_SLOTS];
    assert_eq!(Statement::new(slots(found)), Err(Error::TooManySlots { found, max }));
    let malformed = Claim { public_key: [0xff; 52], message: [0; 32], slot: 0 };
    let verdict = verify(&Statement::new(vec![claim, malformed]).unwrap(), &[]);
    assert_eq!(verdict, Err(Error::MalformedKey { index: 1 }));
}
