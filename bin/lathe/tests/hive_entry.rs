//! Hive's entry script: what it makes of the environment, seen by a `lathe` that only prints its arguments.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../hive/lathe.sh");
const KEY: &str = "11223344556677889900aabbccddeeff11223344556677889900aabbccddeeff";

/// A container's file system as far as the script sees it.
struct Container(TempDir);

impl Container {
    /// One that holds these of the network's files.
    fn with(files: &[&str]) -> Self {
        let container = Self(tempfile::tempdir().unwrap());
        for dir in ["bin", "assets", "tmp"] {
            fs::create_dir(container.path(dir)).unwrap();
        }
        let fake = container.path("bin/lathe");
        fs::write(&fake, "#!/bin/sh\nfor argument in \"$@\"; do printf '%s\\n' \"$argument\"; done\n")
            .unwrap();
        fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).unwrap();
        for file in files {
            fs::write(container.path("assets").join(file), "").unwrap();
        }
        container
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, environment: &[(&str, &str)]) -> Output {
        let path = format!("{}:/usr/bin:/bin", self.path("bin").display());
        Command::new(SCRIPT)
            .env_clear()
            .env("PATH", path)
            .env("TMPDIR", self.path("tmp"))
            .env("LEAN_RUNTIME_ASSET_ROOT", self.path("assets"))
            .envs(environment.iter().copied())
            .output()
            .unwrap()
    }

    /// What the script hands to lathe, with the assets' directory taken off.
    fn arguments(&self, environment: &[(&str, &str)]) -> String {
        let output = self.run(environment);
        assert!(output.status.success(), "{output:?}");
        let text =
            String::from_utf8(output.stdout).unwrap().replace(self.path("assets").to_str().unwrap(), "");
        text.lines().collect::<Vec<_>>().join(" ")
    }
}

const ALL: [&str; 5] =
    ["config.yaml", "annotated_validators.yaml", "nodes.yaml", "validator-config.yaml", "node.key"];
const COMMON: &str = "--http-address 0.0.0.0 --admin-unprotected --api-port 5052 --metrics-port 8080";

#[test]
fn a_plain_validator_takes_everything_from_the_files() {
    assert_eq!(
        Container::with(&ALL).arguments(&[]),
        format!(
            "node --node-id lathe_0 {COMMON} --genesis /config.yaml --hash-sig-keys-dir /hash-sig-keys --data-dir /data \
             --allow-key-reuse --aggregation-backend raw --listen-addr 0.0.0.0 --gossipsub-port 9000 \
             --validator-config /validator-config.yaml --validators /annotated_validators.yaml --node-key /node.key --bootnodes /nodes.yaml"
        )
    );
}

#[test]
fn every_variable_has_its_effect() {
    let container = Container::with(&ALL);
    let said = container.arguments(&[
        ("HIVE_NODE_ID", "lathe_3"),
        ("HIVE_BOOTNODES", "enr:-a,/ip4/1.2.3.4/udp/9000/quic-v1"),
        ("HIVE_CLIENT_PRIVATE_KEY", &format!("0x{KEY}")),
        ("HIVE_CHECKPOINT_SYNC_URL", "http://1.2.3.4:5052/lean/v0/states/finalized"),
        ("HIVE_IS_AGGREGATOR", "1"),
        ("HIVE_ATTESTATION_COMMITTEE_COUNT", "2"),
        ("HIVE_AGGREGATE_SUBNET_IDS", "0,1"),
        ("HIVE_LEAN_CLIENT_RUNTIME_ROLE", "observer"),
        ("LATHE_AGGREGATION_BACKEND", "external:/lib.so"),
        ("LATHE_DATA_DIR", "/elsewhere"),
    ]);
    let (before, after) = said.split_once(" --node-key ").unwrap();
    let (key, after) = after.split_once(' ').unwrap();
    assert_eq!(fs::read_to_string(key).unwrap(), KEY, "without 0x and without a line end");
    assert_eq!(
        before,
        format!(
            "node --node-id lathe_3 {COMMON} --genesis /config.yaml --hash-sig-keys-dir /hash-sig-keys \
             --data-dir /elsewhere --allow-key-reuse --aggregation-backend external:/lib.so --listen-addr 0.0.0.0 \
             --gossipsub-port 9000 --validator-config /validator-config.yaml"
        ),
        "an observer has no validators"
    );
    assert_eq!(
        after,
        "--bootnodes enr:-a,/ip4/1.2.3.4/udp/9000/quic-v1 \
         --checkpoint-sync-url http://1.2.3.4:5052/lean/v0/states/finalized --attestation-committee-count 2 \
         --is-aggregator --aggregate-subnet-ids 0,1"
    );
}

#[test]
fn subnets_without_the_role_and_switches_that_are_off_say_nothing() {
    let said = Container::with(&ALL).arguments(&[
        ("HIVE_IS_AGGREGATOR", "0"),
        ("HIVE_AGGREGATE_SUBNET_IDS", "0,1"),
        ("HIVE_LEAN_TEST_DRIVER", "0"),
        ("HIVE_CHECKPOINT_SYNC_URL", ""),
    ]);
    for option in ["--is-aggregator", "--aggregate-subnet-ids", "--checkpoint-sync-url", "--network-dir"] {
        assert!(!said.contains(option), "{option} in {said}");
    }
}

#[test]
fn bootnodes_may_be_none_and_files_may_be_missing() {
    let said = Container::with(&["config.yaml", "validators.yaml", "node.key"]);
    assert!(said.arguments(&[("HIVE_BOOTNODES", "none")]).ends_with("--bootnodes none"));
    let said = said.arguments(&[]);
    assert!(said.contains("--validators /validators.yaml --node-key /node.key --bootnodes none"), "{said}");
    assert!(!said.contains("--validator-config"), "{said}");
}

#[test]
fn a_test_driver_needs_no_files() {
    let said = Container::with(&[]).arguments(&[("HIVE_LEAN_TEST_DRIVER", "1"), ("HIVE_BOOTNODES", "none")]);
    assert_eq!(said, format!("node --node-id lathe_0 {COMMON} --network-dir "));
}

#[test]
fn what_is_missing_is_named() {
    for (files, expected) in [(&["node.key"][..], "no config.yaml in "), (&["config.yaml"], "no key: ")] {
        let output = Container::with(files).run(&[]);
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with("lathe.sh: ") && said.contains(expected), "{said}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn the_image_has_the_script_and_the_role() {
    let read = |name: &str| fs::read_to_string(Path::new(SCRIPT).with_file_name(name)).unwrap();
    assert_eq!(read("hive.yaml"), "roles:\n  - lean\n");
    assert!(read("Dockerfile").contains("COPY lathe.sh /lathe.sh"));
}
