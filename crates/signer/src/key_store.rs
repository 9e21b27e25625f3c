//! The secret keys of this node's validators.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lathe_keys::{OutsideSigner, SigningKey, StoredKey};
use lathe_leansig::{Prod, Scheme};
use lathe_ledger::KeyId;
use lathe_types::{KeyRole, PublicKey, SignatureScheme, ValidatorIndex};
use parking_lot::RwLock;
use rayon::prelude::*;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::lock::{LockFailure, lock};

/// Larger than any key file: leanSig's take 8.4 MB, ours some tens of KiB.
const MAX_KEY_FILE_BYTES: u64 = 32 << 20;

/// Which file holds which key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyAssignment {
    /// The validator.
    pub validator: ValidatorIndex,
    /// Which of its two keys.
    pub role: KeyRole,
    /// The file with the secret key, ours or another client's.
    pub path: PathBuf,
    /// The public key that the registry names.
    pub public_key: PublicKey,
}

/// A key, and whether somebody is preparing it.
pub(crate) struct Slotted<S: Scheme> {
    pub(crate) id: KeyId,
    pub(crate) key: RwLock<SigningKey<S>>,
    busy: Arc<AtomicBool>,
    /// Where it came from.
    origin: Option<LockedFile>,
}

/// The file of a key. Its lock lives as long as it is open.
struct LockedFile {
    directory: PathBuf,
    _locked: File,
}

/// A claim to prepare a key; gives it up when dropped, so that lost work is handed out again.
pub(crate) struct Claim(Arc<AtomicBool>);

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl<S: Scheme> Slotted<S> {
    /// Claims the key for preparation; `None` while somebody else does.
    pub(crate) fn claim(&self) -> Option<Claim> {
        (!self.busy.swap(true, Ordering::AcqRel)).then(|| Claim(Arc::clone(&self.busy)))
    }
}

/// The secret keys of this node's validators. Their seeds are wiped when the store is dropped.
pub struct KeyStore<S: Scheme = Prod> {
    keys: HashMap<(ValidatorIndex, KeyRole), Slotted<S>>,
}

impl<S: Scheme> KeyStore<S> {
    /// Reads and locks the assigned key files of a network of that scheme, each recognised by its content, and
    /// checks that each holds the secret of the assigned public key, and that no key serves twice.
    pub fn load(scheme: SignatureScheme, assignments: &[KeyAssignment]) -> Result<Self, Error> {
        Self::load_with(scheme, assignments, None)
    }

    /// The same; where no signer of the scheme is built in, `outside` signs.
    pub fn load_with(
        scheme: SignatureScheme,
        assignments: &[KeyAssignment],
        outside: Option<&Arc<dyn OutsideSigner>>,
    ) -> Result<Self, Error> {
        refuse_shared(assignments)?;
        let keys = assignments.par_iter().map(|assignment| {
            let (key, file) = read_key(scheme, &assignment.path, outside)?;
            Ok((assignment, key, file))
        });
        let mut store = Self::default();
        for (KeyAssignment { validator, role, path, public_key }, key, file) in
            keys.collect::<Result<Vec<_>, Error>>()?
        {
            let (validator, role) = (*validator, *role);
            let found = key.public_key();
            if found != *public_key {
                let (found, expected) = (found.into(), (*public_key).into());
                return Err(Error::OtherKey { path: path.clone(), validator, role, found, expected });
            }
            let directory = directory_of(path);
            store.put(validator, role, key, Some(LockedFile { directory, _locked: file }))?;
        }
        Ok(store)
    }

    /// Adds a key that is in memory already.
    pub fn insert(
        &mut self,
        validator: ValidatorIndex,
        role: KeyRole,
        key: impl Into<SigningKey<S>>,
    ) -> Result<(), Error> {
        self.put(validator, role, key.into(), None)
    }

    fn put(
        &mut self,
        validator: ValidatorIndex,
        role: KeyRole,
        key: SigningKey<S>,
        origin: Option<LockedFile>,
    ) -> Result<(), Error> {
        let id = KeyId::of(&key.public_key());
        let slotted = Slotted { id, key: RwLock::new(key), busy: Arc::default(), origin };
        match self.keys.insert((validator, role), slotted) {
            None => Ok(()),
            Some(_) => Err(Error::AssignedTwice { validator, role }),
        }
    }

