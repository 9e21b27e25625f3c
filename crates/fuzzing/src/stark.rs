//! Proofs as they ship: the containers of the backend with STARKs, and the STARKs themselves, over the production
//! scheme.
//!
//! A proof has a hundred kilobytes, of which a search would change one byte at a time and see nearly all of it
//! refused in the same way. So beside bytes from nowhere there are edits of proofs that hold.

use std::sync::LazyLock;
use std::time::Duration;

use lathe_aggregation::{
    Backend, Cancellation, Component, Evidence, KeyRole, Message, ProofRequest, Prover, Registry,
    SignatureBackend, Statement,
};
use lathe_leansig::{Prod, SecretKey};
use lathe_types::{
    Decode, MAX_PROOF_BYTES, MultiMessageAggregate, Participation, ProofBytes, PublicKey, Root, Signature,
    SingleMessageAggregate, Slot, Validator, ValidatorIndex,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

/// Validators of the registry. The last of them never votes.
const VALIDATORS: u64 = 4;
/// A vote of all others, and another one.
const VOTE: Message = Message { root: Root::repeat_byte(7), slot: Slot(3) };
const OLD: Message = Message { root: Root::repeat_byte(5), slot: Slot(2) };
/// The block of the first validator.
const BLOCK: Message = Message { root: Root::repeat_byte(9), slot: Slot(4) };
/// Bytes of one edit.
const EDIT_BYTES: usize = 8;
/// Edits of one input; more only make it slower.
const MAX_EDITS: usize = 16;

/// A network, what its validators signed, and proofs that hold for it.
struct World {
    backend: SignatureBackend,
    registry: Registry,
    voters: Vec<ValidatorIndex>,
    /// Proofs that [`VOTE`] was voted for: raw, proved, proved beside raw, and flat.
    singles: Vec<SingleMessageAggregate>,
    /// Proofs of a block with one vote, raw and proved; and of one with two, by a flat proof that stands in it once.
    blocks: Vec<(Vec<Statement>, MultiMessageAggregate)>,
    /// The statement of one signature, and its proof.
    claim: lathe_stark::Statement,
    proof: Vec<u8>,
}

static WORLD: LazyLock<Option<World>> = LazyLock::new(World::new);

type Held = Vec<(ValidatorIndex, Signature)>;

impl World {
    fn new() -> Option<Self> {
        let backend = SignatureBackend::with_proofs(0);
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut registry = Registry::default();
        let (mut votes, mut old, mut proposals): (Held, Held, Held) = Default::default();
        for index in (0..VALIDATORS).map(ValidatorIndex) {
            let mut attester = SecretKey::<Prod>::generate(&mut rng, 2..4, |_, _| ()).ok()?;
            let mut proposer = SecretKey::<Prod>::generate(&mut rng, 4..5, |_, _| ()).ok()?;
            let attestation_public_key = PublicKey::from(attester.public_key().encode());
            let proposal_public_key = PublicKey::from(proposer.public_key().encode());
            registry.push(Validator { attestation_public_key, proposal_public_key, index }).ok()?;
            old.push((index, sign(&mut attester, OLD)?));
            votes.push((index, sign(&mut attester, VOTE)?));
            proposals.push((index, sign(&mut proposer, BLOCK)?));
        }
        for silent in [&mut votes, &mut old] {
            silent.pop();
        }
        let fold = |children: &[&SingleMessageAggregate], raw: &Held, message| {
            backend.aggregate(&registry, children, raw, message, &Cancellation::default()).ok()
        };
        let prove = |votes: Vec<(Message, Vec<&SingleMessageAggregate>)>| {
            let request = ProofRequest { votes, expected: 0, within: Duration::MAX };
            backend.prove(&registry, &request, &Cancellation::default()).ok()
        };
        let two: Held = votes[..2].to_vec();
        let (raw, of_two, earlier) =
            (fold(&[], &votes, VOTE)?, fold(&[], &two, VOTE)?, fold(&[], &old, OLD)?);
        let (_, proved) = prove(vec![(VOTE, vec![&of_two])])?.pop()?;
        let mixed = fold(&[&proved], &votes, VOTE)?;
        let mut flat = prove(vec![(VOTE, vec![&of_two]), (OLD, vec![&earlier])])?.into_iter();
        let (flat_vote, flat_old) = (flat.next()?.1, flat.next()?.1);
        let block = |votes: &[(Message, &SingleMessageAggregate)]| {
            let merged = merge(&backend, &registry, votes, &proposals[..1])?;
            Some((statements(votes)?, merged))
        };
        let blocks = vec![
            block(&[(VOTE, &raw)])?,
            block(&[(VOTE, &mixed)])?,
            block(&[(VOTE, &flat_vote), (OLD, &flat_old)])?,
        ];
        let public_key = registry.get(0)?.attestation_public_key.as_bytes().try_into().ok()?;
        let message = VOTE.root.0;
        let claim = lathe_stark::Claim { public_key, message, slot: VOTE.slot.0 as u32 };
        let claim = lathe_stark::Statement::new(vec![claim]).ok()?;
        let proof = lathe_stark::prove(&claim, &[votes[0].1.as_bytes()]).ok()?;
        let voters = votes.iter().map(|(voter, _)| *voter).collect();
        let singles = vec![raw, proved, mixed, flat_vote];
        Some(Self { backend, registry, voters, singles, blocks, claim, proof })
    }
}

fn sign(key: &mut SecretKey<Prod>, message: Message) -> Option<Signature> {
    let signature = key.sign_with_build(message.slot.0, &message.root.0).ok()?;
    Signature::from_ssz_bytes(&signature.encode()).ok()
}

fn merge(
    backend: &SignatureBackend,
    registry: &Registry,
    votes: &[(Message, &SingleMessageAggregate)],
    proposal: &[(ValidatorIndex, Signature)],
) -> Option<MultiMessageAggregate> {
    let votes = votes.iter().map(|(message, proof)| Component {
        message: *message,
        role: KeyRole::Attestation,
        evidence: Evidence::Proof(proof),
    });
    let evidence = Evidence::Signatures(proposal);
    let proposer = Component { message: BLOCK, role: KeyRole::Proposal, evidence };
    let components: Vec<_> = votes.chain([proposer]).collect();
    backend.merge(registry, &components, &Cancellation::default()).ok()
}

fn statements(votes: &[(Message, &SingleMessageAggregate)]) -> Option<Vec<Statement>> {
    let votes = votes.iter().map(|(message, proof)| {
        Some(Statement {
            message: *message,
            role: KeyRole::Attestation,
            participants: proof.participants.clone(),
        })
    });
    let participants = Participation::from_indices([ValidatorIndex(0)]);
    let proposer =
        participants.map(|participants| Statement { message: BLOCK, role: KeyRole::Proposal, participants });
    votes.chain([proposer]).collect()
}

/// The bytes after some edits, each of an operation, a place (3 bytes), a number (2) and two more bytes.
fn edited(bytes: &[u8], edits: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let (edits, _) = edits.as_chunks::<EDIT_BYTES>();
    for [operation, a, b, c, low, high, value, mask] in edits.iter().take(MAX_EDITS) {
        let at = (u32::from_le_bytes([*a, *b, *c, 0]) as usize).min(bytes.len());
        let number = usize::from(u16::from_le_bytes([*low, *high]));
        let end = at.saturating_add(number).min(bytes.len());
        match operation % 6 {
            // A bit or more, a byte, a run left out, a run twice, a run turned, the rest left out.
            0 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= mask),
            1 => bytes.insert(at, *value),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let run = bytes[at..end].to_vec();
                bytes.splice(end..end, run);
            }
            4 => bytes[at..end].rotate_left(usize::from(*value).min(end - at)),
            _ => bytes.truncate(at),
        }
    }
    bytes
}

