//! Making networks and keys.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use lathe_leansig::{Prod, SecretKey, verify};
use lathe_types::{KeyRole, Root};

use super::Files;
use crate::files::{Access, create};
use crate::{
    ConfigError, Environment, KEYS_DIR, KeyFormat, KeyPlan, MANIFEST_FILE, Manifest, NetworkDirectory,
    NetworkPaths, NetworkPlan, create_network, generate_keys, is_network,
};

fn make(dir: &Path, plan: &NetworkPlan) -> Result<crate::CreatedNetwork, ConfigError> {
    let environment = Environment {
        node_record: &|key, ip, port| Ok(format!("enr:{}-{ip}-{port}", key.to_hex().len())),
        fork_digest: &|genesis| Some(format!("0000000{}", genesis.validators.len())),
        genesis_time: &|| 1_800_000_000,
        key_maker: None,
        progress: &|_, _| {},
        unfinished: &|_| {},
    };
    create_network(dir, plan, &environment)
}

fn small() -> NetworkPlan {
    let execution_genesis = Some(Root::repeat_byte(7));
    NetworkPlan { nodes: 3, validators: 4, slots: 3, execution_genesis, ..NetworkPlan::default() }
}

#[test]
fn a_new_network_reads_back() {
    let files = Files::new(&[("notes.txt", "kept")]);
    let created = make(&files.path("."), &small()).unwrap();
    assert_eq!(created.genesis_time, 1_800_000_000);
    assert!(is_network(&files.path(".")));
    assert_eq!(fs::read_to_string(files.path("notes.txt")).unwrap(), "kept");
    for (at, node) in created.nodes.iter().enumerate() {
        let paths = NetworkPaths::in_directory(&files.path("."), &node.name);
        let network = NetworkDirectory::read(&paths, &node.name).unwrap();
        assert_eq!(network.config.genesis_time, 1_800_000_000);
        assert_eq!(network.config.fork_digest(), "00000004");
        assert_eq!(network.config.execution_genesis, Some(Root::repeat_byte(7)));
        assert_eq!(network.config.validators.len(), 4);
        assert_eq!(network.nodes[at], format!("enr:64-127.0.0.1-{}", 9001 + at));
        let validators: Vec<u64> = network.duties.validators().iter().map(|index| index.0).collect();
        assert_eq!(validators, node.validators);
        for key in &network.duties.keys {
            let mut secret = SecretKey::<Prod>::decode(&fs::read(&key.path).unwrap()).unwrap();
            assert_eq!(secret.public_key().encode()[..], *key.public_key.as_bytes());
            assert_eq!(secret.slots(), 0..3);
            let signature = secret.sign_with_build(2, &[1; 32]).unwrap();
            assert!(verify(&secret.public_key(), 2, &[1; 32], &signature));
        }
        let entry = network.validator_config.node(&node.name).unwrap();
        assert_eq!(entry.private_key.as_ref().unwrap().secret(), network.node_key.secret());
        assert_eq!((entry.quic, entry.api_port), (Some(node.quic_port), Some(node.api_port)));
        assert_eq!((entry.metrics_port, entry.is_aggregator), (Some(node.metrics_port), node.is_aggregator));
        // The plain list says the same as the annotated one.
        let plain = NetworkPaths { validators: Some(files.path("validators.yaml")), ..paths };
        assert_eq!(NetworkDirectory::read(&plain, &node.name).unwrap().duties, network.duties);
    }
    let manifest = Manifest::read(&files.path(KEYS_DIR).join(MANIFEST_FILE)).unwrap();
    assert_eq!((manifest.slots, manifest.validators.len()), (Some(0..3), 4));
    assert!(!leftovers(&files.path(".")));
}

#[test]
#[cfg(unix)]
fn secrets_are_for_the_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let files = Files::new(&[]);
    make(&files.path("net"), &small()).unwrap();
    let mode = |name: &str| fs::metadata(files.path("net").join(name)).unwrap().permissions().mode() & 0o777;
    for secret in ["lathe_0.key", "validator-config.yaml", "hash-sig-keys/validator_0_attester_key_sk.ssz"] {
        assert_eq!(mode(secret), 0o600, "{secret}");
    }
    assert_eq!(mode("config.yaml") & 0o400, 0o400);
}

