//! `lathe db`: a chain database that no node has open.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use eyre::{WrapErr as _, bail, eyre};
use lathe_disk::DiskDb;
use lathe_storage::{Database as _, HISTORY_SLOTS, NetworkId};
use lathe_types::{Checkpoint, Encode as _, Slot};

use crate::output::say;

const EXAMPLES: &str = "\
Examples:
  lathe db inspect net/data/lathe_0
      which network, how far the chain is, how much of what is stored
  lathe db check net/data/lathe_0
      read everything and see whether it holds together
  lathe db export net/data/lathe_0 --out blocks
      the canonical blocks and the finalized state, in SSZ

The node must have stopped. Nothing here touches the signing ledger, so none
of this lets a key sign twice.";

/// Look into a chain database, and look after it
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum DbCommand {
    /// Say which network it is of, where its chain stands, and what it holds
    Inspect(DataArgs),
    /// Read everything and check that it holds together
    Check(DataArgs),
    /// Drop old final blocks and give their room back to the file system
    Prune(PruneArgs),
    /// Write canonical blocks and the finalized state as SSZ files
    Export(ExportArgs),
    /// Go back to the finalized block: drop everything that builds on it
    Rewind(RewindArgs),
}

/// Where the database is.
#[derive(Args, Debug)]
pub(crate) struct DataArgs {
    /// Data directory of the node, such as net/data/lathe_0, or the chain directory in it
    #[arg(value_name = "DATA_DIR")]
    data_dir: PathBuf,
}

/// Arguments of `lathe db prune`.
#[derive(Args, Debug)]
pub(crate) struct PruneArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Final slots whose blocks stay, for peers that ask
    #[arg(long, value_name = "N", default_value_t = HISTORY_SLOTS)]
    keep_slots: u64,
}

/// Arguments of `lathe db export`.
#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Directory for the files; it must not be there yet
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// First slot
    #[arg(long, value_name = "SLOT", default_value_t = 0)]
    from: u64,
    /// Last slot; default: the head's
    #[arg(long, value_name = "SLOT")]
    to: Option<u64>,
}

/// Arguments of `lathe db rewind`.
#[derive(Args, Debug)]
pub(crate) struct RewindArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Say yes: the blocks that are dropped have to come from peers again
    #[arg(long, required = true)]
    to_finalized: bool,
}

/// Slots that are read at a time.
const BATCH: u64 = 256;

/// Runs the subcommand.
pub(crate) fn run(command: &DbCommand) -> eyre::Result<()> {
    match command {
        DbCommand::Inspect(args) => inspect(args),
        DbCommand::Check(args) => check(args),
        DbCommand::Prune(args) => prune(args),
        DbCommand::Export(args) => export(args),
        DbCommand::Rewind(args) => rewind(args),
    }
}

impl DataArgs {
    /// The directory of the database itself.
    fn path(&self) -> PathBuf {
        match lathe_disk::is_at(&self.data_dir) {
            true => self.data_dir.clone(),
            false => self.data_dir.join(lathe_node::CHAIN_DIR),
        }
    }

    fn open(&self) -> eyre::Result<(DiskDb, NetworkId)> {
        let path = self.path();
        if !lathe_disk::is_at(&path) {
            bail!(
                "{}: there is no chain database; name the data directory of a node, such as net/data/lathe_0",
                self.data_dir.display()
            );
        }
        lathe_disk::open_existing(&path).wrap_err_with(|| path.display().to_string())
    }
}

fn inspect(args: &DataArgs) -> eyre::Result<()> {
    let (database, network) = args.open()?;
    let path = args.path();
    say(&format!("database     {}, {}", path.display(), mib(lathe_disk::size(&path)?)));
    say(&format!("network      genesis {}", network.genesis));
    say(&format!("             {}", network.variant));
    match database.checkpoints()? {
        None => say("chain        empty"),
        Some(checkpoints) => {
            let line =
                |name: &str, at: Checkpoint| say(&format!("{name:<12} slot {:<8} {}", at.slot, at.root));
            line("head", checkpoints.head);
            line("justified", checkpoints.justified);
            line("finalized", checkpoints.finalized);
            say(&format!("blocks from  slot {}", database.earliest_slot()?));
        }
    }
    say("");
    say("column          rows       bytes");
    for tally in database.survey()? {
        say(&format!("{:<12} {:>7} {:>11}", tally.column.name(), tally.rows, tally.bytes));
    }
    Ok(())
}

fn check(args: &DataArgs) -> eyre::Result<()> {
    let (database, _) = args.open()?;
    let checked = database.check()?;
    say(&format!(
        "{} is sound: {} blocks, {} slots of the chain, {} states to start from",
        args.path().display(),
        checked.blocks,
        checked.canonical,
        checked.states
    ));
    Ok(())
}

fn prune(args: &PruneArgs) -> eyre::Result<()> {
    let path = args.data.path();
    let (database, _) = args.data.open()?;
    let before = lathe_disk::size(&path)?;
    let finalized = database.checkpoints()?.map(|checkpoints| checkpoints.finalized.slot).unwrap_or_default();
    let dropped = database.forget_before(Slot(finalized.0.saturating_sub(args.keep_slots)))?;
    // Closed first: the file is rewritten.
    drop(database);
    lathe_disk::compact(&path)?;
    let after = lathe_disk::size(&path)?;
    say(&format!("dropped {dropped} blocks; the file went from {} to {}", mib(before), mib(after)));
    Ok(())
}

fn export(args: &ExportArgs) -> eyre::Result<()> {
    let (database, _) = args.data.open()?;
    let checkpoints =
        database.checkpoints()?.ok_or_else(|| eyre!("the chain is empty: there is nothing to export"))?;
    let last = args.to.unwrap_or(checkpoints.head.slot.0);
    if last < args.from {
        bail!("--from {}: lies after the last slot, {last}", args.from);
    }
    std::fs::create_dir(&args.out).wrap_err_with(|| {
        format!("--out {}: cannot be made; name a directory that is not there yet", args.out.display())
    })?;
    let (mut slot, mut written) = (args.from, 0);
    while slot <= last {
        for (slot, root) in database.canonical_range(Slot(slot), BATCH.min(last - slot + 1))? {
            if let Some(block) = database.block_ssz(root)? {
                write_new(&args.out.join(format!("block_{}.ssz", slot.0)), &block)?;
                written += 1;
            }
        }
        slot += BATCH;
    }
    let finalized = checkpoints.finalized;
    let state = database.state(finalized.root)?.ok_or_else(|| eyre!("the finalized state is missing"))?;
    write_new(&args.out.join(format!("state_{}.ssz", finalized.slot.0)), &state.as_ssz_bytes())?;
    say(&format!(
        "wrote {written} blocks and the finalized state of slot {} to {}",
        finalized.slot,
        args.out.display()
    ));
    Ok(())
}

fn write_new(path: &Path, bytes: &[u8]) -> eyre::Result<()> {
    let written = File::create_new(path).and_then(|mut file| file.write_all(bytes));
    written.wrap_err_with(|| format!("{}: cannot be written", path.display()))
}

fn rewind(args: &RewindArgs) -> eyre::Result<()> {
    let (database, _) = args.data.open()?;
    let dropped = database.rewind()?;
    let finalized = database.checkpoints()?.map(|checkpoints| checkpoints.finalized.slot).unwrap_or_default();
    say(&format!("dropped {dropped} blocks; the chain goes on from slot {finalized}"));
    Ok(())
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