/// The first byte chooses: a proof of a vote or of a block, from its bytes or as edits of one that holds, which the
/// second byte chooses.
pub fn containers(data: &[u8]) {
    let (Some((choice, data)), Some(world)) = (data.split_first(), &*WORLD) else { return };
    let Some((which, edits)) = data.split_first() else { return };
    let which = usize::from(*which);
    match choice % 4 {
        0 => {
            let Some(honest) = world.singles.get(which % world.singles.len()) else { return };
            single(world, honest, edits.to_vec());
        }
        1 => {
            let Some(honest) = world.singles.get(which % world.singles.len()) else { return };
            single(world, honest, edited(&honest.proof, edits));
        }
        2 => {
            let Some((statements, _)) = world.blocks.get(which % world.blocks.len()) else { return };
            multi(world, statements, edits.to_vec());
        }
        _ => {
            let Some((statements, honest)) = world.blocks.get(which % world.blocks.len()) else { return };
            multi(world, statements, edited(&honest.proof, edits));
        }
    }
}

/// Other bytes for the same participants, or for some others.
fn single(world: &World, honest: &SingleMessageAggregate, bytes: Vec<u8>) {
    let World { backend, registry, voters, .. } = world;
    let is_honest = bytes[..] == honest.proof[..];
    let Ok(proof) = ProofBytes::new(bytes) else { return };
    let aggregate = SingleMessageAggregate { proof, participants: honest.participants.clone() };
    let verdict = backend.verify_single(registry, &aggregate, VOTE);
    assert!(!is_honest || verdict.is_ok(), "{verdict:?}");
    // Whatever can be read has one encoding, which is what folding it alone makes of it.
    let folded = backend.aggregate(registry, &[&aggregate], &[], VOTE, &Cancellation::default());
    if let Ok(folded) = &folded {
        assert_eq!(*folded, aggregate, "cut or ordered anew");
    }
    let _ = backend.room(&aggregate);
    if verdict.is_ok() {
        assert!(folded.is_ok(), "what verifies folds");
        assert!(aggregate.participants.indices().all(|voter| voters.contains(&voter)), "nobody voted");
        let merged = merge(backend, registry, &[(VOTE, &aggregate)], &[]);
        assert!(merged.is_none(), "a block without its proposer's signature");
    }
}

