//! `config.yaml`: what the network agreed on before its first slot.

use std::collections::HashMap;
use std::path::Path;

use lathe_types::{
    Genesis, PublicKey, Root, SignatureScheme, VALIDATOR_REGISTRY_LIMIT, Validator, ValidatorIndex,
    Validators,
};
use serde::Deserialize;
use serde::de::IgnoredAny;
use sha2::{Digest as _, Sha256};

use crate::error::ConfigError;
use crate::files::{MAX_YAML_BYTES, parse_yaml, read_text};
use crate::names::nearest;
use crate::scalar::{Entries, Field, shorten};

/// Digest of networks with plain containers and leanVM proofs, and of every network that names none.
pub const DEFAULT_FORK_DIGEST: &str = "12345678";
/// Most subnets that a network can have: more would leave subnets without a validator.
const MAX_COMMITTEES: u64 = VALIDATOR_REGISTRY_LIMIT;

/// Every name that has a meaning in this file, to us or to a tool.
const NAMES: &[&str] = &[
    "GENESIS_TIME",
    "ATTESTATION_COMMITTEE_COUNT",
    "ACTIVE_EPOCH",
    "VALIDATOR_COUNT",
    "FORK_DIGEST",
    "EXECUTION_GENESIS_BLOCK_HASH",
    "SIGNATURE_SCHEME",
    "GENESIS_VALIDATORS",
    "MAX_ATTESTATIONS_DATA",
];
/// Unknown names that are told of, for a file that is something else altogether.
const MAX_WARNINGS: usize = 16;

const ADVICE: &str = "pass the config.yaml of the network, as `lathe genesis` or lean-quickstart writes it";

/// A parsed `config.yaml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkConfig {
    /// Unix time of slot 0, in seconds.
    pub genesis_time: u64,
    /// Number of attestation subnets, if the file says.
    pub attestation_committee_count: Option<u64>,
    /// Digest in the gossip topics, if the file says.
    pub fork_digest: Option<String>,
    /// Hash of the execution layer's genesis block, if the network is paired with one.
    pub execution_genesis: Option<Root>,
    /// How the validators sign: as the file says, or as the length of their keys does.
    pub signature_scheme: SignatureScheme,
    /// The registry: attestation and proposal key of each validator, by index.
    pub validators: Vec<ValidatorKeys>,
    /// What an operator should hear of the file although it can be used, one line each.
    pub warnings: Vec<String>,
}

/// The two public keys of a validator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValidatorKeys {
    /// Signs votes.
    pub attestation: PublicKey,
    /// Signs block roots.
    pub proposal: PublicKey,
}

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "GENESIS_TIME")]
    genesis_time: Option<String>,
    #[serde(rename = "ATTESTATION_COMMITTEE_COUNT")]
    attestation_committee_count: Option<String>,
    #[serde(rename = "FORK_DIGEST")]
    fork_digest: Option<String>,
    #[serde(rename = "EXECUTION_GENESIS_BLOCK_HASH")]
    execution_genesis: Option<String>,
    #[serde(rename = "VALIDATOR_COUNT")]
    validator_count: Option<String>,
    #[serde(rename = "SIGNATURE_SCHEME")]
    signature_scheme: Option<String>,
    #[serde(rename = "GENESIS_VALIDATORS")]
    genesis_validators: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(alias = "attestation_public_key", alias = "attestationPubkey", alias = "attestationPublicKey")]
    attestation_pubkey: Option<String>,
    #[serde(alias = "proposal_public_key", alias = "proposalPubkey", alias = "proposalPublicKey")]
    proposal_pubkey: Option<String>,
}

