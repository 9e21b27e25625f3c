//! `annotated_validators.yaml` and `validators.yaml`: which validators a node runs, and where their keys are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lathe_types::{KeyRole, PublicKey, ValidatorIndex};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::ConfigError;
use crate::files::{MAX_YAML_BYTES, parse_yaml, read_text};
use crate::manifest::{MANIFEST_FILE, Manifest, secret_key_file};
use crate::network_config::NetworkConfig;
use crate::scalar::{Entries, Field, shorten};

const ADVICE: &str = "it should map node names to lists of validators";

/// The keys that a node signs with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Duties {
    /// Whether the file names the node at all. One that it does not name is an observer, perhaps by a typing error.
    pub is_listed: bool,
    /// Two keys per validator, ordered by index, then role.
    pub keys: Vec<KeyFile>,
}

/// A secret key file and what the registry says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFile {
    /// Whose.
    pub validator: ValidatorIndex,
    /// Which of its keys.
    pub role: KeyRole,
    /// The file.
    pub path: PathBuf,
    /// The public key that it must belong to.
    pub public_key: PublicKey,
}

#[derive(Deserialize)]
struct Row {
    #[serde(alias = "validator_index", alias = "validatorIndex")]
    index: String,
    #[serde(alias = "pubkeyHex", alias = "public_key_hex")]
    pubkey_hex: Option<String>,
    #[serde(alias = "privkeyFile", alias = "private_key_file")]
    privkey_file: Option<String>,
}

/// One row per key.
type Annotated = Entries<Option<Vec<Row>>>;
/// One number per validator.
type Plain = Entries<Option<Vec<String>>>;

#[derive(Deserialize)]
struct Wrapped<T> {
    validators: T,
}

impl Duties {
    /// Reads the duties of `node` from a file in either form, told apart by its content. Key files are looked for in
    /// `keys_dir`.
    pub fn read(
        path: &Path,
        keys_dir: &Path,
        node: &str,
        config: &NetworkConfig,
    ) -> Result<Self, ConfigError> {
        Self::parse(path, &read_text(path, MAX_YAML_BYTES, ADVICE)?, keys_dir, node, config)
    }

    /// Like [`Self::read`], from the text of the file; errors name it by `path`.
    pub fn parse(
        path: &Path,
        text: &str,
        keys_dir: &Path,
        node: &str,
        config: &NetworkConfig,
    ) -> Result<Self, ConfigError> {
        // The annotated form says more, so its complaint is the one worth showing.
        let error = match parse::<Annotated>(path, text) {
            Ok(Some(nodes)) => return Self::from_annotated(path, keys_dir, node, nodes, config),
            Ok(None) => return Ok(Self::default()),
            Err(error) => error,
        };
        match parse::<Plain>(path, text) {
            Ok(Some(nodes)) => Self::from_plain(path, keys_dir, node, nodes, config),
            _ => Err(error),
        }
    }

    /// The validators, ascending.
    pub fn validators(&self) -> Vec<ValidatorIndex> {
        let mut validators: Vec<_> = self.keys.iter().map(|key| key.validator).collect();
        validators.dedup();
        validators
    }

    fn from_annotated(
        path: &Path,
        keys_dir: &Path,
        node: &str,
        nodes: Annotated,
        config: &NetworkConfig,
    ) -> Result<Self, ConfigError> {
        let Some((_, rows)) = nodes.0.into_iter().find(|(name, _)| name == node) else {
            return Ok(Self::default());
        };
        let mut keys = BTreeMap::new();
        for (at, row) in rows.unwrap_or_default().iter().enumerate() {
            let key = row.read(path, &format!("{node}[{at}]"), keys_dir, config)?;
            if keys.contains_key(&(key.validator, key.role)) {
                let problem = format!("a second {} key for validator {}", role_name(key.role), key.validator);
                return Err(ConfigError::field(
                    path,
                    format!("{node}[{at}]"),
                    problem,
                    "remove one of the rows",
                ));
            }
            keys.insert((key.validator, key.role), key);
        }
        for (validator, role) in keys.keys() {
            let other = match role {
                KeyRole::Attestation => KeyRole::Proposal,
                KeyRole::Proposal => KeyRole::Attestation,
            };
            if !keys.contains_key(&(*validator, other)) {
                let problem = format!("validator {validator} has no {} key", role_name(other));
                return Err(ConfigError::field(
                    path,
                    node,
                    problem,
                    "every validator needs two rows, one per key",
                ));
            }
        }
        Self::of(path, node, keys)
    }

