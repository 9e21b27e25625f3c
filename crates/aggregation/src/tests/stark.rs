//! The backend with proofs, over real keys: few signers, so that proofs are quick.

use std::sync::OnceLock;
use std::time::Duration;

use lathe_leansig::{Prod, SecretKey};
use lathe_types::{
    Decode, KeyRole, MAX_PROOF_BYTES, MultiMessageAggregate, ProofBytes, PublicKey, Root, Signature,
    SingleMessageAggregate, Slot, Validator, ValidatorIndex,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::{bits, claim};
use crate::{
    AggregationError as Error, Backend, Cancellation, Component, Evidence, Message, ProofKind, ProofRequest,
    Prover, RawBackend, Registry, Room, SignatureBackend, Statement,
};

const VALIDATORS: u64 = 3;
const SLOT: u64 = 3;
const VOTE: Message = Message { root: Root::repeat_byte(7), slot: Slot(SLOT) };
/// Another vote of an earlier slot.
const OLD: Message = Message { root: Root::repeat_byte(5), slot: Slot(SLOT - 1) };
const BLOCK: Message = Message { root: Root::repeat_byte(9), slot: Slot(SLOT + 1) };
const ATTESTATION: KeyRole = KeyRole::Attestation;

type Held = Vec<(ValidatorIndex, Signature)>;

/// Validators, their votes for two data, and the block signature of the last of them.
struct World {
    registry: Registry,
    votes: Held,
    old: Held,
    proposal: Held,
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut sign = |messages: &[Message]| {
            let (first, last) = (messages[0].slot.0, messages[messages.len() - 1].slot.0);
            let mut key = SecretKey::<Prod>::generate(&mut rng, first..last + 1, |_, _| ()).unwrap();
            let signatures: Vec<Signature> = messages
                .iter()
                .map(|message| key.sign_with_build(message.slot.0, &message.root.0).unwrap().encode())
                .map(|bytes| Signature::from_ssz_bytes(&bytes).unwrap())
                .collect();
            (PublicKey::from(key.public_key().encode()), signatures)
        };
        let mut world =
            World { registry: Registry::default(), votes: Vec::new(), old: Vec::new(), proposal: Vec::new() };
        for index in (0..VALIDATORS).map(ValidatorIndex) {
            let (attestation_public_key, votes) = sign(&[OLD, VOTE]);
            let (proposal_public_key, proposals) = sign(&[BLOCK]);
            world.registry.push(Validator { attestation_public_key, proposal_public_key, index }).unwrap();
            world.old.push((index, votes[0].clone()));
            world.votes.push((index, votes[1].clone()));
            world.proposal = vec![(index, proposals[0].clone())];
        }
        world
    })
}

/// A backend that wants no votes raw.
fn prover() -> SignatureBackend {
    SignatureBackend::with_proofs(0)
}

/// One that proves what does not fit.
fn stark() -> SignatureBackend {
    SignatureBackend::with_proofs(MAX_PROOF_BYTES)
}

fn raw() -> RawBackend {
    RawBackend::default()
}

fn fold(
    children: &[&SingleMessageAggregate],
    votes: &[(ValidatorIndex, Signature)],
    message: Message,
) -> SingleMessageAggregate {
    let (registry, never) = (&world().registry, Cancellation::default());
    stark().aggregate(registry, children, votes, message, &never).unwrap()
}

fn request(votes: Vec<(Message, Vec<&SingleMessageAggregate>)>) -> ProofRequest<'_> {
    ProofRequest { votes, expected: 0, within: Duration::MAX }
}

fn prove(
    votes: Vec<(Message, Vec<&SingleMessageAggregate>)>,
) -> Result<Vec<(Message, SingleMessageAggregate)>, Error> {
    prover().prove(&world().registry, &request(votes), &Cancellation::default())
}

/// The proof that validators 0 and 1 signed [`VOTE`].
fn proved() -> &'static SingleMessageAggregate {
    static PROVED: OnceLock<SingleMessageAggregate> = OnceLock::new();
    PROVED.get_or_init(|| {
        let aggregate = fold(&[], &world().votes[..2], VOTE);
        let mut proofs = prove(vec![(VOTE, vec![&aggregate])]).unwrap();
        assert_eq!((proofs.len(), proofs[0].0), (1, VOTE));
        proofs.remove(0).1
    })
}

