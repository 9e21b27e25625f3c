//! `lathe keys`: makes validator keys, says what they are, and converts them.

mod inspect;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use lathe_config::{KEYS_DIR, KeyFormat, KeyPlan, generate_keys};
use lathe_types::{SECONDS_PER_SLOT, SignatureScheme};

use crate::output::say;
use crate::progress::KeyProgress;

const EXAMPLES: &str = "\
Examples:
  lathe keys generate --validators 4 --slots 4096 --out net
      keys for four and a half hours of 4-second slots, in net/hash-sig-keys
  lathe keys generate --validators 1 --slots 262144 --out net --format leansig
      a key that other clients can read; takes minutes and 8 MiB per key
  lathe keys generate --validators 4 --slots 4096 --out net \\
      --signature-scheme xmss-blake2s --format postcard
      the same for a network that signs with XMSS over BLAKE2s
  lathe keys inspect net/hash-sig-keys --config net/config.yaml
      what each key is, how many slots it has left, and where it is used

A key signs every slot once and cannot be extended. Keep *_sk.ssz secret, and
never use a copy in two places.";

/// Work with validator keys
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum KeysCommand {
    /// Make two keys per validator, one for votes and one for blocks
    #[command(after_help = EXAMPLES)]
    Generate(GenerateArgs),
    /// Say what secret key files hold: scheme, format, range, public key, slots left, and use
    Inspect(InspectArgs),
    /// Write a secret key in the other format
    #[command(after_help = CONVERT)]
    Convert(ConvertArgs),
}

const CONVERT: &str = "\
A copy of a key is the key: two nodes that sign with copies of one give it
away. Put the original out of use before the copy signs. The mark beside the
key, which says what it has signed, goes along.";

/// Arguments of `lathe keys inspect`.
#[derive(Args, Debug)]
pub(crate) struct InspectArgs {
    /// Secret key files, or directories of *_sk.ssz files
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// config.yaml of a network, to see where the keys are used in it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON, one object per key, with whole public keys
    #[arg(long)]
    json: bool,
}

/// Arguments of `lathe keys convert`.
#[derive(Args, Debug)]
pub(crate) struct ConvertArgs {
    /// Secret key file of any format; no node may be using it
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Format to write
    #[arg(long, value_enum, value_name = "FORMAT")]
    to: Format,
    /// File to write; never overwritten
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Arguments of `lathe keys generate`.
#[derive(Args, Debug)]
pub(crate) struct GenerateArgs {
    /// Validators; each gets two keys
    #[arg(long, value_name = "N")]
    validators: u64,
    /// Slots that each key can sign, from slot 0 on; the work grows with them
    #[arg(long, value_name = "N")]
    slots: u64,
    /// Directory to make hash-sig-keys/ in; keys that are there are never overwritten
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How the keys sign: leansig, xmss-blake2s or xmss-blake2s-l3
    #[arg(long, value_name = "SCHEME", default_value_t)]
    signature_scheme: SignatureScheme,
    /// How secret keys are stored
    #[arg(long, value_enum, default_value_t = Format::Lathe)]
    format: Format,
}

/// Formats of secret key files.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Format {
    /// A few kilobytes, any number of slots, any scheme
    Lathe,
    /// For leansig: 8 MiB, multiples of 65,536 slots, readable by every client
    Leansig,
    /// For xmss-blake2s: a few kilobytes, any number of slots, as other clients have it
    Postcard,
}

impl From<Format> for KeyFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Lathe => Self::Lathe,
            Format::Leansig => Self::Leansig,
            Format::Postcard => Self::Postcard,
        }
    }
}

/// Runs a `lathe keys` command.
pub(crate) fn run(command: &KeysCommand) -> eyre::Result<()> {
    match command {
        KeysCommand::Generate(args) => generate(args),
        KeysCommand::Inspect(args) => inspect::inspect(args),
        KeysCommand::Convert(args) => inspect::convert(args),
    }
}

fn generate(args: &GenerateArgs) -> eyre::Result<()> {
    let (format, scheme) = (args.format.into(), args.signature_scheme);
    let plan = KeyPlan { validators: args.validators, slots: args.slots, format, scheme };
    let progress = KeyProgress::new();
    let made = generate_keys(&args.out, &plan, None, &|done, total| progress.set(done, total));
    progress.finish();
    let manifest = made?;
    say(&format!(
        "made {} keys for slots 0 to {} ({}) in {}",
        2 * manifest.validators.len(),
        args.slots - 1,
        lasting(args.slots),
        args.out.join(KEYS_DIR).display()
    ));
    Ok(())
}

/// How long a number of slots lasts, in the largest unit that gives a number above two.
pub(crate) fn lasting(slots: u64) -> String {
    let seconds = slots.saturating_mul(SECONDS_PER_SLOT);
    for (unit, length) in [("days", 86_400), ("hours", 3_600), ("minutes", 60)] {
        if seconds > 2 * length {
            return format!("{} {unit}", seconds / length);
        }
    }
    format!("{seconds} seconds")
}

#[cfg(test)]
mod tests {
    #[test]
    fn durations_are_said_in_a_fitting_unit() {
        assert_eq!(super::lasting(1), "4 seconds");
        assert_eq!(super::lasting(31), "2 minutes");
        assert_eq!(super::lasting(4096), "4 hours");
        assert_eq!(super::lasting(262_144), "12 days");
    }
}