#[test]
fn two_networks_never_share_a_key() {
    let files = Files::new(&[]);
    make(&files.path("one"), &small()).unwrap();
    make(&files.path("two"), &small()).unwrap();
    let read = |network: &str, file: &str| fs::read(files.path(network).join(file)).unwrap();
    for file in ["lathe_0.key", "hash-sig-keys/validator_0_attester_key_pk.ssz"] {
        assert_ne!(read("one", file), read("two", file));
    }
    let pair = ["attester", "proposer"]
        .map(|role| read("one", &format!("hash-sig-keys/validator_0_{role}_key_pk.ssz")));
    assert_ne!(pair[0], pair[1]);
}

#[test]
fn nothing_is_overwritten() {
    let files = Files::new(&[]);
    make(&files.path("."), &small()).unwrap();
    let before = fs::read(files.path("config.yaml")).unwrap();
    let error = make(&files.path("."), &small()).unwrap_err().to_string();
    assert!(
        error
            .contains("config.yaml: already exists and is never overwritten; this directory holds a network")
    );
    assert_eq!(fs::read(files.path("config.yaml")).unwrap(), before);

    for name in ["nodes.yaml", "lathe_2.key", KEYS_DIR] {
        let files = Files::new(&[]);
        fs::write(files.path(name), "mine").unwrap();
        let error = make(&files.path("."), &small()).unwrap_err().to_string();
        assert!(error.contains(&format!("{name}: already exists")), "{error}");
        assert_eq!(fs::read_to_string(files.path(name)).unwrap(), "mine");
        assert!(!is_network(&files.path(".")));
    }
}

#[test]
fn a_file_is_written_once() {
    let files = Files::new(&[("there", "mine")]);
    let error = create(&files.path("there"), b"yours", Access::Everybody).unwrap_err();
    assert!(matches!(error, ConfigError::Exists { .. }));
    assert_eq!(fs::read_to_string(files.path("there")).unwrap(), "mine");
}

#[test]
fn a_failure_leaves_nothing_behind() {
    let files = Files::new(&[]);
    let told = std::cell::RefCell::new(Vec::new());
    let environment = Environment {
        node_record: &|_, _, _| Err("no record today".into()),
        fork_digest: &|_| None,
        genesis_time: &|| 0,
        key_maker: None,
        progress: &|_, _| {},
        unfinished: &|dir| told.borrow_mut().push(dir.map(|dir| (dir.to_owned(), dir.is_dir()))),
    };
    let error = create_network(&files.path("."), &small(), &environment).unwrap_err().to_string();
    assert_eq!(error, "node record of lathe_0: no record today");
    assert_eq!(fs::read_dir(files.path(".")).unwrap().count(), 0);
    // Whoever must end the process meanwhile knew what to remove.
    let told = told.into_inner();
    let [Some((dir, true)), None] = &told[..] else { panic!("{told:?}") };
    assert_eq!(dir.parent(), Some(&*files.path(".")));
}

#[test]
fn plans_that_cannot_work_are_refused() {
    let says = |plan: NetworkPlan, expected: &str| {
        let files = Files::new(&[]);
        assert_eq!(make(&files.path("."), &plan).unwrap_err().to_string(), expected);
    };
    let plan = NetworkPlan::default;
    says(NetworkPlan { nodes: 0, ..plan() }, "--nodes: 0, but must be between 1 and 1024");
    says(NetworkPlan { validators: 0, ..plan() }, "--validators: 0, but must be between 1 and 4096");
    says(NetworkPlan { validators: 4097, ..plan() }, "--validators: 4097, but must be between 1 and 4096");
    says(NetworkPlan { slots: 0, ..plan() }, "--slots: 0, but must be between 1 and 4294967296");
    says(NetworkPlan { subnets: 5, ..plan() }, "--subnets: 5, but must be between 1 and the 4 validators");
    says(
        NetworkPlan { quic_port: 65533, ..plan() },
        "--base-port: 65533, but 4 consecutive ports from it must exist",
    );
    says(
        NetworkPlan { metrics_port: 5054, ..plan() },
        "api port: 4 nodes from 5051 on would run into the metrics ports from 5054 on",
    );
    assert!(NetworkPlan { quic_port: 65532, metrics_port: 5055, ..plan() }.check().is_ok());
}