/// One proof that 0 and 1 signed [`VOTE`] and that 1 and 2 signed [`OLD`].
fn flat() -> &'static [SingleMessageAggregate; 2] {
    static FLAT: OnceLock<[SingleMessageAggregate; 2]> = OnceLock::new();
    FLAT.get_or_init(|| {
        let new = fold(&[], &world().votes[..2], VOTE);
        let old = fold(&[], &world().old[1..], OLD);
        let proofs = prove(vec![(VOTE, vec![&new]), (OLD, vec![&old])]).unwrap();
        assert_eq!([proofs[0].0, proofs[1].0], [VOTE, OLD]);
        [proofs[0].1.clone(), proofs[1].1.clone()]
    })
}

fn statements(voters: &[(Message, &[u64])]) -> Vec<Statement> {
    let votes = voters.iter().map(|(message, voters)| Statement {
        message: *message,
        role: ATTESTATION,
        participants: bits(voters.iter().copied()),
    });
    let proposer =
        Statement { message: BLOCK, role: KeyRole::Proposal, participants: bits([VALIDATORS - 1]) };
    votes.chain([proposer]).collect()
}

/// A block's proof: these votes, and the proposer's signature.
fn block(votes: &[(Message, &SingleMessageAggregate)]) -> MultiMessageAggregate {
    let World { registry, proposal, .. } = world();
    let votes = votes.iter().map(|(message, proof)| Component {
        message: *message,
        role: ATTESTATION,
        evidence: Evidence::Proof(proof),
    });
    let proposer = Component {
        message: BLOCK,
        role: KeyRole::Proposal,
        evidence: Evidence::Signatures(proposal.as_slice()),
    };
    let components: Vec<_> = votes.chain([proposer]).collect();
    stark().merge(registry, &components, &Cancellation::default()).unwrap()
}

fn multi(pieces: &[&[u8]]) -> MultiMessageAggregate {
    MultiMessageAggregate { proof: ProofBytes::new(pieces.concat()).unwrap() }
}

#[test]
fn what_is_raw_reads_like_the_raw_backend_s() {
    let World { registry, votes, .. } = world();
    let backend = stark();
    let proof = fold(&[], votes, VOTE);
    assert_eq!(proof, raw().aggregate(registry, &[], votes, VOTE, &Cancellation::default()).unwrap());
    assert_eq!(backend.verify_single(registry, &proof, VOTE), Ok(()));
    let block = block(&[(VOTE, &proof)]);
    let statements = statements(&[(VOTE, &[0, 1, 2])]);
    assert_eq!(raw().verify_multi(registry, &statements, &block), Ok(()));
    assert_eq!(backend.verify_multi(registry, &statements, &block), Ok(()));
    assert_eq!(backend.split(registry, &statements, &block, VOTE), Ok(proof.clone()));
    let swapped = fold(&[], &[(votes[0].0, votes[1].1.clone())], VOTE);
    assert_eq!(backend.verify_single(registry, &swapped, VOTE), Err(Error::InvalidSignature(0)));
    assert_eq!(backend.room(&proof), Room::PerSigner);
    assert_eq!(backend.kind(registry, 2, &block), ProofKind::Raw);
}

#[test]
fn a_proof_shows_its_participants_and_nobody_else() {
    let World { registry, votes, .. } = world();
    let (backend, proof) = (stark(), proved());
    assert_eq!(proof.participants, bits([0, 1]));
    assert_eq!(proof.proof[..8], [1, 1, 1, 2, 0, 1, 0, 0b11], "one part of kind 2");
    assert_eq!(backend.verify_single(registry, proof, VOTE), Ok(()));

    let other = Message { root: Root::repeat_byte(8), ..VOTE };
    assert_eq!(backend.verify_single(registry, proof, other), Err(Error::InvalidProof));
    let other = Message { slot: Slot(SLOT + (1 << 32)), ..VOTE };
    assert_eq!(backend.verify_single(registry, proof, other), Err(Error::SlotOutOfRange(SLOT + (1 << 32))));
    let more = claim([0, 1, 2], proof.proof.to_vec());
    assert_eq!(backend.verify_single(registry, &more, VOTE), Err(Error::ParticipantsMismatch));
    let mut forged = proof.proof.to_vec();
    forged[7] = 0b101;
    assert_eq!(backend.verify_single(registry, &claim([0, 2], forged), VOTE), Err(Error::InvalidProof));
    let long = claim([0, 1], [&proof.proof[..], &[0]].concat());
    assert_eq!(backend.verify_single(registry, &long, VOTE), Err(Error::TrailingBytes(1)));
    // Whoever does not know proofs refuses them by name.
    assert_eq!(raw().verify_single(registry, proof, VOTE), Err(Error::UnknownPartKind(2)));
    // A signature that does not verify is not proved.
    let swapped = fold(&[], &[(votes[0].0, votes[1].1.clone()), votes[1].clone()], VOTE);
    assert_eq!(prove(vec![(VOTE, vec![&swapped])]), Err(Error::InvalidSignature(0)));
}

