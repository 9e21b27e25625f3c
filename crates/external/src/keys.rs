//! Keys of a scheme that no signer of ours is built in for: a worker makes them and signs with them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lathe_aggregation::Cancellation;
use lathe_aggregation_abi::{Answer, Purpose, Request};

use crate::backend::Options;
use crate::connection::{Start, words};
use crate::error::ExternalError;
use crate::supervised::{Incident, Observer, Supervised};
use crate::target::Target;

/// Time to make a key, or to prepare a subtree of one: leanVM takes three seconds for each on an idle machine.
const KEY_LIMIT: Duration = Duration::from_secs(120);
/// Time to sign, a slot: leanVM takes a quarter of a second.
const SIGN_LIMIT: Duration = Duration::from_secs(4);

/// A worker that signs. Whether it may is the ledger's to say, and asked before.
pub struct KeyWorker(Supervised);

impl KeyWorker {
    /// Starts it; fails if it does not sign.
    pub fn start(
        options: &Options,
        observer: impl Fn(&Incident) + Send + Sync + 'static,
    ) -> Result<Self, ExternalError> {
        let (program, target) = (options.program.clone(), options.target.absolute()?);
        let observer: Observer = Arc::new(observer);
        let start = Start { program, target, purpose: Purpose::Sign };
        let (worker, told) = Supervised::start(start, observer)?;
        if !told.signs {
            return Err(ExternalError::Capabilities("worker does not sign"));
        }
        Ok(Self(worker))
    }

    /// A key from a seed of 32 bytes: its public key and its secret.
    pub fn generate(&self, seed: &[u8; 32]) -> Result<(Vec<u8>, Vec<u8>), ExternalError> {
        let both = self.call(&Request::GenerateKey { seed: seed.to_vec() }, KEY_LIMIT)?;
        let field = |bytes: &[u8]| {
            let (length, rest) = bytes.split_first_chunk::<4>()?;
            let (field, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            Some((field.to_vec(), rest.to_vec()))
        };
        let parsed = field(&both).and_then(|(public, rest)| Some((public, field(&rest)?)));
        match parsed {
            Some((public, (secret, rest))) if rest.is_empty() => Ok((public, secret)),
            _ => Err(ExternalError::Garbage("a key that is none".into())),
        }
    }

    /// Does what would delay a signature at that leaf.
    pub fn prepare(&self, secret: &[u8], leaf: u64) -> Result<(), ExternalError> {
        self.call(&Request::PrepareKey { secret: secret.to_vec(), leaf }, KEY_LIMIT).map(drop)
    }

    /// Signs at that leaf.
    pub fn sign(&self, secret: &[u8], leaf: u64, message: &[u8; 32]) -> Result<Vec<u8>, ExternalError> {
        self.call(&Request::Sign { secret: secret.to_vec(), leaf, message: *message }, SIGN_LIMIT)
    }

    fn call(&self, request: &Request, limit: Duration) -> Result<Vec<u8>, ExternalError> {
        match self.0.call(request, limit, &Cancellation::default())?.0 {
            Answer::Done(bytes) => Ok(bytes),
            other => Err(ExternalError::Failed(words(other))),
        }
    }
}

/// The worker of leanVM that `make lean-pq` puts into the data directory of the user, if it is there.
pub fn lean_pq_worker() -> Option<Target> {
    let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    let data = data.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/share")))?;
    let home = data.join("lathe/lean-pq");
    let command = [home.join("env/bin/python"), home.join("worker.py")];
    let is_there = command.iter().all(|path| path.exists());
    is_there.then(|| Target::Command(command.map(|path| path.to_string_lossy().into_owned()).into()))
}
