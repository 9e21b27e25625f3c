//! Common mistakes, and what Lathe says to each: the file or the option, what is wrong with it, and what to do.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

use std::fs;
use std::path::Path;
use std::process::Command;

/// What is done to a good network directory.
enum Spoil {
    Nothing,
    Remove(&'static str),
    Write(&'static str, &'static str),
    /// In a file, the first of these becomes the second.
    Replace(&'static str, &'static str, &'static str),
    /// A line that begins so is replaced.
    Line(&'static str, &'static str, &'static str),
    /// A file takes the place of another.
    Copy(&'static str, &'static str),
}
use Spoil::{Copy, Line, Nothing, Remove, Replace, Write};

/// What was done, the command line (`NODE` starts a node of the network in `.`), and all that the answer has to say.
type Mistake = (&'static str, Spoil, &'static str, &'static [&'static str]);

const KEY: &str = "hash-sig-keys/validator_0_attester_key_sk.ssz";
const CONFIG: &str = "config.yaml";
const ASSIGNED: &str = "annotated_validators.yaml";
const LIST: &str = "validator-config.yaml";
const MISSING: &str = "No such file or directory";

const MISTAKES: &[Mistake] = &[
    // The network's files.
    (
        "no config.yaml",
        Remove(CONFIG),
        "NODE",
        &["./config.yaml: cannot be read", MISSING, "`lathe genesis`"],
    ),
    (
        "an empty one",
        Write(CONFIG, ""),
        "NODE",
        &["config.yaml: GENESIS_TIME: missing; write the Unix time of slot 0"],
    ),
    (
        "not YAML",
        Write(CONFIG, "{["),
        "NODE",
        &["config.yaml: not the YAML that is expected here", "line 1", "lathe genesis"],
    ),
    (
        "no genesis time",
        Line(CONFIG, "GENESIS_TIME", ""),
        "NODE",
        &["config.yaml: GENESIS_TIME: missing; write"],
    ),
    (
        "a negative one",
        Line(CONFIG, "GENESIS_TIME", "GENESIS_TIME: -5"),
        "NODE",
        &["GENESIS_TIME: `-5` is not a number; write"],
    ),
    (
        "milliseconds",
        Line(CONFIG, "GENESIS_TIME", "GENESIS_TIME: 1800000000000"),
        "NODE",
        &["config.yaml: GENESIS_TIME", "in milliseconds: write 1800000000"],
    ),
    (
        "no validators",
        Line(CONFIG, "GENESIS_VALIDATORS", "GENESIS_VALIDATORS: []\nOTHERS:"),
        "NODE",
        &["config.yaml: GENESIS_VALIDATORS: missing or empty; a network needs at least one validator"],
    ),
    (
        "a public key that is cut",
        Replace(CONFIG, "attestation_pubkey: \"", "attestation_pubkey: \"0xab\" # "),
        "NODE",
        &["config.yaml: GENESIS_VALIDATORS[0].attestation_pubkey: has 2 characters; write 104 hex digits"],
    ),
    (
        "a public key that is no hex",
        Replace(CONFIG, "proposal_pubkey: \"", "proposal_pubkey: \"zz"),
        "NODE",
        &["config.yaml: GENESIS_VALIDATORS[0].proposal_pubkey:", "write 104 hex digits"],
    ),
    (
        "a digest of three letters",
        Line(CONFIG, "FORK_DIGEST", "FORK_DIGEST: \"abc\""),
        "NODE",
        &["FORK_DIGEST: has 3 characters; write 8 hex digits"],
    ),
    (
        "no subnets",
        Line(CONFIG, "ATTESTATION_COMMITTEE_COUNT", "ATTESTATION_COMMITTEE_COUNT: 0"),
        "NODE",
        &["ATTESTATION_COMMITTEE_COUNT: 0 committees; write a number between 1 and 4096"],
    ),
    (
        "assignments that are a list",
        Write(ASSIGNED, "- 1\n"),
        "NODE",
        &[ASSIGNED, "should map node names to lists of validators"],
    ),
    (
        "a validator that there is not",
        Replace(ASSIGNED, "index: 0", "index: 9"),
        "NODE",
        &[
            "annotated_validators.yaml: lathe_0[0].index: there is no validator 9 among the 2 in config.yaml",
            "one and the same genesis",
        ],
    ),
    (
        "a key of another genesis",
        Replace(ASSIGNED, "pubkey_hex: \"", "pubkey_hex: \"00"),
        "NODE",
        &["annotated_validators.yaml: lathe_0[0].pubkey_hex:", "write 104 hex digits"],
    ),
    (
        "a port of six digits",
        Replace(LIST, "apiPort: ", "apiPort: 9"),
        "NODE",
        &["validator-config.yaml: validators[0].apiPort: not a port; write a number"],
    ),
    (
        "a node key that is no hex",
        Replace(LIST, "privkey: \"", "privkey: \"zz"),
        "NODE",
        &["validator-config.yaml: validators[0].privkey", "write 64 hex digits"],
    ),
    (
        "nodes that are no list",
        Write("nodes.yaml", "a: b\n"),
        "NODE",
        &["nodes.yaml: not the YAML", "should be a list of `- enr:...` lines, or []"],
    ),
    // Keys.
    (
        "no node key",
        Remove("lathe_0.key"),
        "NODE",
        &["./lathe_0.key: cannot be read", "or its path with --node-key"],
    ),
    (
        "a short one",
        Write("lathe_0.key", "abcd"),
        "NODE",
        &["lathe_0.key: node key: has 4 characters; write 64 hex digits"],
    ),
    (
        "one that is none",
        Write("lathe_0.key", "0000000000000000000000000000000000000000000000000000000000000000"),
        "NODE",
        &["lathe_0.key: make another one: openssl rand -hex 32", "secp256k1"],
    ),
    ("no signing key", Remove(KEY), "NODE", &[KEY, MISSING, "check --hash-sig-keys-dir"]),
    (
        "one that is damaged",
        Write(KEY, "not a key"),
        "NODE",
        &[KEY, "not a key file", "restore it, or make new keys"],
    ),
    ("an empty one", Write(KEY, ""), "NODE", &[KEY, "not a key file", "restore it, or make new keys"]),
    (
        "that of another validator",
        Copy("hash-sig-keys/validator_1_attester_key_sk.ssz", KEY),
        "NODE",
        &[KEY, "but the attestation key of validator 0 is", "check the key directory and the assignment"],
    ),
    // Options of a node.
    ("no name", Nothing, "node --network-dir .", &["--node-id <NAME>"]),
    ("no network", Nothing, "node --node-id lathe_0", &["--genesis <FILE>"]),
    (
        "a name that there is not",
        Nothing,
        "node --network-dir . --node-id lathe_9",
        &["./lathe_9.key: cannot be read", "<node>.key"],
    ),
    ("a typo", Nothing, "NODE --http-adress 0.0.0.0", &["'--http-adress'", "'--http-address'"]),
    (
        "a port that is none",
        Nothing,
        "NODE --api-port 99999",
        &["'99999' for '--api-port <PORT>'", "0..=65535"],
    ),
    (
        "a name as address",
        Nothing,
        "NODE --http-address localhost",
        &["--http-address", "write an IP address, such as 127.0.0.1"],
    ),
    (
        "an address that is none",
        Nothing,
        "NODE --listen-addr here",
        &["--listen-addr", "write an address such as 0.0.0.0"],
    ),
    (
        "a subnet that there is not",
        Nothing,
        "NODE --is-aggregator --aggregate-subnet-ids 7",
        &["--aggregate-subnet-ids: there is no subnet 7; the network has 1"],
    ),
    ("subnets without the role", Nothing, "NODE --aggregate-subnet-ids 0", &["--is-aggregator"]),
    (
        "a proof system that there is not",
        Nothing,
        "NODE --aggregation-backend snark",
        &["--aggregation-backend", "write raw, stark, lean-pq, external:"],
    ),
    (
        "that of another network",
        Nothing,
        "NODE --aggregation-backend raw",
        &[
            "--aggregation-backend: raw, but FORK_DIGEST in config.yaml is that of stark; leave the option out",
        ],
    ),
    (
        "no such list of nodes",
        Nothing,
        "NODE --bootnodes nowhere.yaml",
        &["nowhere.yaml: cannot be read", "a list of `- enr:...` lines"],
    ),
    (
        "a server without scheme",
        Nothing,
        "NODE --checkpoint-sync-url host:5052",
        &["--checkpoint-sync-url", "write it as http://host:port"],
    ),
    (
        "a server that is away",
        Nothing,
        "NODE --checkpoint-sync-url http://127.0.0.1:9",
        &["http://127.0.0.1:9 does not answer", "try another --checkpoint-sync-url, or leave the option out"],
    ),
    (
        "a proxy before nothing",
        Nothing,
        "NODE --checkpoint-proxy http://127.0.0.1:9",
        &["--checkpoint-sync-url <URL>"],
    ),
    (
        "no engine secret",
        Nothing,
        "NODE --execution-endpoint http://127.0.0.1:9",
        &["--execution-jwt-secret <FILE>"],
    ),
    (
        "no such secret",
        Nothing,
        "NODE --execution-endpoint http://127.0.0.1:9 --execution-jwt-secret no.hex",
        &["--execution-jwt-secret no.hex", MISSING, "openssl rand -hex 32"],
    ),
    (
        "a secret that is none",
        Write("jwt.hex", "abcd"),
        "NODE --execution-endpoint http://127.0.0.1:9 --execution-jwt-secret jwt.hex",
        &["--execution-jwt-secret jwt.hex", "32 bytes in hex"],
    ),
    (
        "an execution client that is away",
        Write("jwt.hex", "abababababababababababababababababababababababababababababababab"),
        "NODE --execution-endpoint http://127.0.0.1:9 --execution-jwt-secret jwt.hex",
        &["start it, or give --execution-genesis-block-hash", "not reachable"],
    ),
    (
        "a short token",
        Write("token", "abc"),
        "NODE --admin-token-file token",
        &["--admin-token-file token: a token has 16 or more", "openssl rand -hex 32"],
    ),
    (
        "no such token",
        Nothing,
        "NODE --admin-token-file token",
        &["--admin-token-file token: make one with: openssl rand -hex 32", MISSING],
    ),
    (
        "every origin",
        Nothing,
        "NODE --http-allow-origin *",
        &["--http-allow-origin", "write an origin such as https://board.example"],
    ),
    (
        "a signer nowhere",
        Nothing,
        "NODE --remote-signer nowhere",
        &["--remote-signer", "write unix:PATH or HOST:PORT"],
    ),
    (
        "a signer without a word",
        Nothing,
        "NODE --remote-signer 127.0.0.1:9",
        &["a TCP port needs a token on both sides", "openssl rand -hex 32"],
    ),
    (
        "a level that is none",
        Nothing,
        "NODE --log-level loud",
        &["--log-level", "`loud` is no level; write off, error, warn, info, debug or trace"],
    ),
    (
        "a log in no directory",
        Nothing,
        "NODE --log-file no/lathe.log",
        &["--log-file no/lathe.log: cannot be written; choose a file in a directory that is there"],
    ),
    (
        "data in a file",
        Write("file", ""),
        "NODE --data-dir file",
        &["file: the directory cannot be made", "choose another --data-dir"],
    ),
    // A file of options.
    (
        "no such file",
        Nothing,
        "node --config-file node.toml",
        &["node.toml: cannot be read; --config-file names a TOML file"],
    ),
    (
        "not TOML",
        Write("node.toml", "node-id = a\n"),
        "node --config-file node.toml",
        &["node.toml: line 1: not TOML"],
    ),
    (
        "an option that there is not",
        Write("node.toml", "node-idd = \"a\"\n"),
        "node --config-file node.toml",
        &["node.toml: node-idd: there is no option of that name; `lathe node --help`"],
    ),
    // Other commands.
    (
        "a network twice",
        Nothing,
        "genesis --nodes 1 --validators 1 --out .",
        &["./config.yaml: already exists and is never overwritten", "choose another directory"],
    ),
    (
        "no nodes",
        Nothing,
        "genesis --nodes 0 --validators 1 --out new",
        &["--nodes: 0, but must be between 1 and 1024"],
    ),
    (
        "too many validators",
        Nothing,
        "genesis --nodes 1 --validators 5000 --out new",
        &["--validators: 5000, but must be between 1 and 4096"],
    ),
    (
        "a database of nothing",
        Nothing,
        "db inspect .",
        &[".: there is no chain database; name the data directory of a node"],
    ),
    (
        "a ledger of nothing",
        Nothing,
        "signer show .",
        &[".: there is no signing ledger; name the directory that holds signing.ledger"],
    ),
    ("a record that is none", Nothing, "enr show enr:-abc", &["enr:-abc", "as nodes.yaml has it"]),
    (
        "a record of every address",
        Nothing,
        "enr make --node-key lathe_0.key --ip 0.0.0.0",
        &["--ip 0.0.0.0: nobody can dial that; name the address"],
    ),
    ("keys of nothing", Nothing, "keys inspect nowhere", &["nowhere", MISSING]),
    (
        "a node without a name",
        Nothing,
        "watch http://",
        &["write the URL of a node's API, such as http://127.0.0.1:5052"],
    ),
];

fn spoil(dir: &Path, spoil: &Spoil) {
    let edit = |name: &str, change: &dyn Fn(&str) -> String| {
        let text = fs::read_to_string(dir.join(name)).unwrap();
        let changed = change(&text);
        assert_ne!(text, changed, "{name} stays as it was");
        fs::write(dir.join(name), changed).unwrap();
    };
    match *spoil {
        Nothing => {}
        Remove(name) => fs::remove_file(dir.join(name)).unwrap(),
        Write(name, text) => fs::write(dir.join(name), text).unwrap(),
        Replace(name, from, to) => edit(name, &|text| text.replacen(from, to, 1)),
        Line(name, begin, line) => edit(name, &|text| {
            let lines = text.lines().map(|old| if old.starts_with(begin) { line } else { old });
            lines.collect::<Vec<_>>().join("\n")
        }),
        Copy(from, to) => _ = fs::copy(dir.join(from), dir.join(to)).unwrap(),
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &target),
            false => _ = fs::copy(&path, &target).unwrap(),
        }
    }
}

#[test]
fn each_mistake_is_answered_with_its_place_and_its_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let good = dir.path().join("good");
    let lathe = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lathe"));
        command.env_remove("RUST_LOG");
        command
    };
    let made = lathe()
        .args([
            "genesis",
            "--nodes",
            "2",
            "--validators",
            "2",
            "--slots",
            "4",
            "--genesis-delay",
            "3600",
            "--out",
        ])
        .arg(&good)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    assert!(MISTAKES.len() >= 50);
    for (number, (what, change, line, says)) in MISTAKES.iter().enumerate() {
        let net = dir.path().join(number.to_string());
        copy(&good, &net);
        spoil(&net, change);
        let node = "node --network-dir . --node-id lathe_0 --gossipsub-port 0 --api-port 0 --metrics-port 0";
        let line = line.replace("NODE", node);
        let output = lathe().args(line.split_whitespace()).current_dir(&net).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(matches!(output.status.code(), Some(1 | 2)), "{what}: {said}");
        let error = said.lines().find(|line| line.starts_with("error: "));
        assert!(error.is_some(), "{what}: {said}");
        assert!(!said.contains("panicked"), "{what}: {said}");
        for part in *says {
            assert!(said.contains(part), "{what}: {part}\n{said}");
        }
    }
}