#[test]
fn only_what_is_worth_proving_is_proved() {
    let registry = &world().registry;
    let all = fold(&[proved()], &world().votes, VOTE);
    // What a proof covers is not proved again, and a lone signature never.
    assert_eq!(prove(vec![(VOTE, vec![&all])]), Err(Error::NotWorthwhile));
    let one = fold(&[], &world().votes[..1], VOTE);
    assert_eq!(prove(vec![(VOTE, vec![&one])]), Err(Error::NotWorthwhile));
    let two = fold(&[], &world().votes[..2], VOTE);
    let patient = request(vec![(VOTE, vec![&two])]);
    let never = Cancellation::default();
    assert_eq!(stark().prove(registry, &patient, &never), Err(Error::NotWorthwhile), "it fits");
    let backend = prover();
    let within = Prover::estimate(&backend, 2) - Duration::from_nanos(1);
    let hasty = ProofRequest { within, ..patient.clone() };
    assert_eq!(backend.prove(registry, &hasty, &never), Err(Error::NotWorthwhile), "not in time");
    assert!(
        Prover::estimate(&backend, 2) < within,
        "an estimate that keeps proofs from being made is believed ever less"
    );
    never.cancel();
    assert_eq!(prover().prove(registry, &patient, &never), Err(Error::Cancelled));
}

#[test]
fn proofs_stand_beside_each_other_and_cover_raw_signatures() {
    let World { registry, votes, .. } = world();
    let (backend, child) = (stark(), proved());
    // The raw signer that is covered is dropped, and so is the same proof given twice.
    let both = fold(&[child, child], votes, VOTE);
    assert_eq!(both.participants, bits([0, 1, 2]));
    assert_eq!(both.proof[2], 2, "two parts");
    assert_eq!(backend.verify_single(registry, &both, VOTE), Ok(()));
    assert_eq!(fold(&[child], &votes[..2], VOTE), *child);
    // A proof is taken out whole or not at all.
    assert_eq!(backend.trim(registry, &both, &bits([0, 1])), Ok(child.clone()));
    assert_eq!(backend.trim(registry, &both, &bits([2])), Ok(fold(&[], &votes[2..], VOTE)));
    let refused = Err(Error::Unsupported("take some of the signers out of a proof"));
    assert_eq!(backend.trim(registry, &both, &bits([0, 2])), refused);
    // A raw signer that a proof covers as well is one too many.
    let mut twice = both.proof.to_vec();
    let at = twice.len() - 2 - votes[2].1.as_bytes().len() - 1;
    twice[at] = 0b001;
    let twice = claim([0, 1], twice);
    assert_eq!(backend.verify_single(registry, &twice, VOTE), Err(Error::OverlappingSigner(0)));

    let mixed = block(&[(VOTE, &both)]);
    let statements = statements(&[(VOTE, &[0, 1, 2])]);
    assert_eq!(mixed.proof[..3], [1, 2, 2]);
    assert_eq!(backend.verify_multi(registry, &statements, &mixed), Ok(()));
    assert_eq!(backend.kind(registry, 2, &mixed), ProofKind::Mixed);
    assert_eq!(backend.kind(registry, 2, &block(&[(VOTE, child)])), ProofKind::Stark);
    assert_eq!(backend.kind(registry, 1, &block(&[])), ProofKind::Raw);
    assert_eq!(backend.split(registry, &statements, &mixed, VOTE), Ok(both.clone()));
    assert_eq!(backend.split(registry, &statements, &mixed, BLOCK), Err(Error::UnknownMessage));
    let Room::Whole { votes: room, .. } = backend.room(&both) else { panic!("not in parts") };
    assert_eq!(room, both.proof.len().div_ceil(2538));
}

