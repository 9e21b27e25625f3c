//! What devnet tools bring is enough: Lathe boots to finality from each tool's directory with each tool's command, as
//! another user, from another working directory, and writes nothing but its data.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::Value;
use support::{SLOT, free_ports, lathe};
use tempfile::TempDir;

const CONTRIB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contrib");
/// Whom containers run as when they do not run as root.
const NOBODY: u32 = 65534;
/// Slots until a network of one node has finalized, with room for a slow start.
const PATIENCE_SLOTS: u32 = 15;

/// A network of one node that one tool starts.
struct Tool {
    name: &'static str,
    dir: TempDir,
    /// QUIC, API and metrics.
    ports: [u16; 3],
    child: Option<Child>,
    before: Vec<(PathBuf, Vec<u8>)>,
}

impl Tool {
    /// The files as the tool makes them, readable by everybody, writable by nobody.
    fn new(name: &'static str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let first = free_ports(3);
        let made = lathe()
            .args(["genesis", "--genesis-delay", "6", "--nodes", "1", "--validators", "1", "--slots", "64"])
            .args(["--base-port", &first.to_string(), "--base-api-port", &(first + 1).to_string()])
            .args(["--base-metrics-port", &(first + 2).to_string(), "--out"])
            .arg(dir.path().join("config"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        // Another user may not get at the build directory.
        fs::copy(env!("CARGO_BIN_EXE_lathe"), dir.path().join("lathe")).unwrap();
        fs::create_dir(dir.path().join("data")).unwrap();
        fs::create_dir(dir.path().join("elsewhere")).unwrap();
        let mut tool =
            Self { name, dir, ports: [first, first + 1, first + 2], child: None, before: Vec::new() };
        tool.before = tool.files();
        tool.hand_over();
        tool
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Gives the files to the user that the node runs as.
    fn hand_over(&self) {
        let is_root =
            fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
        for (path, _) in &self.before {
            if is_root {
                chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
            }
            fs::set_permissions(path, fs::Permissions::from_mode(0o400)).unwrap();
        }
        for dir in ["config/hash-sig-keys", "config"] {
            if is_root {
                chown(self.path(dir), Some(NOBODY), Some(NOBODY)).unwrap();
            }
            fs::set_permissions(self.path(dir), fs::Permissions::from_mode(0o500)).unwrap();
        }
        if is_root {
            chown(self.path("data"), Some(NOBODY), Some(NOBODY)).unwrap();
            fs::set_permissions(self.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        let mut pending = vec![self.path("config")];
        while let Some(dir) = pending.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    pending.push(path);
                } else {
                    files.push((path.clone(), fs::read(&path).unwrap()));
                }
            }
        }
        files.sort();
        files
    }

    /// Runs `words`, the first of them the binary or `node`, where the tool would.
    fn start(&mut self, words: &[String]) {
        let begin = words.iter().position(|word| word == "node").unwrap();
        let words = &words[begin..];
        let log = fs::File::create(self.path("log")).unwrap();
        let mut command = Command::new(self.path("lathe"));
        command.args(words).current_dir(self.path("elsewhere")).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        if std::os::unix::fs::MetadataExt::uid(&fs::metadata(self.dir.path()).unwrap()) == 0 {
            command.uid(NOBODY).gid(NOBODY);
        }
        self.child = Some(command.spawn().unwrap());
    }

    fn finalized_slot(&self) -> u64 {
        let url = format!("http://127.0.0.1:{}/lean/v0/fork_choice", self.ports[1]);
        let answer =
            ureq::get(&url).call().ok().and_then(|mut answer| answer.body_mut().read_to_string().ok());
        let answer = answer.and_then(|text| serde_json::from_str::<Value>(&text).ok());
        answer.and_then(|value| value["finalized"]["slot"].as_u64()).unwrap_or(0)
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        for dir in ["config", "config/hash-sig-keys"] {
            let _ = fs::set_permissions(self.path(dir), fs::Permissions::from_mode(0o700));
        }
    }
}

/// The command that lean-quickstart's script for Lathe sets in `variable`.
fn quickstart(tool: &Tool, variable: &str) -> Vec<String> {
    let script = format!(". {CONTRIB}/lean-quickstart/client-cmds/lathe-cmd.sh; printf '%s' \"${variable}\"");
    let [quic, api, metrics] = tool.ports.map(|port| port.to_string());
    let output = Command::new("bash")
        .args(["-euc", &script])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .envs([("item", "lathe_0"), ("isAggregator", "true"), ("attestationCommitteeCount", "1")])
        .envs([("quicPort", &quic), ("apiPort", &api), ("metricsPort", &metrics)])
        .envs([("configDir", tool.path("config")), ("dataDir", tool.path("data"))])
        .env("scriptDir", "/quickstart")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let command = String::from_utf8(output.stdout).unwrap();
    command.split_whitespace().map(|word| local(tool, word)).collect()
}

/// The one command in the README of a tool.
fn readme(tool: &Tool, directory: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(CONTRIB).join(directory).join("README.md")).unwrap();
    let command = text.lines().find(|line| line.starts_with("node ")).unwrap();
    let mut words: Vec<_> = command.split_whitespace().map(|word| local(tool, word)).collect();
    for (option, port) in ["--gossipsub-port", "--api-port", "--metrics-port"].iter().zip(tool.ports) {
        let at = words.iter().position(|word| word == option).unwrap();
        words[at + 1] = port.to_string();
    }
    words.push("--is-aggregator".into());
    words
}

/// What a word of a command is outside of the tool's container.
fn local(tool: &Tool, word: &str) -> String {
    let word = word.replace("$NAME", "lathe_0");
    for (inside, outside) in
        [("/network-configs", "config"), ("/node-keys", "config"), ("/config", "config"), ("/data", "data")]
    {
        if let Some(rest) = word.strip_prefix(inside) {
            return format!("{}{rest}", tool.path(outside).display());
        }
    }
    word
}

#[test]
#[ignore = "runs networks for a minute"]
fn short_every_tools_directory_boots_and_finalizes() {
    let mut tools = Vec::new();
    for name in ["quickstart, binary", "quickstart, container", "leanstart", "kurtosis"] {
        let mut tool = Tool::new(name);
        let words = match name {
            "quickstart, binary" => quickstart(&tool, "node_binary"),
            "quickstart, container" => quickstart(&tool, "node_docker"),
            other => readme(&tool, other),
        };
        tool.start(&words);
        tools.push(tool);
    }
    let end = Instant::now() + SLOT * PATIENCE_SLOTS;
    while Instant::now() < end && !tools.iter().all(|tool| tool.finalized_slot() > 0) {
        std::thread::sleep(SLOT / 8);
    }
    for tool in &tools {
        let log = fs::read_to_string(tool.path("log")).unwrap();
        assert!(tool.finalized_slot() > 0, "{}:\n{log}", tool.name);
        assert_eq!(tool.files(), tool.before, "{}: the network's files changed", tool.name);
        assert_eq!(fs::read_dir(tool.path("elsewhere")).unwrap().count(), 0, "{}", tool.name);
    }
}

#[test]
fn quickstarts_script_passes_on_what_it_is_told() {
    let tool = Tool::new("quickstart");
    let script =
        format!(". {CONTRIB}/lean-quickstart/client-cmds/lathe-cmd.sh; printf '%s' \"$node_docker\"");
    let output = Command::new("bash")
        .args(["-euc", &script])
        .env_clear()
        .envs([("item", "lathe_1"), ("isAggregator", "true"), ("aggregateSubnetIds", "0,1")])
        .envs([("quicPort", "9001"), ("httpPort", "5055"), ("metricsPort", "8081"), ("configDir", "/c")])
        .envs([("attestationCommitteeCount", "2"), ("checkpoint_sync_url", "http://a:1"), ("dataDir", "/d")])
        .env("LATHE_BACKEND", "external:/lib.so")
        .env("scriptDir", tool.path("config"))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let (user, command) = said.split_at(said.find("lathe:latest").unwrap());
    assert!(user.starts_with("--user ") && user.trim_end().ends_with(|c: char| c.is_ascii_digit()), "{user}");
    assert_eq!(
        command,
        "lathe:latest node --network-dir /config --node-id lathe_1 --data-dir /data --listen-addr 0.0.0.0 \
         --gossipsub-port 9001 --http-address 0.0.0.0 --api-port 5055 --metrics-port 8081 --allow-key-reuse --is-aggregator \
         --aggregate-subnet-ids 0,1 --attestation-committee-count 2 --checkpoint-sync-url http://a:1 --aggregation-backend \
         external:/lib.so"
    );
}
