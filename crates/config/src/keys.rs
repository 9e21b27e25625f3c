//! Making the `hash-sig-keys/` directory.

use std::fs;
use std::path::{Path, PathBuf};

use lathe_keys::{KeyError, KeyFormat, SigningKey, is_built_in};
use lathe_types::{KeyRole, PublicKey, SignatureScheme, VALIDATOR_REGISTRY_LIMIT, ValidatorIndex};
use rand::rngs::{StdRng, SysRng};
use rand::{Rng as _, SeedableRng as _};
use zeroize::Zeroizing;

use crate::directory::KEYS_DIR;
use crate::error::ConfigError;
use crate::files::{Access, create, create_dir};
use crate::manifest::{MANIFEST_FILE, Manifest, ManifestEntry, public_key_file, secret_key_file};

/// Slots that the keys of any scheme can cover at most.
const MAX_SLOTS: u64 = 1 << 32;

/// Which keys to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPlan {
    /// Validators; each gets two keys.
    pub validators: u64,
    /// Slots that each key can sign, from slot 0 on.
    pub slots: u64,
    /// How they are stored.
    pub format: KeyFormat,
    /// How they sign.
    pub scheme: SignatureScheme,
}

/// A public key, and the bytes of the file with its secret.
pub type MadeKey = (PublicKey, Zeroizing<Vec<u8>>);

/// Makes a key of a scheme that no signer of ours is built in for, from a seed and the number of its slots.
pub type KeyMaker<'a> = &'a (dyn Fn(&[u8; 32], u64) -> Result<MadeKey, String> + Sync);

/// Hears of the work done and of its total, in slots summed over all keys, from any thread.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Sync);

impl KeyPlan {
    /// Whether such keys can be made.
    pub fn check(&self) -> Result<(), ConfigError> {
        let refuse = |option, problem: String| Err(ConfigError::Plan { option, problem });
        if self.validators == 0 || self.validators > VALIDATOR_REGISTRY_LIMIT {
            let problem =
                format!("{}, but must be between 1 and {VALIDATOR_REGISTRY_LIMIT}", self.validators);
            return refuse("--validators", problem);
        }
        if self.slots == 0 || self.slots > MAX_SLOTS {
            let problem = format!("{}, but must be between 1 and {MAX_SLOTS}", self.slots);
            return refuse("--slots", problem);
        }
        if !self.format.holds(self.scheme) {
            let (name, others) = (self.format.name(), KeyFormat::of_others(self.scheme).name());
            let problem = format!("{name} holds no keys of {}; lathe and {others} do", self.scheme);
            return refuse("--format", problem);
        }
        if let Some(least) = self.format.least_slots()
            && (self.slots < least || !self.slots.is_multiple_of(self.format.span()))
        {
            let problem = format!(
                "{}, but leanSig's format only holds multiples of {} slots, {least} at least; leave --format away",
                self.slots,
                self.format.span()
            );
            return refuse("--slots", problem);
        }
        Ok(())
    }

    fn work_per_key(&self) -> u64 {
        self.slots.saturating_add(self.format.work())
    }

    fn work(&self) -> u64 {
        self.work_per_key().saturating_mul(2 * self.validators)
    }
}

/// Writes a secret key into a file that does not exist yet, readable by its owner alone.
pub fn write_secret_key(
    path: &Path,
    format: KeyFormat,
    key: &SigningKey,
    progress: Progress<'_>,
) -> Result<(), ConfigError> {
    let total = format.work();
    let secret = key.encode(format, |done| progress(done, total));
    let secret = secret.map_err(|source| ConfigError::Convert { path: path.into(), source })?;
    create(path, &secret, Access::OwnerOnly)
}