#[test]
fn aggregators_cover_every_subnet() {
    let aggregators = |nodes, validators, subnets, aggregators| {
        let plan = NetworkPlan { nodes, validators, subnets, aggregators, ..NetworkPlan::default() };
        let nodes = plan.planned_nodes();
        nodes.iter().enumerate().filter(|(_, node)| node.is_aggregator).map(|(at, _)| at).collect::<Vec<_>>()
    };
    assert_eq!(aggregators(4, 4, 1, 2), [0, 1]);
    assert_eq!(aggregators(1, 4, 1, 2), [0]);
    assert_eq!(aggregators(4, 4, 1, 0), [0; 0]);
    assert_eq!(aggregators(4, 4, 2, 2), [0, 1, 2, 3]);
    assert_eq!(aggregators(4, 4, 2, 1), [0, 1]);
    // With three nodes and two subnets every node serves both, so two are enough.
    assert_eq!(aggregators(3, 12, 2, 2), [0, 1]);
    // Nodes without validators serve no subnet.
    assert_eq!(aggregators(4, 1, 1, 2), [0]);
}

#[test]
fn keys_appear_complete_or_not_at_all() {
    let files = Files::new(&[]);
    let plan = KeyPlan { validators: 2, slots: 5, format: KeyFormat::Lathe, scheme: Default::default() };
    let (highest, total) = (AtomicU64::new(0), AtomicU64::new(0));
    let progress = |done, of| {
        highest.fetch_max(done, Ordering::Relaxed);
        total.store(of, Ordering::Relaxed);
    };
    let manifest = generate_keys(&files.path("."), &plan, None, &progress).unwrap();
    assert_eq!((highest.load(Ordering::Relaxed), total.load(Ordering::Relaxed)), (20, 20));
    let keys = files.path(KEYS_DIR);
    assert_eq!(Manifest::read(&keys.join(MANIFEST_FILE)).unwrap(), manifest);
    assert_eq!(fs::read_dir(&keys).unwrap().count(), 9);
    for entry in &manifest.validators {
        let file = manifest.secret_key_file(entry.index, KeyRole::Proposal).unwrap();
        let secret = SecretKey::<Prod>::decode(&fs::read(keys.join(file)).unwrap()).unwrap();
        assert_eq!(secret.public_key().encode()[..], *entry.proposal.as_bytes());
    }
    let error = generate_keys(&files.path("."), &plan, None, &progress).unwrap_err().to_string();
    assert!(error.contains("keys that signed once must never be replaced"), "{error}");
    assert!(!leftovers(&files.path(".")));
}

#[test]
fn short_keys_do_not_fit_the_other_format() {
    let files = Files::new(&[]);
    for slots in [64, 65_536, 131_073] {
        let plan = KeyPlan { validators: 1, slots, format: KeyFormat::Leansig, scheme: Default::default() };
        let error = generate_keys(&files.path("."), &plan, None, &|_, _| {}).unwrap_err().to_string();
        let expected = format!(
            "--slots: {slots}, but leanSig's format only holds multiples of 65536 slots, 131072 at least; leave \
             --format away"
        );
        assert_eq!(error, expected);
    }
    assert!(
        KeyPlan { validators: 1, slots: 131_072, format: KeyFormat::Leansig, scheme: Default::default() }
            .check()
            .is_ok()
    );
}

fn leftovers(dir: &Path) -> bool {
    fs::read_dir(dir).unwrap().any(|entry| entry.unwrap().file_name().to_string_lossy().starts_with('.'))
}