impl NetworkConfig {
    /// Reads `config.yaml`.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(path, &read_text(path, MAX_YAML_BYTES, ADVICE)?)
    }

    /// Like [`Self::read`], from the text of the file; errors name it by `path`.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let document: Document = parse_yaml(path, text, ADVICE)?;
        let field = Field::new(path, "GENESIS_TIME");
        let genesis_time =
            field.required(document.genesis_time.as_ref(), "write the Unix time of slot 0 in seconds")?;
        let genesis_time = read_genesis_time(&field, genesis_time)?;
        let entries = document.genesis_validators.unwrap_or_default();
        let field = Field::new(path, "GENESIS_VALIDATORS");
        if entries.is_empty() {
            return Err(field.error("missing or empty", "a network needs at least one validator"));
        }
        if entries.len() as u64 > VALIDATOR_REGISTRY_LIMIT {
            let problem = format!("{} validators", entries.len());
            return Err(field.error(problem, format!("at most {VALIDATOR_REGISTRY_LIMIT} are allowed")));
        }
        check_count(path, document.validator_count.as_ref(), entries.len())?;
        let validators: Vec<ValidatorKeys> = entries
            .iter()
            .enumerate()
            .map(|(index, entry)| entry.read(path, index))
            .collect::<Result<Vec<_>, _>>()?;
        let signature_scheme = read_scheme(path, document.signature_scheme.as_ref(), &validators)?;
        let fork_digest = document.fork_digest.map(|digest| read_fork_digest(path, &digest)).transpose()?;
        let execution_genesis =
            read_execution_genesis(path, document.execution_genesis, fork_digest.as_deref())?;
        let committees = document.attestation_committee_count.as_ref();
        let committees = read_committee_count(path, "ATTESTATION_COMMITTEE_COUNT", committees)?;
        let mut warnings = unknown_names(path, text)?;
        warnings.extend(shared_keys(path, &validators));
        if committees.is_some_and(|count| count > validators.len() as u64) {
            let (path, count) = (path.display(), validators.len());
            warnings.push(format!(
                "{path}: ATTESTATION_COMMITTEE_COUNT: only {count} validators, so some have none"
            ));
        }
        Ok(Self {
            genesis_time,
            attestation_committee_count: committees,
            fork_digest,
            execution_genesis,
            signature_scheme,
            validators,
            warnings,
        })
    }

    /// The genesis that this file describes.
    pub fn genesis(&self) -> Genesis {
        genesis_of(self.genesis_time, &self.validators, self.execution_genesis, self.signature_scheme)
    }

    /// The digest in the gossip topics.
    pub fn fork_digest(&self) -> &str {
        self.fork_digest.as_deref().unwrap_or(DEFAULT_FORK_DIGEST)
    }

    /// The keys of the validator with that index.
    pub fn validator(&self, index: ValidatorIndex) -> Option<&ValidatorKeys> {
        self.validators.get(usize::try_from(index.0).ok()?)
    }
}

impl Entry {
    fn read(&self, path: &Path, index: usize) -> Result<ValidatorKeys, ConfigError> {
        let key = |value: Option<&String>, name: &str| {
            let field = Field::new(path, format!("GENESIS_VALIDATORS[{index}].{name}"));
            field.public_key(field.required(value, "every validator has two keys of 104 hex digits")?)
        };
        Ok(ValidatorKeys {
            attestation: key(self.attestation_pubkey.as_ref(), "attestation_pubkey")?,
            proposal: key(self.proposal_pubkey.as_ref(), "proposal_pubkey")?,
        })
    }
}

/// A genesis of this protocol is neither before it was thought of nor in another century; what looks like either is
/// written in another unit.
fn read_genesis_time(field: &Field<'_>, text: &str) -> Result<u64, ConfigError> {
    const EARLIEST: u64 = 1_577_836_800;
    const LATEST: u64 = 4_102_444_800;
    let time = field.number(text)?;
    let advice = match time {
        EARLIEST..=LATEST => return Ok(time),
        _ if (EARLIEST * 1000..=LATEST * 1000).contains(&time) => {
            format!("this is in milliseconds: write {}", time / 1000)
        }
        _ => "write the Unix time of slot 0 in seconds".into(),
    };
    Err(field.error(format!("{time} is no time between the years 2020 and 2100"), advice))
}

/// The file says twice how many validators there are.
fn check_count(path: &Path, count: Option<&String>, listed: usize) -> Result<(), ConfigError> {
    let field = Field::new(path, "VALIDATOR_COUNT");
    match field.optional_number(count)? {
        Some(count) if count != listed as u64 => Err(field.error(
            format!("{count}, but GENESIS_VALIDATORS lists {listed}"),
            "this would be another network than the one that was meant: take the file from its source again",
        )),
        _ => Ok(()),
    }
}

/// Names that mean nothing to us. Most are notes of some tool; a misspelt one would be lost silently.
fn unknown_names(path: &Path, text: &str) -> Result<Vec<String>, ConfigError> {
    let entries: Entries<IgnoredAny> = parse_yaml(path, text, ADVICE)?;
    let unknown = entries.0.iter().map(|(name, _)| name).filter(|name| !NAMES.contains(&name.as_str()));
    let warning = |name: &String| {
        let meant = nearest(name, NAMES).map(|known| format!("; is {known} meant?")).unwrap_or_default();
        format!("{}: {} is not a name that is known here{meant}", path.display(), shorten(name))
    };
    Ok(unknown.take(MAX_WARNINGS).map(warning).collect())
}