    /// The duties of a node that has these keys, unless one of them serves twice: it signs one message per slot, so the
    /// second duty would be lost slot by slot.
    fn of(
        path: &Path,
        node: &str,
        keys: BTreeMap<(ValidatorIndex, KeyRole), KeyFile>,
    ) -> Result<Self, ConfigError> {
        let mut uses = BTreeMap::new();
        for key in keys.values() {
            let file = format!("the file {}", key.path.display());
            for what in [format!("the key {}", shorten(&key.public_key.to_string())), file] {
                let whose = format!("the {} of validator {}", role_name(key.role), key.validator);
                if let Some(other) = uses.insert(what.clone(), whose.clone()) {
                    let problem = format!("{what} serves twice, as {other} and as {whose}");
                    let advice =
                        "a key signs one message per slot; generate a key for each role of each validator";
                    return Err(ConfigError::field(path, node, problem, advice));
                }
            }
        }
        Ok(Self { is_listed: true, keys: keys.into_values().collect() })
    }

    fn from_plain(
        path: &Path,
        keys_dir: &Path,
        node: &str,
        nodes: Plain,
        config: &NetworkConfig,
    ) -> Result<Self, ConfigError> {
        let Some((_, indices)) = nodes.0.into_iter().find(|(name, _)| name == node) else {
            return Ok(Self::default());
        };
        let manifest_path = keys_dir.join(MANIFEST_FILE);
        let manifest = manifest_path.exists().then(|| Manifest::read(&manifest_path)).transpose()?;
        let mut keys = BTreeMap::new();
        for (at, value) in indices.unwrap_or_default().iter().enumerate() {
            let field = Field::new(path, format!("{node}[{at}]"));
            let index = field.validator_index(value)?;
            for role in [KeyRole::Attestation, KeyRole::Proposal] {
                let file = manifest
                    .as_ref()
                    .and_then(|manifest| manifest.secret_key_file(index, role))
                    .map_or_else(|| secret_key_file(index, role), str::to_owned);
                let public_key = registered(&field, index, role, config)?;
                let key = KeyFile { validator: index, role, path: keys_dir.join(file), public_key };
                keys.insert((index, role), key);
            }
        }
        Self::of(path, node, keys)
    }
}

impl Row {
    fn read(
        &self,
        path: &Path,
        name: &str,
        keys_dir: &Path,
        config: &NetworkConfig,
    ) -> Result<KeyFile, ConfigError> {
        let field = |part: &str| Field::new(path, format!("{name}.{part}"));
        let validator = field("index").validator_index(&self.index)?;
        let file = field("privkey_file")
            .required(self.privkey_file.as_ref(), "name the secret key file of the row")?;
        let role = role_of(file).ok_or_else(|| {
            let problem = format!("{} tells neither attester nor proposer", shorten(file));
            field("privkey_file").error(problem, "name it like validator_0_attester_key_sk.ssz")
        })?;
        let public_key = registered(&field("index"), validator, role, config)?;
        if let Some(stated) = &self.pubkey_hex
            && field("pubkey_hex").public_key(stated)? != public_key
        {
            let problem = format!("not the {} key of validator {validator} in config.yaml", role_name(role));
            return Err(field("pubkey_hex").error(problem, "use the files of one and the same genesis"));
        }
        Ok(KeyFile { validator, role, path: keys_dir.join(file), public_key })
    }
}

/// The document, bare or below `validators:`; `None` if it is empty.
fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<Option<T>, ConfigError> {
    parse_yaml::<Wrapped<T>>(path, text, ADVICE)
        .map(|wrapped| Some(wrapped.validators))
        .or_else(|_| parse_yaml::<Option<T>>(path, text, ADVICE))
}

fn registered(
    field: &Field<'_>,
    index: ValidatorIndex,
    role: KeyRole,
    config: &NetworkConfig,
) -> Result<PublicKey, ConfigError> {
    let keys = config.validator(index).ok_or_else(|| {
        let problem =
            format!("there is no validator {index} among the {} in config.yaml", config.validators.len());
        field.error(problem, "use the files of one and the same genesis")
    })?;
    Ok(match role {
        KeyRole::Attestation => keys.attestation,
        KeyRole::Proposal => keys.proposal,
    })
}

/// The role that a key file's name tells.
fn role_of(file: &str) -> Option<KeyRole> {
    let name = file.rsplit('/').next().unwrap_or(file);
    let has = |words: [&str; 2]| words.iter().any(|word| name.contains(word));
    match (has(["attester", "attestation"]), has(["proposer", "proposal"])) {
        (true, false) => Some(KeyRole::Attestation),
        (false, true) => Some(KeyRole::Proposal),
        _ => None,
    }
}

fn role_name(role: KeyRole) -> &'static str {
    match role {
        KeyRole::Attestation => "attester",
        KeyRole::Proposal => "proposer",
    }
}