/// Makes keys in `out/hash-sig-keys/`, which must not exist. It appears only when it is complete.
/// Keys of a scheme without a signer of ours are made by `maker`.
pub fn generate_keys(
    out: &Path,
    plan: &KeyPlan,
    maker: Option<KeyMaker<'_>>,
    progress: Progress<'_>,
) -> Result<Manifest, ConfigError> {
    plan.check()?;
    let target = keys_dir_for(out)?;
    create_dir(out)?;
    let partial = tempfile::Builder::new()
        .prefix(".hash-sig-keys-")
        .tempdir_in(out)
        .map_err(|error| ConfigError::write(out, error))?;
    let manifest = generate_into(partial.path(), plan, maker, progress)?;
    let partial = partial.keep();
    fs::rename(&partial, &target).map_err(|error| ConfigError::write(&target, error))?;
    Ok(manifest)
}

/// The directory that keys below `out` would be made in; an error if something is there.
fn keys_dir_for(out: &Path) -> Result<PathBuf, ConfigError> {
    let path = out.join(KEYS_DIR);
    if path.exists() {
        let advice = "keys that signed once must never be replaced; choose another --out";
        return Err(ConfigError::Exists { path, advice });
    }
    Ok(path)
}

/// Makes the files of the plan and the manifest in the empty directory `dir`.
pub(crate) fn generate_into(
    dir: &Path,
    plan: &KeyPlan,
    maker: Option<KeyMaker<'_>>,
    progress: Progress<'_>,
) -> Result<Manifest, ConfigError> {
    let mut rng =
        StdRng::try_from_rng(&mut SysRng).map_err(|error| ConfigError::Entropy(error.to_string()))?;
    let mut validators = Vec::new();
    let mut keys_done = 0;
    for index in (0..plan.validators).map(ValidatorIndex) {
        let mut make = |role| {
            let done = plan.work_per_key().saturating_mul(keys_done);
            keys_done += 1;
            make_key(dir, (plan, maker), (index, role), &mut rng, |slots| {
                progress(done.saturating_add(slots), plan.work())
            })
        };
        validators.push(ManifestEntry {
            index,
            attestation: make(KeyRole::Attestation)?,
            proposal: make(KeyRole::Proposal)?,
            attestation_file: secret_key_file(index, KeyRole::Attestation),
            proposal_file: secret_key_file(index, KeyRole::Proposal),
        });
    }
    let manifest = Manifest { slots: Some(0..plan.slots), validators };
    create(
        &dir.join(MANIFEST_FILE),
        manifest.to_yaml(plan.scheme, plan.format.name()).as_bytes(),
        Access::Everybody,
    )?;
    Ok(manifest)
}

fn make_key(
    dir: &Path,
    (plan, maker): (&KeyPlan, Option<KeyMaker<'_>>),
    (index, role): (ValidatorIndex, KeyRole),
    rng: &mut StdRng,
    progress: impl Fn(u64) + Sync,
) -> Result<PublicKey, ConfigError> {
    let failed = |error: KeyError| ConfigError::Key { validator: index.0, detail: error.to_string() };
    let (secret, public_key) = if is_built_in(plan.scheme) {
        let key: SigningKey =
            SigningKey::generate(plan.scheme, rng, 0..plan.slots, &progress).map_err(failed)?;
        let secret = key.encode(plan.format, |done| progress(plan.slots + done)).map_err(failed)?;
        (secret, key.public_key())
    } else {
        make_outside(plan, maker, rng).map_err(|detail| ConfigError::Key { validator: index.0, detail })?
    };
    progress(plan.work_per_key());
    create(&dir.join(secret_key_file(index, role)), &secret, Access::OwnerOnly)?;
    create(&dir.join(public_key_file(index, role)), public_key.as_bytes(), Access::Everybody)?;
    Ok(public_key)
}

/// A key that a worker makes.
fn make_outside(
    plan: &KeyPlan,
    maker: Option<KeyMaker<'_>>,
    rng: &mut StdRng,
) -> Result<(Zeroizing<Vec<u8>>, PublicKey), String> {
    let maker = maker.ok_or_else(|| {
        format!("no signer of {} is built in: name a worker, as --aggregation-backend lean-pq", plan.scheme)
    })?;
    let mut seed = Zeroizing::new([0; 32]);
    rng.fill_bytes(&mut *seed);
    let (public, secret) = maker(&seed, plan.slots)?;
    if !plan.scheme.admits_key(&public) {
        return Err("the worker made a public key of another length".into());
    }
    Ok((secret, public))
}
