//! Tolerance where tools differ, one clear line where something is wrong.

use lathe_types::{ChainVariant, KeyRole, PublicKey, Root, SignatureScheme, ValidatorIndex};

use super::{Files, config, key};
use crate::{
    Duties, KEYS_DIR, Manifest, NetworkConfig, NetworkPaths, NodeKey, ValidatorConfig, committee_count,
    read_nodes,
};

fn public_key(digit: char) -> PublicKey {
    <[u8; PublicKey::LEN]>::try_from(hex::decode(key(digit)).unwrap()).unwrap().into()
}

fn read_config(text: &str) -> Result<NetworkConfig, String> {
    let files = Files::new(&[("config.yaml", text)]);
    NetworkConfig::read(&files.path("config.yaml")).map_err(|error| {
        // The directory differs from run to run.
        error.to_string().replace(files.path("").to_str().unwrap(), "")
    })
}

#[test]
fn keys_are_read_however_they_are_written() {
    let plain = read_config(&config(&[('0', '1')])).unwrap();
    assert_eq!(plain.validators[0].attestation, public_key('0'));
    assert_eq!(plain.validators[0].proposal, public_key('1'));
    let variants = [
        ("attestation_pubkey", "proposal_pubkey", "", ""),
        ("attestation_pubkey", "proposal_pubkey", "0x", ""),
        ("attestation_pubkey", "proposal_pubkey", "\"0x", "\""),
        ("attestation_public_key", "proposal_public_key", "'", "'"),
        ("attestationPubkey", "proposalPubkey", "0X", ""),
        ("attestationPublicKey", "proposalPublicKey", "\"", "\""),
    ];
    for (attestation, proposal, open, close) in variants {
        let text = format!(
            "GENESIS_TIME: '1700000000'\nUNKNOWN: [1, 2]\nMAX_ATTESTATIONS_DATA: 16\nGENESIS_VALIDATORS:\n  - \
             {attestation}: {open}{}{close}\n    extra: 1\n    {proposal}: {open}{}{close}\n",
            key('0'),
            key('1')
        );
        let mut read = read_config(&text).unwrap();
        assert_eq!(read.warnings.len(), 1, "{:?}", read.warnings);
        assert!(read.warnings[0].ends_with("config.yaml: `UNKNOWN` is not a name that is known here"));
        read.warnings.clear();
        assert_eq!(read, plain, "{attestation} {open}");
    }
}

#[test]
fn the_signature_scheme_is_what_the_file_says_or_the_keys_tell() {
    let long = config(&[('0', '1')]);
    let short = format!(
        "GENESIS_TIME: 1700000000\nGENESIS_VALIDATORS:\n  - attestation_pubkey: \"{}\"\n    proposal_pubkey: {}\n",
        "11".repeat(32),
        "0x".to_owned() + &"22".repeat(32)
    );
    let scheme = |text: &str| read_config(text).map(|config| config.signature_scheme);
    assert_eq!(scheme(&long), Ok(SignatureScheme::Leansig));
    assert_eq!(scheme(&short), Ok(SignatureScheme::XmssBlake2s));
    for named in SignatureScheme::ALL {
        let keys = if named == SignatureScheme::Leansig { &long } else { &short };
        let text = format!("{keys}SIGNATURE_SCHEME: {named}\n");
        assert_eq!(scheme(&text), Ok(named));
        assert_eq!(read_config(&text).unwrap().genesis().signature_scheme, named);
    }
    assert_eq!(
        scheme(&format!("{long}SIGNATURE_SCHEME: xmss-blake2s\n")).unwrap_err(),
        "config.yaml: GENESIS_VALIDATORS[0].attestation_pubkey: a key of 52 bytes; keys of xmss-blake2s have 32"
    );
    assert_eq!(
        scheme(&format!("{short}SIGNATURE_SCHEME: leansig\n")).unwrap_err(),
        "config.yaml: GENESIS_VALIDATORS[0].attestation_pubkey: a key of 32 bytes; keys of leansig have 52"
    );
    let mixed = short.replace(&"22".repeat(32), &key('1'));
    assert_eq!(
        scheme(&mixed).unwrap_err(),
        "config.yaml: GENESIS_VALIDATORS[0].proposal_pubkey: a key of 52 bytes; keys of xmss-blake2s have 32"
    );
    assert!(
        scheme(&format!("{long}SIGNATURE_SCHEME: bls\n"))
            .unwrap_err()
            .contains("no signature scheme is called")
    );
}

