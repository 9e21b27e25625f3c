//! `lathe signer serve`: keys and ledger in a process of their own.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use clap::Args;
use eyre::{WrapErr as _, bail};
use lathe_config::{Duties, NetworkConfig, NetworkPaths};
use lathe_signer::{KeyAssignment, KeyStore, Locked, Server, Shared, SignError, Signer, SignerAddress};
use lathe_types::{SECONDS_PER_SLOT, Slot};
use tracing::{info, warn};
use zeroize::Zeroizing;

use super::current_slot;
use crate::{signals, surroundings};

const EXAMPLES: &str = "\
Examples:
  lathe signer serve --network-dir net --node-id lathe_0 \\
      --listen unix:signer.sock --ledger-dir signer-ledger
      hold the keys of lathe_0 ...
  lathe node --network-dir net --node-id lathe_0 \\
      --remote-signer unix:signer.sock
      ... and sign with them from a node, or from two, each for the other

A socket file is for its owner alone. A TCP port needs --token-file on both
sides and is not encrypted: use loopback, or a tunnel.";

/// How often the system clock is compared with the time that passed.
const CLOCK_LOOK_EVERY: Duration = Duration::from_secs(1);
/// Longest token file.
const MAX_TOKEN_BYTES: u64 = 1024;

/// Arguments of `lathe signer serve`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ServeArgs {
    /// Network directory with config.yaml, the validators' file and hash-sig-keys/
    #[arg(long, value_name = "DIR")]
    network_dir: PathBuf,
    /// Node whose validators' keys are held, such as lathe_0
    #[arg(long, value_name = "NAME")]
    node_id: String,
    /// Directory of the secret keys; default: hash-sig-keys in the network directory
    #[arg(long, value_name = "DIR", alias = "hash-sig-key-dir")]
    hash_sig_keys_dir: Option<PathBuf>,
    /// Directory of the signing ledger
    #[arg(long, value_name = "DIR")]
    ledger_dir: PathBuf,
    /// Where to listen: unix:PATH or HOST:PORT
    #[arg(long, value_name = "ADDRESS")]
    listen: SignerAddress,
    /// File with the word that nodes have to know; needed for HOST:PORT
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Let keys sign again what they have signed for another genesis: gives them away, only for throw-away networks
    #[arg(long)]
    allow_key_reuse: bool,
}

/// Serves until it is stopped.
pub(super) fn run(args: &ServeArgs) -> eyre::Result<()> {
    // Each secret key file stays open as long as it is locked.
    surroundings::raise_file_limit();
    // What is on disk is made for an end at any moment.
    signals::end_with(0);
    let token = token(&args.listen, args.token_file.as_deref())?;
    let mut paths = NetworkPaths::in_directory(&args.network_dir, &args.node_id);
    if let Some(directory) = &args.hash_sig_keys_dir {
        paths.keys_dir.clone_from(directory);
    }
    let config = NetworkConfig::read(&paths.config)?;
    let Some(validators) = &paths.validators else {
        bail!("{}: there is no annotated_validators.yaml or validators.yaml", args.network_dir.display());
    };
    let duties = Duties::read(validators, &paths.keys_dir, &args.node_id, &config)?;
    if duties.keys.is_empty() {
        bail!("--node-id {}: no validators are assigned to this node", args.node_id);
    }
    let secrets = duties.keys.iter().map(|key| key.path.as_path());
    surroundings::warn_of_linked_keys(secrets.clone());
    surroundings::warn_of_open_secrets(secrets.chain(args.token_file.as_deref()));
    let signer = open(args, duties, &config)?;
    let keys = signer.keys().len();
    let shared = Shared { signer, genesis_time: config.genesis_time, token, on_failure: end_process };
    let server = Server::bind(&args.listen, shared)
        .wrap_err_with(|| format!("--listen {}: cannot listen there", args.listen))?;
    info!(keys, listening = server.address()?, "signer ready");
    let (shared, genesis_time) = (server.shared(), config.genesis_time);
    std::thread::Builder::new()
        .name("clock".into())
        .spawn(move || watch_clock(&shared.signer, genesis_time))
        .wrap_err("cannot start a thread")?;
    server.run();
    Ok(())
}

fn open(args: &ServeArgs, duties: Duties, config: &NetworkConfig) -> eyre::Result<Signer> {
    let genesis_time = config.genesis_time;
    let assignments = duties.keys.into_iter().map(|key| KeyAssignment {
        validator: key.validator,
        role: key.role,
        path: key.path,
        public_key: key.public_key,
    });
    let keys = KeyStore::load(config.signature_scheme, &assignments.collect::<Vec<_>>())?;
    let locked = Locked::take(keys, &args.ledger_dir, genesis_time)?;
    let slot = current_slot(genesis_time).map(Slot);
    if args.allow_key_reuse {
        warn!(
            "--allow-key-reuse: keys may sign again what they have signed for another genesis, which gives them away"
        );
    }
    let signer = locked.open(slot, None, args.allow_key_reuse)?;
    if !signer.opened().is_clean() {
        let (from_slot, found) = (signer.watermark().0, signer.opened());
        warn!(from_slot, "the signing ledger does not vouch for every slot: {found}; duties rest until then");
    }
    for directory in signer.unmarked() {
        warn!(
            "{} cannot be written, so what its keys have signed is only known to the ledger directory: never wipe {} \
             while these keys are in use",
            directory.display(),
            args.ledger_dir.display()
        );
    }
    signer.prepare_now(slot.unwrap_or_default())?;
    Ok(signer)
}

/// The word of a token file, without the line end.
pub(crate) fn token(address: &SignerAddress, file: Option<&Path>) -> eyre::Result<Zeroizing<String>> {
    let Some(path) = file else {
        if matches!(address, SignerAddress::Tcp(_)) {
            bail!(
                "{address}: a TCP port needs a token on both sides, such as that of: openssl rand -hex 32 > token"
            );
        }
        return Ok(Zeroizing::default());
    };
    let bytes =
        std::fs::metadata(path).wrap_err_with(|| format!("{}: cannot be read", path.display()))?.len();
    if bytes > MAX_TOKEN_BYTES {
        bail!("{}: larger than {MAX_TOKEN_BYTES} bytes, so no token", path.display());
    }
    let text = Zeroizing::new(std::fs::read_to_string(path).wrap_err_with(|| path.display().to_string())?);
    let word = text.trim();
    if word.len() < 16 {
        bail!("{}: a token has 16 characters at least", path.display());
    }
    Ok(Zeroizing::new(word.to_owned()))
}

/// Tells the ledger when the system clock was wrong and is set back by more than a slot, as the clock of a node does.
fn watch_clock(signer: &Signer, genesis_time: u64) {
    let read = || (SystemTime::now(), Instant::now());
    let mut before = read();
    loop {
        std::thread::sleep(CLOCK_LOOK_EVERY);
        let now = read();
        let expected = before.0 + (now.1 - before.1);
        before = now;
        if expected.duration_since(now.0).is_ok_and(|back| back > Duration::from_secs(SECONDS_PER_SLOT)) {
            match signer.clock_corrected(current_slot(genesis_time).map(Slot), None) {
                Ok(Some(from_slot)) => {
                    info!(
                        from_slot = from_slot.0,
                        "the clock was set back: keys sign again from this slot on"
                    );
                }
                Ok(None) => {}
                Err(failure) => end_process(&failure),
            }
        }
    }
}

/// A ledger that failed signs nothing any more, so there is nothing to serve.
fn end_process(failure: &SignError) {
    eprintln!("error: {failure}");
    signals::exit(1);
}