/// A part that claims to be a proof over `signers`, with so many bytes.
fn junk(signers: &[u8], bytes: usize) -> Vec<u8> {
    [&[2], signers, &(bytes as u32).to_le_bytes()[..], &vec![7; bytes]].concat()
}

#[test]
fn a_fold_does_without_the_proofs_that_do_not_fit() {
    let World { registry, votes, .. } = world();
    let single =
        |part: &[u8], signers: &[u64]| claim(signers.iter().copied(), [&[1, 1, 1][..], part].concat());
    let large = single(&junk(&[0, 1, 0, 0b11], 400_000), &[0, 1]);
    let small = single(&junk(&[0, 1, 0, 0b100], 130_000), &[2]);
    assert_eq!(fold(&[&small, &large], &[], VOTE).participants, bits([0, 1]));
    // The signature that the proof left out had covered comes back.
    let with_signature = fold(&[&small, &large], votes, VOTE);
    assert_eq!((with_signature.participants, with_signature.proof[2]), (bits([0, 1, 2]), 2));
    // More parts than a message may have.
    let eight: Vec<_> = (0..3).flat_map(|_| [(0b011, [0, 1]), (0b110, [1, 2]), (0b101, [0, 2])]).collect();
    let eight: Vec<_> =
        eight.iter().map(|(mask, signers)| single(&junk(&[0, 1, 0, *mask], 1), signers)).collect();
    let folded = fold(&eight.iter().collect::<Vec<_>>(), &[], VOTE);
    assert_eq!(folded.proof[2], 2, "proofs over signers whom the others cover are one too many");
    let huge = Component { message: VOTE, role: ATTESTATION, evidence: Evidence::Proof(&large) };
    let also = Component { message: VOTE, role: ATTESTATION, evidence: Evidence::Proof(&small) };
    let refused = stark().merge(registry, &[huge, also], &Cancellation::default());
    assert_eq!(refused, Err(Error::TooLarge { signatures: 3, max: 206 }));
}

#[test]
fn a_block_holds_a_flat_proof_once_and_splits_by_message() {
    let registry = &world().registry;
    let (backend, [new, old]) = (stark(), flat());
    assert_eq!(new.proof[..5], [1, 1, 1, 3, 2], "one part of kind 3, over two messages");
    for (proof, message) in [(new, VOTE), (old, OLD)] {
        assert_eq!(backend.verify_single(registry, proof, message), Ok(()));
        assert_eq!(backend.verify_single(registry, proof, BLOCK), Err(Error::ForeignPart));
    }
    let block = block(&[(OLD, old), (VOTE, new)]);
    assert_eq!(block.proof[..4], [1, 3, 1, 2], "shared: one flat proof, which is over two messages");
    assert!(block.proof.len() < new.proof.len() + 3_000, "once, and the proposer's signature");
    let statements = statements(&[(OLD, &[1, 2]), (VOTE, &[0, 1])]);
    assert_eq!(backend.verify_multi(registry, &statements, &block), Ok(()));
    assert_eq!(backend.kind(registry, 3, &block), ProofKind::Stark);
    assert_eq!(backend.split(registry, &statements, &block, VOTE).as_ref(), Ok(new));
    assert_eq!(backend.split(registry, &statements, &block, OLD).as_ref(), Ok(old));
    let refused = Err(Error::WrongLayout { expected: 2, found: 3 });
    assert_eq!(raw().verify_multi(registry, &statements, &block), refused);

    // Both take the same room, and together no more.
    let (Room::Whole { content, votes }, Room::Whole { content: other, .. }) =
        (backend.room(new), backend.room(old))
    else {
        panic!("not in parts")
    };
    assert_eq!(content, other);
    assert!(votes * 2538 >= new.proof.len());
    let Room::Whole { content: other, .. } = backend.room(proved()) else { panic!("not in parts") };
    assert_ne!(content, other);

    // The statement that travels with the proof is what the proof is checked for.
    let mut forged = new.proof.to_vec();
    let old_root = forged.windows(32).position(|bytes| bytes == OLD.root.as_slice()).unwrap();
    forged[old_root] ^= 1;
    assert_eq!(backend.verify_single(registry, &claim([0, 1], forged), VOTE), Err(Error::InvalidProof));
    // Nobody's block signature is in a flat proof.
    let mut proposal = statements[1].clone();
    proposal.role = KeyRole::Proposal;
    let swapped = [statements[0].clone(), proposal, statements[2].clone()];
    assert_eq!(backend.verify_multi(registry, &swapped, &block), Err(Error::ForeignPart));
}

