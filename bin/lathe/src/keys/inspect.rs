//! `lathe keys inspect` and `lathe keys convert`.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use eyre::{WrapErr as _, bail, eyre};
use lathe_config::{NetworkConfig, write_secret_key};
use lathe_keys::{KeyFormat, Prod, SigningKey, StoredKey};
use lathe_ledger::{KeyId, Mark};
use lathe_signer::{KeyAssignment, KeyStore, carry_mark, directory_of, inspect_key, read_marks};
use lathe_types::{KeyRole, PublicKey, SignatureScheme, ValidatorIndex};
use serde_json::json;

use super::{ConvertArgs, InspectArgs, lasting};
use crate::output::say;
use crate::signer::{current_slot, owners};

/// Digits of a public key that a line has room for; enough to find it in config.yaml.
const SHOWN_DIGITS: usize = 40;

/// What a file holds.
struct Inspected {
    path: PathBuf,
    scheme: SignatureScheme,
    format: KeyFormat,
    public_key: PublicKey,
    slots: Range<u64>,
    mark: Option<Mark>,
}

/// `lathe keys inspect`
pub(super) fn inspect(args: &InspectArgs) -> eyre::Result<()> {
    let config = args.config.as_deref().map(NetworkConfig::read).transpose()?;
    let owners = owners(args.config.as_deref())?;
    let genesis_time = config.map(|config| config.genesis_time);
    let mut marks = HashMap::new();
    for path in key_files(&args.paths)? {
        let directory = directory_of(&path);
        if !marks.contains_key(&directory) {
            marks.insert(directory.clone(), read_marks(&directory)?);
        }
        let StoredKey { scheme, format, key } = inspect_key::<Prod>(&path)?;
        let public_key = key.public_key();
        let id = KeyId::of(&public_key);
        let mark = marks[&directory].iter().find(|mark| mark.key == id).copied();
        let key = Inspected { path, scheme, format, public_key, slots: key.slots(), mark };
        let owner = owners.get(&id).map(String::as_str);
        if args.json {
            say_json(&key, genesis_time, owner)
        } else {
            say_key(&key, genesis_time, args.config.is_some(), owner)
        }
    }
    Ok(())
}

/// Slots that a key can still sign at, by the clock and by its mark.
fn left(key: &Inspected, genesis_time: u64) -> u64 {
    let mark = key.mark.filter(|mark| mark.genesis_time == genesis_time);
    let used = mark.and_then(|mark| mark.newest).map_or(0, |slot| slot + 1);
    let from = current_slot(genesis_time).unwrap_or(0).max(used).max(key.slots.start);
    key.slots.end.saturating_sub(from)
}

fn say_key(key: &Inspected, genesis_time: Option<u64>, has_config: bool, owner: Option<&str>) {
    let Inspected { path, scheme, format, public_key, slots, mark } = key;
    say(&path.display().to_string());
    say(&format!("  scheme      {scheme}"));
    say(&format!("  format      {}", format.name()));
    say(&format!("  public key  0x{}..", &hex::encode(public_key.as_bytes())[..SHOWN_DIGITS]));
    let count = slots.end - slots.start;
    say(&format!("  slots       {} to {} ({})", slots.start, slots.end.saturating_sub(1), lasting(count)));
    if let Some(genesis_time) = genesis_time {
        let left = left(key, genesis_time);
        let text = match left {
            0 => "none: this key has ended; make new keys for a new network".into(),
            left => format!("{left} ({})", lasting(left)),
        };
        say(&format!("  slots left  {text}"));
    }
    if has_config {
        say(&format!("  used by     {}", owner.unwrap_or("nobody in this network")));
    }
    match mark {
        Some(Mark { newest: Some(newest), signed, genesis_time, .. }) => {
            say(&format!("  signatures  {signed}, up to slot {newest} after genesis time {genesis_time}"));
        }
        _ => say("  signatures  none that is known here"),
    }
}

fn say_json(key: &Inspected, genesis_time: Option<u64>, owner: Option<&str>) {
    let mark = key.mark.filter(|mark| mark.newest.is_some());
    let used = mark.map(
        |mark| json!({ "genesis_time": mark.genesis_time, "signatures": mark.signed, "newest_slot": mark.newest }),
    );
    let text = json!({
        "file": key.path.display().to_string(),
        "scheme": key.scheme.name(),
        "format": key.format.name(),
        "public_key": format!("0x{}", hex::encode(key.public_key.as_bytes())),
        "key": format!("0x{}", hex::encode(KeyId::of(&key.public_key).0)),
        "first_slot": key.slots.start,
        "end_slot": key.slots.end,
        "slots_left": genesis_time.map(|genesis_time| left(key, genesis_time)),
        "owner": owner,
        "used": used,
    });
    say(&text.to_string());
}

/// The files that are named, and those that lie in directories that are named.
fn key_files(paths: &[PathBuf]) -> eyre::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries =
            std::fs::read_dir(path).wrap_err_with(|| format!("{}: cannot be read", path.display()))?;
        let mut found: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().ends_with("_sk.ssz")))
            .collect();
        found.sort();
        if found.is_empty() {
            bail!("{}: there are no *_sk.ssz files in this directory", path.display());
        }
        files.extend(found);
    }
    Ok(files)
}

/// `lathe keys convert`
pub(super) fn convert(args: &ConvertArgs) -> eyre::Result<()> {
    let StoredKey { scheme, format, key } = inspect_key::<Prod>(&args.file)?;
    let to = KeyFormat::from(args.to);
    let name = to.name();
    if format == to {
        bail!("{}: is in {name}'s format already; copy the file", args.file.display());
    }
    if !to.holds(scheme) {
        let others = KeyFormat::of_others(scheme).name();
        bail!("--to: {name}'s files hold no keys of {scheme}; lathe and {others} do");
    }
    let public_key = key.public_key();
    // Held to the end: a node that uses the key would go on signing behind the copy's back.
    let role = KeyRole::Attestation;
    let path = args.file.clone();
    let assignment = KeyAssignment { validator: ValidatorIndex(0), role, path, public_key };
    let _held = KeyStore::<Prod>::load(scheme, &[assignment])?;
    let (from, into) = (directory_of(&args.file), directory_of(&args.out));
    if args.out.exists() {
        bail!("{}: already exists and is never overwritten; choose another --out", args.out.display());
    }
    // The mark first: there must be no moment at which the copy looks unused.
    if from != into {
        carry_mark(KeyId::of(&public_key), &from, &into)?;
    }
    write_key(&args.out, to, &key)?;
    say(&format!("wrote {} in {name}'s format", args.out.display()));
    say("it is the same key: never let this file and the original sign");
    Ok(())
}

fn write_key(path: &Path, format: KeyFormat, key: &SigningKey) -> eyre::Result<()> {
    let progress = crate::progress::KeyProgress::new();
    let written = write_secret_key(path, format, key, &|done, total| progress.set(done, total));
    progress.finish();
    written.map_err(|error| eyre!(error))
}
