//! The table of signature schemes, and the containers whose bytes follow from it.

use lathe_types::*;

/// Two validators with keys of as many bytes as `key` gives.
fn validators(key: impl Fn(u8) -> PublicKey) -> Validators {
    let validator = |index: u8| Validator {
        attestation_public_key: key(2 * index + 1),
        proposal_public_key: key(2 * index + 2),
        index: ValidatorIndex(index.into()),
    };
    Validators::new((0..2).map(validator).collect()).unwrap()
}

fn short(byte: u8) -> PublicKey {
    PublicKey::from([byte; 32])
}

fn long(byte: u8) -> PublicKey {
    PublicKey::from([byte; 52])
}

#[test]
fn the_table() {
    let rows = SignatureScheme::ALL
        .map(|scheme| (scheme.name(), scheme.public_key_bytes(), scheme.signature_bytes()));
    let expected = [
        ("leansig", 52, 2536),
        ("xmss-blake2s", 32, 1208),
        ("xmss-blake2s-l3", 32, 1208),
        ("lean-pq", 32, 2404),
    ];
    assert_eq!(rows, expected);
    for scheme in SignatureScheme::ALL {
        assert_eq!(scheme.to_string().parse(), Ok(scheme));
    }
    let error = "leansig2".parse::<SignatureScheme>().unwrap_err();
    let text = "no signature scheme is called \"leansig2\"; there are leansig, xmss-blake2s, xmss-blake2s-l3, lean-pq";
    assert_eq!(error.to_string(), text);
    let by_length = [31, 32, 52, 53].map(SignatureScheme::of_key_bytes);
    assert_eq!(by_length, [None, Some(SignatureScheme::XmssBlake2s), Some(SignatureScheme::Leansig), None]);
}

#[test]
fn a_scheme_admits_what_has_its_lengths() {
    let signature = |len: usize| Signature::from_ssz_bytes(&vec![0; len]).unwrap();
    for (scheme, key, len) in [
        (SignatureScheme::XmssBlake2s, short(1), 1208),
        (SignatureScheme::XmssBlake2sL3, short(1), 1208),
        (SignatureScheme::LeanPq, short(1), 2404),
    ] {
        assert!(scheme.admits_key(&key) && scheme.admits_signature(&signature(len)));
        assert!(!scheme.admits_key(&long(1)) && !scheme.admits_signature(&signature(3612 - len)));
    }
    assert!(SignatureScheme::Leansig.admits_key(&long(1)) && !SignatureScheme::Leansig.admits_key(&short(1)));
    assert!(!SignatureScheme::Leansig.admits_signature(&signature(1208)));
}

#[test]
fn a_short_key_is_its_own_root() {
    assert_eq!(short(7).tree_hash_root(), Root::repeat_byte(7));
    assert_ne!(short(0).tree_hash_root(), long(0).tree_hash_root());
    assert_ne!(short(0), long(0), "a key is not another one with zeros after it");
    assert_eq!(
        (short(7).as_ssz_bytes(), short(7).to_string()),
        (vec![7; 32], format!("0x{}", "07".repeat(32)))
    );
    for len in [0, 31, 33, 51, 53] {
        assert!(PublicKey::from_ssz_bytes(&vec![1; len]).is_err(), "{len} bytes");
    }
}

#[test]
fn a_registry_is_read_by_the_lengths_that_it_has() {
    for (validators, entry) in [(validators(long), 112), (validators(short), 72)] {
        let bytes = validators.as_ssz_bytes();
        assert_eq!(bytes.len(), 2 * entry);
        assert_eq!(decode_registry(&bytes), Ok(validators.clone()));
        assert_eq!(Validator::from_ssz_bytes(&bytes[..entry]).as_ref(), Ok(validators.get(0).unwrap()));
        assert!(decode_registry(&bytes[..bytes.len() - 1]).is_err());
        assert!(decode_registry(&[&bytes[..], &bytes].concat()).is_err(), "indices that start again");
    }
    // 1,008 bytes are nine long entries or fourteen short ones; the positions in them tell.
    let of = |count: u8, key: fn(u8) -> PublicKey| {
        let validator = |index| Validator {
            attestation_public_key: key(0xff),
            proposal_public_key: key(0xfe),
            index: ValidatorIndex(u64::from(index)),
        };
        Validators::new((0..count).map(validator).collect()).unwrap()
    };
    for validators in [of(9, long), of(14, short)] {
        let bytes = validators.as_ssz_bytes();
        assert_eq!((bytes.len(), decode_registry(&bytes)), (1008, Ok(validators)));
    }
}

#[test]
fn a_state_carries_the_registry_of_its_network() {
    let state = |validators| State {
        config: GenesisConfig { genesis_time: 7 },
        slot: Slot(9),
        latest_block_header: BlockHeader::default(),
        latest_justified: Checkpoint::default(),
        latest_finalized: Checkpoint::default(),
        historical_block_hashes: HistoricalBlockHashes::default(),
        justified_slots: JustifiedSlots::with_capacity(0).unwrap(),
        validators,
        justifications_roots: JustificationRoots::default(),
        justifications_validators: JustificationValidators::with_capacity(0).unwrap(),
        latest_execution_payload_header: None,
    };
    let [long, short] = [state(validators(long)), state(validators(short))];
    for state in [&long, &short] {
        let bytes = state.as_ssz_bytes();
        assert_eq!(bytes.len(), state.ssz_bytes_len());
        assert_eq!(State::from_ssz_bytes(&bytes).as_ref(), Ok(state));
    }
    // A genesis of seven validators with short keys is 734 bytes, as other clients write it.
    assert_eq!(short.ssz_bytes_len(), 734 - 5 * 72);
    assert_ne!(short.tree_hash_root(), long.tree_hash_root());
}

#[test]
fn signatures_without_lists_are_any_bytes_of_their_length_and_hash_as_such() {
    for (shape, chunks) in [(SignatureShape::XmssBlake2s, 38), (SignatureShape::LeanPq, 76)] {
        let bytes: Vec<u8> = (0..shape.encoded_len()).map(|i| (i * 7) as u8 | 0x80).collect();
        let signature = Signature::from_ssz_bytes(&bytes).unwrap();
        assert_eq!((signature.shape(), signature.as_bytes()), (shape, &bytes[..]));
        assert_eq!(signature.tree_hash_root(), tree_hash::merkle_root(&bytes, chunks));
        let vote = [vec![0; 136], bytes].concat();
        assert_eq!(SignedAttestation::from_ssz_bytes(&vote).unwrap().as_ssz_bytes(), vote);
    }
}
