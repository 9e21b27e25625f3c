//! The commands that read and move ledgers.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write as _};
use std::path::Path;

use eyre::{WrapErr as _, bail, eyre};
use lathe_ledger::{Interchange, KeyId, KeySummary, Ledger, Mark, Medium, Opened, SAFETY_SLOTS, Terms};
use lathe_signer::{DiskFile, inspect_ledger, read_marks};

use super::{ExportArgs, ImportArgs, ResumeArgs, ShowArgs, VerifyArgs, current_slot, owners};
use crate::output::say;

fn none(directory: &Path) -> eyre::Report {
    eyre!("{}: there is no signing ledger; name the directory that holds signing.ledger", directory.display())
}

/// `lathe signer show`
pub(super) fn show(args: &ShowArgs) -> eyre::Result<()> {
    let ledger = inspect_ledger(&args.ledger)?.ok_or_else(|| none(&args.ledger))?;
    let owners = owners(args.config.as_deref())?;
    say(&format!("ledger        {}", ledger.location()));
    let now =
        current_slot(ledger.genesis_time()).map_or("not begun".into(), |slot| format!("slot {slot} now"));
    say(&format!("genesis       {} ({now})", ledger.genesis_time()));
    say(&format!("signs from    slot {}", ledger.watermark()));
    if *ledger.opened() == Opened::Torn {
        say("end           lost with the power: the next start raises the lowest slot");
    }
    let keys = ledger.summary();
    say(&format!("keys          {}", keys.len()));
    for key in keys {
        say("");
        say(&format!("{}  {}", key.key.short(), owners.get(&key.key).map_or("", String::as_str)));
        describe(&key);
    }
    Ok(())
}

fn describe(key: &KeySummary) {
    say(&format!("  signatures  {}", key.signed));
    if let Some((first, last)) = key.listed {
        say(&format!("  on record   slots {first} to {last}, each with what was signed"));
    }
    say(&format!("  signs from  slot {}", key.lowest));
    if let Some(slot) = key.stopped {
        say(&format!("  RESTS       a signature at slot {slot} is not ours; see lathe signer resume"));
    }
}

/// `lathe signer verify`
pub(super) fn verify(args: &VerifyArgs) -> eyre::Result<()> {
    let ledger = inspect_ledger(&args.ledger)?.ok_or_else(|| none(&args.ledger))?;
    if *ledger.opened() == Opened::Torn {
        bail!(
            "{}: its end was lost with the power; the next start says from where it signs",
            ledger.location()
        );
    }
    if let Some(directory) = &args.keys {
        compare_marks(&ledger, directory, &args.ledger)?;
    }
    say(&format!(
        "{} is sound: keys {}, records {}, {}",
        ledger.location(),
        ledger.summary().len(),
        ledger.len(),
        ledger.newest().map_or("nothing signed".into(), |slot| format!("up to slot {slot}"))
    ));
    Ok(())
}

/// An error unless the ledger knows all that its keys have signed by their marks, which lie beside the ledger where the
/// key directory cannot be written.
fn compare_marks<M: Medium>(ledger: &Ledger<M>, keys: &Path, beside: &Path) -> eyre::Result<()> {
    let mut marks = read_marks(keys)?;
    if marks.is_empty() {
        marks = read_marks(beside)?;
    }
    let listed: HashSet<KeyId> = ledger.summary().iter().map(|key| key.key).collect();
    let signed = marks.iter().filter(|mark| mark.newest.is_some());
    let (ours, others): (Vec<&Mark>, Vec<&Mark>) = signed.partition(|mark| listed.contains(&mark.key));
    if let Some(mark) = ours.iter().find(|mark| !ledger.knows(mark)) {
        bail!(
            "{}: key {} has made {} signatures, up to slot {} after genesis time {}, and the ledger does not know \
             them all: it is a copy, was restored, or is another node's",
            ledger.location(),
            mark.key.short(),
            mark.signed,
            mark.newest.unwrap_or_default(),
            mark.genesis_time
        );
    }
    if ours.is_empty() && !listed.is_empty() {
        bail!("{}: there is no mark of a key of this ledger; name the directory of its keys", keys.display());
    }
    say(&format!("the marks of {} keys agree with the ledger", ours.len()));
    if let Some(first) = others.first() {
        say(&format!(
            "not in this ledger, so it must be in another node's: {}{}",
            first.key.short(),
            if others.len() > 1 { format!(" and {} more", others.len() - 1) } else { String::new() }
        ));
    }
    Ok(())
}