fn multi(world: &World, statements: &[Statement], bytes: Vec<u8>) {
    let World { backend, registry, .. } = world;
    let Ok(proof) = ProofBytes::new(bytes) else { return };
    let proof = MultiMessageAggregate { proof };
    let verdict = backend.verify_multi(registry, statements, &proof);
    let _ = backend.kind(registry, statements.len(), &proof);
    for Statement { message, role, .. } in statements {
        let split = backend.split(registry, statements, &proof, *message);
        if *role == KeyRole::Proposal {
            assert!(split.is_err(), "a proposal is no vote");
        } else if verdict.is_ok() {
            let vote = split.ok().filter(|vote| backend.verify_single(registry, vote, *message).is_ok());
            assert!(vote.is_some(), "a verified vote does not come out again");
        }
    }
}

/// The first byte chooses: bytes, or edits of a proof that holds. Only that proof is believed, and nothing makes the
/// proof system give up.
pub fn stark(data: &[u8]) {
    let (Some((choice, data)), Some(World { claim, proof, .. })) = (data.split_first(), &*WORLD) else {
        return;
    };
    let bytes = if choice % 2 == 0 { data.to_vec() } else { edited(proof, data) };
    let verdict = lathe_stark::verify(claim, &bytes);
    assert_eq!(verdict.is_ok(), bytes == *proof, "the proof, and no other of the same: {verdict:?}");
    let is_ours = matches!(verdict, Err(lathe_stark::Error::Panicked | lathe_stark::Error::System(_)));
    assert!(!is_ours, "{verdict:?}");
}

/// The largest proof that a search may come to.
const _: () = assert!(MAX_PROOF_BYTES < 1 << 24, "an edit's place has three bytes");

/// Seeds of both targets: bytes in the shapes of containers, and edits of every kind.
pub(crate) fn seeds() -> Vec<crate::seeds::Seed> {
    let edit = |operation: u8, at: u32, number: u16, value: u8, mask: u8| -> [u8; EDIT_BYTES] {
        let [a, b, c, _] = at.to_le_bytes();
        let [low, high] = number.to_le_bytes();
        [operation, a, b, c, low, high, value, mask]
    };
    let edits = [
        Vec::new(),
        edit(0, 900, 0, 0, 1).to_vec(),
        edit(1, 40, 0, 7, 0).to_vec(),
        edit(2, 5_000, 32, 0, 0).to_vec(),
        edit(3, 5_000, 32, 0, 0).to_vec(),
        edit(4, 9, 64, 20, 0).to_vec(),
        edit(5, 30_000, 0, 0, 0).to_vec(),
        // The number of parts, and a part twice.
        [edit(0, 2, 0, 0, 3), edit(3, 3, 2_541, 0, 0)].concat(),
    ];
    let shapes = [
        &[1, 1, 1, 2, 0, 1, 0, 3, 4, 0, 0, 0, 1, 2, 3, 4][..],
        &[1, 1, 2, 2, 0, 1, 0, 3, 1, 0, 0, 0, 1, 2, 0, 1, 0, 1, 1, 0, 0, 0, 1],
        &[1, 2, 2, 1, 2, 0, 1, 0, 3, 1, 0, 0, 0, 1, 1, 2, 0, 1, 0, 1, 1, 0, 0, 0, 1],
        &[1, 3, 0, 2],
    ];
    let single = edits.iter().enumerate().map(|(which, edits)| [&[1, which as u8][..], edits].concat());
    let multi = edits.iter().enumerate().map(|(which, edits)| [&[3, which as u8][..], edits].concat());
    let bytes = shapes.iter().flat_map(|shape| [0, 2].map(|choice| [&[choice, 0][..], shape].concat()));
    let containers = single.chain(multi).chain(bytes).map(|seed| ("containers", seed));
    let proofs = edits.iter().map(|edits| [&[1][..], edits].concat());
    let nothing = [vec![0], vec![0, 1, 2, 3, 4], [&[0][..], &[128; 64]].concat()];
    containers.chain(proofs.chain(nothing).map(|seed| ("stark", seed))).collect()
}