/// A key signs one message per slot, so two validators, or two roles, cannot share one.
fn shared_keys(path: &Path, validators: &[ValidatorKeys]) -> Option<String> {
    let mut owners = HashMap::new();
    for (index, keys) in validators.iter().enumerate() {
        for key in [keys.attestation, keys.proposal] {
            if let Some(other) = owners.insert(key, index) {
                let path = path.display();
                let text = format!("{path}: validators {other} and {index} use one key in two places");
                return Some(text + "; their signatures of one slot would contradict each other");
            }
        }
    }
    None
}

/// The scheme that the file names, or that the length of the keys tells. All keys must be of its length.
fn read_scheme(
    path: &Path,
    name: Option<&String>,
    validators: &[ValidatorKeys],
) -> Result<SignatureScheme, ConfigError> {
    let scheme = match name {
        Some(name) => name.trim().parse::<SignatureScheme>().map_err(|error| {
            let advice = "take the name from the config.yaml of the network, or leave it out for leansig";
            Field::new(path, "SIGNATURE_SCHEME").error(error.to_string(), advice)
        })?,
        None => {
            let first = validators.first().map(|keys| keys.attestation.as_bytes().len());
            first.and_then(SignatureScheme::of_key_bytes).unwrap_or_default()
        }
    };
    for (index, keys) in validators.iter().enumerate() {
        for (key, name) in [(keys.attestation, "attestation_pubkey"), (keys.proposal, "proposal_pubkey")] {
            if !scheme.admits_key(&key) {
                let problem = format!("a key of {} bytes", key.as_bytes().len());
                let advice = format!("keys of {scheme} have {}", scheme.public_key_bytes());
                return Err(
                    Field::new(path, format!("GENESIS_VALIDATORS[{index}].{name}")).error(problem, advice)
                );
            }
        }
    }
    Ok(scheme)
}

/// A committee count must divide validators into at least one subnet.
pub(crate) fn read_committee_count(
    path: &Path,
    name: &str,
    value: Option<&String>,
) -> Result<Option<u64>, ConfigError> {
    let field = Field::new(path, name);
    match field.optional_number(value)? {
        Some(count) if count == 0 || count > MAX_COMMITTEES => Err(field
            .error(format!("{count} committees"), format!("write a number between 1 and {MAX_COMMITTEES}"))),
        count => Ok(count),
    }
}

fn read_fork_digest(path: &Path, value: &str) -> Result<String, ConfigError> {
    let digest: [u8; 4] = Field::new(path, "FORK_DIGEST").hex(value)?;
    Ok(hex::encode(digest))
}

/// A network that is paired with an execution layer never shares its topics with one that is not.
fn read_execution_genesis(
    path: &Path,
    hash: Option<String>,
    fork_digest: Option<&str>,
) -> Result<Option<Root>, ConfigError> {
    let Some(hash) = hash else { return Ok(None) };
    let field = Field::new(path, "EXECUTION_GENESIS_BLOCK_HASH");
    if fork_digest.is_none_or(|digest| digest == DEFAULT_FORK_DIGEST) {
        let problem = format!("given, but FORK_DIGEST is {DEFAULT_FORK_DIGEST} or missing");
        let advice = "a paired network needs a digest of its own; let `lathe genesis --execution-genesis-block-hash` make it";
        return Err(field.error(problem, advice));
    }
    field.hex(&hash).map(|hash| Some(Root::new(hash)))
}

/// Genesis from its parts; a validator's index is its position.
pub(crate) fn genesis_of(
    genesis_time: u64,
    validators: &[ValidatorKeys],
    execution_genesis: Option<Root>,
    signature_scheme: SignatureScheme,
) -> Genesis {
    let registry = validators.iter().enumerate().map(|(index, keys)| Validator {
        attestation_public_key: keys.attestation,
        proposal_public_key: keys.proposal,
        index: ValidatorIndex(index as u64),
    });
    // The registry limit was checked when the validators were read or made.
    let validators = Validators::try_from_iter(registry).unwrap_or_else(|_| Validators::empty());
    Genesis { genesis_time, validators, execution_genesis, signature_scheme }
}

/// Number of attestation subnets, in order of precedence: the command line, `config.yaml`, `validator-config.yaml`, 1.
pub fn committee_count(option: Option<u64>, config: &NetworkConfig, validator_config: Option<u64>) -> u64 {
    option.or(config.attestation_committee_count).or(validator_config).unwrap_or(1)
}

/// Digest of a network that speaks another proof format than the default one, so that foreign messages never meet.
pub fn fork_digest(variant: &str, backend: &str, format_version: u8, genesis_root: Root) -> String {
    let mut hasher = Sha256::new();
    hasher.update(variant.as_bytes());
    hasher.update(backend.as_bytes());
    hasher.update([format_version]);
    hasher.update(genesis_root.0);
    hex::encode(&hasher.finalize()[..4])
}