#[test]
fn a_config_that_contradicts_itself_is_refused() {
    let plain = config(&[('0', '1'), ('2', '3')]);
    assert!(read_config(&format!("{plain}VALIDATOR_COUNT: 2\n")).unwrap().warnings.is_empty());
    assert_eq!(
        read_config(&format!("{plain}VALIDATOR_COUNT: 9\n")).unwrap_err(),
        "config.yaml: VALIDATOR_COUNT: 9, but GENESIS_VALIDATORS lists 2; this would be another network than the one \
         that was meant: take the file from its source again"
    );
    assert_eq!(
        read_config(&format!("{plain}VALIDATOR_COUNT: many\n")).unwrap_err(),
        "config.yaml: VALIDATOR_COUNT: `many` is not a number; write a whole number"
    );
}

#[test]
fn implausible_genesis_times_are_refused() {
    let at = |time: &str| read_config(&config(&[('0', '1')]).replace("1700000000", time));
    assert_eq!(
        at("1700000000000").unwrap_err(),
        "config.yaml: GENESIS_TIME: 1700000000000 is no time between the years 2020 and 2100; this is in milliseconds: \
         write 1700000000"
    );
    for time in ["0", "1577836799", "4102444801", "18446744073709551615"] {
        assert_eq!(
            at(time).unwrap_err(),
            format!(
                "config.yaml: GENESIS_TIME: {time} is no time between the years 2020 and 2100; write the Unix time of \
                 slot 0 in seconds"
            )
        );
    }
    for time in ["1577836800", "4102444800"] {
        assert_eq!(at(time).unwrap().genesis_time.to_string(), time);
    }
}