/// `lathe signer export`
pub(super) fn export(args: &ExportArgs) -> eyre::Result<()> {
    let ledger = locked(&args.ledger)?;
    if *ledger.opened() == Opened::Torn {
        bail!(
            "{}: its end was lost with the power: start the node once, which raises the lowest slot",
            ledger.location()
        );
    }
    let file = File::create_new(&args.out)
        .wrap_err_with(|| format!("{}: cannot be made; choose another --out", args.out.display()))?;
    let mut out = BufWriter::new(&file);
    let written = ledger.export(&mut out).and_then(|records| {
        out.flush()?;
        file.sync_all()?;
        Ok(records)
    });
    let records = written.wrap_err_with(|| format!("{}: cannot be written", args.out.display()))?;
    say(&format!("wrote {}: keys {}, records {records}", args.out.display(), ledger.summary().len()));
    say("import them where the keys go, and never start this signer again");
    Ok(())
}

/// `lathe signer import`
pub(super) fn import(args: &ImportArgs) -> eyre::Result<()> {
    let file = File::open(&args.file).wrap_err_with(|| format!("{}: cannot be read", args.file.display()))?;
    let other = Interchange::read(BufReader::new(file)).wrap_err_with(|| args.file.display().to_string())?;
    let current_slot = current_slot(other.genesis_time);
    let terms = Terms { genesis_time: other.genesis_time, current_slot, ..Terms::default() };
    let mut ledger = Ledger::open(DiskFile::lock(&args.ledger)?, &terms)?;
    ledger.import(&other)?;
    say(&format!("records taken in: {}; the keys are now:", other.len()));
    for key in ledger.summary() {
        say(&format!("  {}  signatures {}, signs from slot {}", key.key.short(), key.signed, key.lowest));
    }
    Ok(())
}

/// `lathe signer resume`
pub(super) fn resume(args: &ResumeArgs) -> eyre::Result<()> {
    let mut ledger = locked(&args.ledger)?;
    if *ledger.opened() == Opened::Torn {
        bail!("{}: its end was lost with the power: start the node once, then stop it", ledger.location());
    }
    // What the other signer may have signed by now stays unsigned here.
    let from = current_slot(ledger.genesis_time()).unwrap_or(0) + SAFETY_SLOTS;
    let stopped: Vec<_> = ledger.summary().into_iter().filter(|key| key.stopped.is_some()).collect();
    let wanted = stopped.iter().filter(|key| args.key.as_ref().is_none_or(|name| is_named(key.key, name)));
    let mut resumed = 0;
    for key in wanted {
        ledger.resume(key.key, from)?;
        resumed += 1;
        say(&format!("key {} signs again from slot {from} on", key.key.short()));
    }
    match (resumed, &args.key) {
        (0, Some(name)) => bail!("no key {name} rests; lathe signer show lists them"),
        (0, None) => say("no key rests"),
        _ => {}
    }
    Ok(())
}

/// Whether a name is that of a key: `lathe signer show` prints the beginning.
fn is_named(key: KeyId, name: &str) -> bool {
    let digits = name.trim_start_matches("0x").trim_end_matches('.');
    digits.len() >= 8 && hex::encode(key.0).starts_with(digits)
}

/// The ledger that no node uses now.
fn locked(directory: &Path) -> eyre::Result<Ledger<DiskFile>> {
    // Looked for first, so that a wrong directory is not made.
    if inspect_ledger(directory)?.is_none() {
        return Err(none(directory));
    }
    Ledger::inspect(DiskFile::lock(directory)?)?.ok_or_else(|| none(directory))
}