/// A flat proof over one vote of validator 0, which no block could need.
fn tiny_flat(root: u8) -> Vec<u8> {
    [&[1][..], &[root; 32], &SLOT.to_le_bytes(), &[0, 1, 0, 1], &[0; 4]].concat()
}

#[test]
fn flat_proofs_are_decoded_strictly() {
    let registry = &world().registry;
    let verdict = |pieces: &[&[u8]]| {
        let proof = [&[1, 1, 1, 3][..], &pieces.concat()].concat();
        stark().verify_single(registry, &claim([0], proof), VOTE)
    };
    let flat = tiny_flat(7);
    assert_eq!(verdict(&[&flat, &[0]]), Err(Error::InvalidProof));
    assert_eq!(verdict(&[&flat, &[1]]), Err(Error::NoSuchComponent { position: 1, components: 1 }));
    assert_eq!(verdict(&[&tiny_flat(8), &[0]]), Err(Error::ForeignPart));
    assert_eq!(verdict(&[&flat, &[0], &[0]]), Err(Error::TrailingBytes(1)));
    let count = |found| Err(Error::WrongComponentCount { expected: 9, found });
    assert_eq!(verdict(&[&[0], &[0; 4], &[0]]), count(0));
    assert_eq!(verdict(&[&[10], &flat[1..], &[0]]), count(10));
    let endless = [&flat[..flat.len() - 4], &u32::MAX.to_le_bytes()].concat();
    assert_eq!(verdict(&[&endless, &[0]]), Err(Error::Truncated));
    let proof = claim([0], vec![1, 1, 1, 4, 0, 0]);
    let refused = stark().verify_single(registry, &proof, VOTE);
    assert_eq!(refused, Err(Error::UnknownPartKind(4)), "nothing is shared by one message");
}

#[test]
fn flat_proofs_are_shared_in_one_way() {
    let registry = &world().registry;
    let verdict = |pieces: &[&[u8]]| {
        let statements = [0, 0].map(|_| statements(&[(VOTE, &[0])])[0].clone());
        stark().verify_multi(registry, &statements, &multi(pieces))
    };
    let (flat, share) = (tiny_flat(7), [1, 4, 0, 0]);
    assert_eq!(verdict(&[&[1, 3, 1], &flat, &[2], &share, &share]), Err(Error::InvalidProof), "well-formed");
    let alone = [&[1, 3][..], &flat, &[0]].concat();
    let wrong = Err(Error::NonCanonicalShares);
    assert_eq!(verdict(&[&[1, 2, 2], &alone, &alone]), wrong, "twice the same");
    assert_eq!(verdict(&[&[1, 3, 1], &flat, &[2], &share, &alone]), wrong, "not where it could be");
    let raw = fold(&[], &world().votes[..1], VOTE);
    assert_eq!(verdict(&[&[1, 3, 1], &flat, &[2], &share, &raw.proof[2..]]), wrong, "used once");
    assert_eq!(verdict(&[&[1, 3, 0, 2], &raw.proof[2..], &raw.proof[2..]]), wrong, "none at all");
    assert_eq!(verdict(&[&[1, 3, 2], &flat, &flat, &[2], &share, &share]), wrong, "twice before them");
    assert_eq!(verdict(&[&[1, 3, 1], &flat, &[2], &[1, 4, 1, 0], &share]), wrong, "no such flat proof");
    let nowhere = Err(Error::NoSuchComponent { position: 1, components: 1 });
    assert_eq!(verdict(&[&[1, 3, 1], &flat, &[2], &[1, 4, 0, 1], &share]), nowhere);
    let many = Err(Error::TooManyParts { found: 9, max: 8 });
    assert_eq!(verdict(&[&[1, 3, 9]]), many);
}