#[test]
fn what_looks_wrong_in_a_config_is_warned_of() {
    let warnings = |text: &str| -> Vec<String> {
        let warnings = read_config(text).unwrap().warnings.into_iter();
        warnings.map(|warning| warning.rsplit('/').next().unwrap().to_owned()).collect()
    };
    let plain = config(&[('0', '1'), ('2', '3')]);
    assert_eq!(warnings(&plain), [""; 0]);
    assert_eq!(
        warnings(&format!("{plain}FORK_DIGST: cafecafe\nnotes: mine\n")),
        [
            "config.yaml: `FORK_DIGST` is not a name that is known here; is FORK_DIGEST meant?",
            "config.yaml: `notes` is not a name that is known here",
        ]
    );
    assert_eq!(
        warnings(&format!("{plain}ATTESTATION_COMMITTEE_COUNT: 3\n")),
        ["config.yaml: ATTESTATION_COMMITTEE_COUNT: only 2 validators, so some have none"]
    );
    assert_eq!(
        warnings(&config(&[('0', '1'), ('1', '3')])),
        [
            "config.yaml: validators 0 and 1 use one key in two places; their signatures of one slot would contradict \
             each other"
        ]
    );
    // A name that stands twice has no meaning.
    assert!(read_config(&format!("{plain}NOTE: 1\nNOTE: 2\n")).unwrap_err().contains("stands twice"));
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_file() {
    let files = Files::new(&[
        ("nodes.yaml", "\u{feff}- enr:one\n"),
        ("a.key", &format!("\u{feff}{}", "11".repeat(32))),
    ]);
    assert_eq!(read_nodes(&files.path("nodes.yaml")).unwrap(), ["enr:one"]);
    assert_eq!(NodeKey::read(&files.path("a.key")).unwrap().secret(), &[0x11; 32]);
    assert!(read_config(&format!("\u{feff}{}", config(&[('0', '1')]))).is_ok());
}

#[test]
#[cfg(unix)]
fn a_link_that_leads_nowhere_is_a_file_that_is_missing() {
    let files = Files::new(&[]);
    let path = files.path("annotated_validators.yaml");
    std::os::unix::fs::symlink(files.path("nowhere"), &path).unwrap();
    let paths = NetworkPaths::in_directory(&files.path("."), "lathe_0");
    assert_eq!(paths.validators.as_deref().and_then(std::path::Path::file_name), path.file_name());
    assert_eq!(paths.nodes, None);
}

#[test]
fn genesis_follows_the_order_of_the_file() {
    let genesis = read_config(&config(&[('3', '4'), ('5', '6')])).unwrap().genesis();
    assert_eq!(genesis.genesis_time, 1_700_000_000);
    let second = genesis.validators.get(1).unwrap();
    assert_eq!(second.index, ValidatorIndex(1));
    assert_eq!(second.attestation_public_key, public_key('5'));
    assert_eq!(second.proposal_public_key, public_key('6'));
    assert_eq!(genesis.validators.len(), 2);
}

#[test]
fn a_paired_network_names_its_execution_layer_and_has_a_digest_of_its_own() {
    let plain = config(&[('0', '1')]);
    let genesis = read_config(&plain).unwrap().genesis();
    assert_eq!((genesis.variant(), genesis.execution_genesis), (ChainVariant::Plain, None));

    let hash = "ab".repeat(32);
    let paired = format!("{plain}EXECUTION_GENESIS_BLOCK_HASH: \"0x{hash}\"\n");
    let genesis = read_config(&format!("{paired}FORK_DIGEST: cafecafe\n")).unwrap().genesis();
    assert_eq!(genesis.variant(), ChainVariant::ExecutionPaired);
    assert_eq!(genesis.execution_genesis, Some(Root::repeat_byte(0xab)));

    for digest in ["", "FORK_DIGEST: \"12345678\"\n"] {
        assert_eq!(
            read_config(&format!("{paired}{digest}")).unwrap_err(),
            "config.yaml: EXECUTION_GENESIS_BLOCK_HASH: given, but FORK_DIGEST is 12345678 or missing; a paired network \
             needs a digest of its own; let `lathe genesis --execution-genesis-block-hash` make it"
        );
    }
    let short = format!("{plain}FORK_DIGEST: cafecafe\nEXECUTION_GENESIS_BLOCK_HASH: 12\n");
    assert_eq!(
        read_config(&short).unwrap_err(),
        "config.yaml: EXECUTION_GENESIS_BLOCK_HASH: has 2 characters; write 64 hex digits, with or without 0x"
    );
}

#[test]
fn a_broken_config_is_explained() {
    let says = |text: &str, expected: &str| assert_eq!(read_config(text).unwrap_err(), expected);
    says(
        "GENESIS_VALIDATORS: []",
        "config.yaml: GENESIS_TIME: missing; write the Unix time of slot 0 in seconds",
    );
    says(
        &config(&[('0', '1')]).replace("1700000000", "soon"),
        "config.yaml: GENESIS_TIME: `soon` is not a number; write a whole number",
    );
    says(
        "GENESIS_TIME: 1700000000",
        "config.yaml: GENESIS_VALIDATORS: missing or empty; a network needs at least one validator",
    );
    says(
        "GENESIS_TIME: 1700000000\nGENESIS_VALIDATORS:\n  - attestation_pubkey: 12\n",
        "config.yaml: GENESIS_VALIDATORS[0].attestation_pubkey: has 2 characters; write 104 hex digits, with or without \
         0x",
    );
    says(
        &config(&[('0', '1')]).replace("02e4", "0ze4"),
        "config.yaml: GENESIS_VALIDATORS[0].attestation_pubkey: is not hex; write 104 hex digits, with or without 0x",
    );
    says(
        &config(&[('0', '1')]).replace(&key('1'), &"f".repeat(104)),
        "config.yaml: GENESIS_VALIDATORS[0].proposal_pubkey: public key holds a limb that is not below the field \
         modulus; take the public key from the key generator again",
    );
    says(
        &format!("{}\nATTESTATION_COMMITTEE_COUNT: 0", config(&[('0', '1')])),
        "config.yaml: ATTESTATION_COMMITTEE_COUNT: 0 committees; write a number between 1 and 4096",
    );
    says(
        &format!("{}\nFORK_DIGEST: devnet0", config(&[('0', '1')])),
        "config.yaml: FORK_DIGEST: has 7 characters; write 8 hex digits, with or without 0x",
    );
    let yaml = read_config("{").unwrap_err();
    assert!(yaml.starts_with("config.yaml: not the YAML that is expected here: "), "{yaml}");
    let files = Files::new(&[]);
    let missing = NetworkConfig::read(&files.path("config.yaml")).unwrap_err().to_string();
    assert!(missing.contains("config.yaml: cannot be read (No such file"), "{missing}");
    assert!(missing.ends_with("as `lathe genesis` or lean-quickstart writes it"), "{missing}");
}

#[test]
fn files_are_bounded() {
    let files = Files::new(&[
        ("big", &" ".repeat(1025)),
        ("full", &format!("{}{}", "ab".repeat(32), " ".repeat(960))),
    ]);
    let error = NodeKey::read(&files.path("big")).unwrap_err().to_string();
    assert!(error.contains("larger than 1024 bytes"), "{error}");
    assert_eq!(NodeKey::read(&files.path("full")).unwrap().secret(), &[0xab; 32]);
}

#[test]
fn the_registry_has_a_limit() {
    let config = |count: usize| config(&vec![('0', '1'); count]);
    assert!(read_config(&config(4096)).is_ok());
    let error = read_config(&config(4097)).unwrap_err();
    assert_eq!(error, "config.yaml: GENESIS_VALIDATORS: 4097 validators; at most 4096 are allowed");
}

#[test]
fn the_committee_count_has_an_order_of_precedence() {
    let mut config = read_config(&config(&[('0', '1')])).unwrap();
    assert_eq!(committee_count(None, &config, None), 1);
    assert_eq!(committee_count(None, &config, Some(2)), 2);
    config.attestation_committee_count = Some(3);
    assert_eq!(committee_count(None, &config, Some(2)), 3);
    assert_eq!(committee_count(Some(4), &config, Some(2)), 4);
}

#[test]
fn node_keys_are_read_with_and_without_ornaments() {
    let digits = "0f".repeat(32);
    for text in [digits.clone(), format!("{digits}\n"), format!("0x{digits}\r\n"), format!("\"{digits}\"")] {
        let files = Files::new(&[("a.key", &text)]);
        let key = NodeKey::read(&files.path("a.key")).unwrap();
        assert_eq!(key.secret(), &[0x0f; 32]);
        assert_eq!(format!("{key:?}"), "NodeKey(secret)");
    }
    let files = Files::new(&[("a.key", "0f0f")]);
    let error = NodeKey::read(&files.path("a.key")).unwrap_err().to_string();
    assert!(
        error.ends_with("a.key: node key: has 4 characters; write 64 hex digits, with or without 0x"),
        "{error}"
    );
    let files = Files::new(&[("a.key", &"zf".repeat(32))]);
    let error = NodeKey::read(&files.path("a.key")).unwrap_err().to_string();
    assert!(!error.contains("zfzf"), "an error never repeats a secret: {error}");
}

#[test]
fn node_lists_may_be_empty() {
    let read = |text: &str| {
        let files = Files::new(&[("nodes.yaml", text)]);
        read_nodes(&files.path("nodes.yaml")).map_err(|error| error.to_string())
    };
    assert_eq!(read("[]"), Ok(vec![]));
    assert_eq!(read(""), Ok(vec![]));
    assert_eq!(read("- enr:-abc\n- \"enr:-def\"\n"), Ok(vec!["enr:-abc".into(), "enr:-def".into()]));
    assert_eq!(read("- ''"), Ok(vec![String::new()]));
    assert!(read("a: b").unwrap_err().contains("it should be a list of `- enr:...` lines"));
}

fn duties(file: &str, text: &str, node: &str) -> Result<Duties, String> {
    let files = Files::new(&[("config.yaml", &config(&[('0', '1'), ('2', '3')])), (file, text)]);
    let config = NetworkConfig::read(&files.path("config.yaml")).unwrap();
    let mut duties =
        Duties::read(&files.path(file), &files.path(KEYS_DIR), node, &config).map_err(|error| {
            let text = error.to_string();
            text.replace(files.path("").to_str().unwrap(), "")
        })?;
    for key in &mut duties.keys {
        key.path = key.path.strip_prefix(files.path(KEYS_DIR)).unwrap().into();
    }
    Ok(duties)
}

#[test]
fn duties_are_read_from_both_forms() {
    let rows = format!(
        "a_0:\n  - index: 1\n    pubkey_hex: {}\n    privkey_file: validator_1_proposer_key_sk.ssz\n  - index: 1\n    \
         privkey_file: validator_1_attester_key_sk.ssz\n    pubkey_hex: 0x{}\na_1: []\na_2:\n",
        key('3'),
        key('2')
    );
    let annotated = duties("annotated_validators.yaml", &rows, "a_0").unwrap();
    assert_eq!(annotated.validators(), [ValidatorIndex(1)]);
    let found: Vec<_> =
        annotated.keys.iter().map(|key| (key.role, key.path.to_str().unwrap(), key.public_key)).collect();
    let expected = [
        (KeyRole::Attestation, "validator_1_attester_key_sk.ssz", public_key('2')),
        (KeyRole::Proposal, "validator_1_proposer_key_sk.ssz", public_key('3')),
    ];
    assert_eq!(found, expected);
    let plain = duties("validators.yaml", "a_0: [1]\n", "a_0").unwrap();
    assert_eq!(plain, annotated);
    let wrapped =
        duties("validators.yaml", "shuffle: none\nvalidators:\n  a_0:\n    - '1'\n", "a_0").unwrap();
    assert_eq!(wrapped, annotated);
    let indented =
        format!("validators:\n{}", rows.lines().map(|line| format!("  {line}\n")).collect::<String>());
    assert_eq!(duties("annotated_validators.yaml", &indented, "a_0").unwrap(), annotated);
    let proposal = rows.replace("attester", "attestation").replace("proposer", "proposal");
    assert_eq!(
        duties("annotated_validators.yaml", &proposal, "a_0").unwrap().validators(),
        [ValidatorIndex(1)]
    );

    let observer = Duties { is_listed: true, keys: vec![] };
    assert_eq!(duties("annotated_validators.yaml", &rows, "a_1").unwrap(), observer);
    assert_eq!(duties("annotated_validators.yaml", &rows, "a_2").unwrap(), observer);
    assert_eq!(duties("annotated_validators.yaml", &rows, "a_3").unwrap(), Duties::default());
    assert_eq!(duties("validators.yaml", "", "a_0").unwrap(), Duties::default());
    assert_eq!(duties("validators.yaml", "validators:", "a_0").unwrap(), Duties::default());
}

#[test]
fn broken_duties_are_explained() {
    let says = |rows: &str, expected: &str| {
        assert_eq!(duties("v.yaml", &format!("a_0:\n{rows}"), "a_0").unwrap_err(), expected);
    };
    let attester = "  - index: 0\n    privkey_file: validator_0_attester_key_sk.ssz\n";
    says(
        attester,
        "v.yaml: a_0: validator 0 has no proposer key; every validator needs two rows, one per key",
    );
    says(
        &attester.repeat(2),
        "v.yaml: a_0[1]: a second attester key for validator 0; remove one of the rows",
    );
    says(
        "  - index: 0\n    privkey_file: key.ssz\n",
        "v.yaml: a_0[0].privkey_file: `key.ssz` tells neither attester nor proposer; name it like \
         validator_0_attester_key_sk.ssz",
    );
    says("  - index: 0\n", "v.yaml: a_0[0].privkey_file: missing; name the secret key file of the row");
    says(
        &attester.replace("index: 0", "index: 2"),
        "v.yaml: a_0[0].index: there is no validator 2 among the 2 in config.yaml; use the files of one and the same \
         genesis",
    );
    says(
        &attester.replace("index: 0", "index: 4096"),
        "v.yaml: a_0[0].index: no validator can have index 4096; indices go up to 4095",
    );
    says(
        &format!("{attester}    pubkey_hex: {}\n", key('1')),
        "v.yaml: a_0[0].pubkey_hex: not the attester key of validator 0 in config.yaml; use the files of one and the \
         same genesis",
    );
    let twice = duties("v.yaml", "a_0: []\na_0: []\n", "a_0").unwrap_err();
    assert!(twice.contains("`a_0` stands twice"), "{twice}");
    let shape = duties("v.yaml", "[1, 2]", "a_0").unwrap_err();
    assert!(shape.contains("it should map node names to lists of validators"), "{shape}");
}

#[test]
fn validator_config_is_read_with_its_variants() {
    let text = format!(
        "shuffle: roundrobin\ndeployment_mode: local\nconfig:\n  activeEpoch: 18\n  keyType: hash-sig\n  \
         attestation_committee_count: 2\nvalidators:\n  - name: zeam_0\n    privkey: {digits}\n    enrFields:\n      \
         ip: 127.0.0.1\n      quic: 9001\n    metricsPort: 8081\n    apiPort: 5051\n    httpPort: 5999\n    \
         isAggregator: true\n    count: 1\n  - name: ream_0\n    privkey: 0x{digits}\n    enrFields: {{udp: '9002'}}\n    \
         httpPort: 5052\n    is_aggregator: false\n    subnet: 1\n    devnet: x\n  - name: bare\n",
        digits = "ab".repeat(32)
    );
    let files = Files::new(&[("validator-config.yaml", &text)]);
    let config = ValidatorConfig::read(&files.path("validator-config.yaml")).unwrap();
    assert_eq!(config.attestation_committee_count, Some(2));
    let zeam = config.node("zeam_0").unwrap();
    assert_eq!((zeam.quic, zeam.metrics_port, zeam.api_port), (Some(9001), Some(8081), Some(5051)));
    assert!(zeam.is_aggregator);
    assert_eq!(zeam.private_key.as_ref().unwrap().secret(), &[0xab; 32]);
    let ream = config.node("ream_0").unwrap();
    assert_eq!((ream.quic, ream.metrics_port, ream.api_port), (Some(9002), None, Some(5052)));
    assert_eq!((ream.is_aggregator, ream.subnet, ream.count), (false, Some(1), None));
    assert!(config.node("bare").is_some());
    assert!(config.node("absent").is_none());

    let says = |text: &str, expected: &str| {
        let files = Files::new(&[("c.yaml", text)]);
        let error = ValidatorConfig::read(&files.path("c.yaml")).unwrap_err().to_string();
        assert!(error.ends_with(expected), "{error}");
    };
    says(
        "validators:\n  - count: 1\n",
        "c.yaml: validators[0].name: missing; every node has a name such as lathe_0",
    );
    says(
        "validators:\n  - name: a\n    apiPort: 70000\n",
        "c.yaml: validators[0].apiPort: not a port; write a number between 1 and 65535",
    );
    says(
        "validators:\n  - name: a\n    isAggregator: 2\n",
        "c.yaml: validators[0].isAggregator: `2` is neither true nor false; write true or false",
    );
}

#[test]
fn manifests_of_other_generators_are_read() {
    let text = format!(
        "key_scheme: x\nnum_active_epochs: 262144\nvalidators:\n  - index: 1\n    attestation_public_key_hex: 0x{}\n    \
         proposal_public_key_hex: 0x{}\n    attestation_private_key_file: a.ssz\n    proposal_private_key_file: p.ssz\n",
        key('2'),
        key('3')
    );
    let files = Files::new(&[("m.yaml", &text)]);
    let manifest = Manifest::read(&files.path("m.yaml")).unwrap();
    assert_eq!(manifest.slots, Some(0..262_144));
    assert_eq!(manifest.secret_key_file(ValidatorIndex(1), KeyRole::Attestation), Some("a.ssz"));
    assert_eq!(manifest.secret_key_file(ValidatorIndex(1), KeyRole::Proposal), Some("p.ssz"));
    assert_eq!(manifest.secret_key_file(ValidatorIndex(0), KeyRole::Proposal), None);
}

#[test]
fn a_key_that_serves_twice_is_refused() {
    let says = |config_keys: &[(char, char)], rows: &str, expected: &str| {
        let files = Files::new(&[("config.yaml", &config(config_keys)), ("a.yaml", rows)]);
        let config = NetworkConfig::read(&files.path("config.yaml")).unwrap();
        let error = Duties::read(&files.path("a.yaml"), &files.path(KEYS_DIR), "a", &config).unwrap_err();
        let text = error.to_string().replace(files.path("").to_str().unwrap(), "");
        assert!(text.contains(expected), "{text}");
        assert!(text.ends_with("generate a key for each role of each validator"), "{text}");
    };
    // In both roles of one validator, and in one role of two.
    says(
        &[('0', '0')],
        "a: [0]",
        "serves twice, as the attester of validator 0 and as the proposer of validator 0",
    );
    says(
        &[('0', '1'), ('0', '2')],
        "a: [0, 1]",
        "serves twice, as the attester of validator 0 and as the attester of validator 1",
    );
    let row = |index: u8, file: &str| format!("  - index: {index}\n    privkey_file: {file}\n");
    let rows = ["v0_attester_sk", "v0_proposer_sk"].map(|file| row(0, file)).concat()
        + &["v0_attester_sk", "v1_proposer_sk"].map(|file| row(1, file)).concat();
    says(
        &[('0', '1'), ('2', '3')],
        &format!("a:\n{rows}"),
        "the file hash-sig-keys/v0_attester_sk serves twice",
    );
}

#[test]
fn a_manifest_with_one_key_in_both_roles_is_refused() {
    let manifest = |proposal: char| {
        let text = format!(
            "validators:\n  - index: 0\n    attester_key_pubkey_hex: {}\n    proposer_key_pubkey_hex: {}\n",
            key('0'),
            key(proposal)
        );
        let files = Files::new(&[("manifest", &text)]);
        Manifest::read(&files.path("manifest")).map_err(|error| error.to_string())
    };
    assert_eq!(manifest('1').unwrap().validators.len(), 1);
    let error = manifest('0').unwrap_err();
    assert!(
        error.contains("validators[0].proposer_key_pubkey_hex: validator 0 has one key in both roles"),
        "{error}"
    );
}