    /// The keys that come from files, each with the directory of its file.
    pub(crate) fn places(&self) -> impl Iterator<Item = (KeyId, PathBuf)> {
        self.keys.values().filter_map(|key| Some((key.id, key.origin.as_ref()?.directory.clone())))
    }

    /// Whose a key is.
    pub fn owner_of(&self, id: KeyId) -> Option<(ValidatorIndex, KeyRole)> {
        self.keys.iter().find(|(_, key)| key.id == id).map(|(owner, _)| *owner)
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are no keys: an observer.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(crate) fn get(&self, validator: ValidatorIndex, role: KeyRole) -> Option<&Slotted<S>> {
        self.keys.get(&(validator, role))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (ValidatorIndex, KeyRole, &Slotted<S>)> {
        self.keys.iter().map(|((validator, role), key)| (*validator, *role, key))
    }
}

impl<S: Scheme> Default for KeyStore<S> {
    fn default() -> Self {
        Self { keys: HashMap::new() }
    }
}

impl<S: Scheme> std::fmt::Debug for KeyStore<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyStore").field("keys", &self.len()).finish()
    }
}

/// The directory that a file lies in: the file itself, where the path is a link to it, so that its mark is found from
/// wherever it is used.
pub fn directory_of(path: &Path) -> PathBuf {
    let real = std::fs::canonicalize(path);
    match real.as_deref().unwrap_or(path).parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Refuses a public key that is assigned twice.
fn refuse_shared(assignments: &[KeyAssignment]) -> Result<(), Error> {
    let mut uses = HashMap::new();
    for KeyAssignment { validator, role, public_key, .. } in assignments {
        let second = (*validator, *role);
        match uses.insert(*public_key, second) {
            Some(first) if first == second => {
                return Err(Error::AssignedTwice { validator: *validator, role: *role });
            }
            Some(first) => return Err(Error::SharedKey { first, second }),
            None => {}
        }
    }
    Ok(())
}

/// Reads a key, and locks its file before that.
fn read_key<S: Scheme>(
    scheme: SignatureScheme,
    path: &Path,
    outside: Option<&Arc<dyn OutsideSigner>>,
) -> Result<(SigningKey<S>, File), Error> {
    let mut file = File::open(path).map_err(|source| Error::KeyFile { path: path.to_owned(), source })?;
    lock(&file).map_err(|failure| match failure {
        LockFailure::Held(holder) => Error::KeyInUse { path: path.to_owned(), holder },
        LockFailure::Impossible(source) => Error::NotLockable { path: path.to_owned(), source },
    })?;
    let secret = read_secret(path, &mut file)?;
    let key = SigningKey::decode(scheme, &secret, outside)
        .map_err(|source| Error::Key { path: path.to_owned(), source })?;
    Ok((key, file))
}

/// Reads a key to look at it, whoever uses it; its file says what it is.
pub fn inspect_key<S: Scheme>(path: &Path) -> Result<StoredKey<S>, Error> {
    let mut file = File::open(path).map_err(|source| Error::KeyFile { path: path.to_owned(), source })?;
    let secret = read_secret(path, &mut file)?;
    StoredKey::decode(&secret).map_err(|source| Error::Key { path: path.to_owned(), source })
}

fn read_secret(path: &Path, file: &mut File) -> Result<Zeroizing<Vec<u8>>, Error> {
    let failed = |source| Error::KeyFile { path: path.to_owned(), source };
    let bytes = file.metadata().map_err(failed)?.len();
    if bytes > MAX_KEY_FILE_BYTES {
        return Err(Error::KeyFileSize { path: path.to_owned(), bytes });
    }
    // Of the right size from the start: a vector that grows leaves copies of the secret behind.
    let mut secret = Zeroizing::new(vec![0; usize::try_from(bytes).unwrap_or_default()]);
    file.read_exact(&mut secret).map_err(failed)?;
    Ok(secret)
}
