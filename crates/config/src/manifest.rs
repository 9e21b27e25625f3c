//! `hash-sig-keys/` and its `validator-keys-manifest.yaml`: which key files there are and which slots they cover.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

use lathe_types::{KeyRole, PublicKey, SignatureScheme, VALIDATOR_REGISTRY_LIMIT, ValidatorIndex};
use serde::Deserialize;

use crate::error::ConfigError;
use crate::files::{MAX_YAML_BYTES, parse_yaml, read_text};
use crate::scalar::Field;

/// Name of the manifest.
pub const MANIFEST_FILE: &str = "validator-keys-manifest.yaml";

const ADVICE: &str = "it should be the validator-keys-manifest.yaml that the key generator wrote";

/// The keys of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The slots that every key covers, if the file says.
    pub slots: Option<Range<u64>>,
    /// The validators' keys.
    pub validators: Vec<ManifestEntry>,
}

/// The keys of one validator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestEntry {
    /// The validator.
    pub index: ValidatorIndex,
    /// Public key that votes are checked with.
    pub attestation: PublicKey,
    /// Public key that blocks are checked with.
    pub proposal: PublicKey,
    /// Secret key file for votes.
    pub attestation_file: String,
    /// Secret key file for blocks.
    pub proposal_file: String,
}

#[derive(Deserialize)]
struct Document {
    first_slot: Option<String>,
    num_active_epochs: Option<String>,
    validators: Option<Vec<Row>>,
}

#[derive(Deserialize)]
struct Row {
    index: String,
    #[serde(alias = "attestation_public_key_hex")]
    attester_key_pubkey_hex: Option<String>,
    #[serde(alias = "proposal_public_key_hex")]
    proposer_key_pubkey_hex: Option<String>,
    #[serde(alias = "attestation_private_key_file")]
    attester_key_privkey_file: Option<String>,
    #[serde(alias = "proposal_private_key_file")]
    proposer_key_privkey_file: Option<String>,
}

impl Manifest {
    /// Reads a manifest of ours or of one of the known key generators.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(path, &read_text(path, MAX_YAML_BYTES, ADVICE)?)
    }

    /// Like [`Self::read`], from the text of the file; errors name it by `path`.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let document: Document = parse_yaml(path, text, ADVICE)?;
        let rows = document.validators.unwrap_or_default();
        if rows.len() as u64 > VALIDATOR_REGISTRY_LIMIT {
            let problem = format!("{} validators", rows.len());
            let advice = format!("at most {VALIDATOR_REGISTRY_LIMIT} are allowed");
            return Err(ConfigError::field(path, "validators", problem, advice));
        }
        let count =
            Field::new(path, "num_active_epochs").optional_number(document.num_active_epochs.as_ref())?;
        let first =
            Field::new(path, "first_slot").optional_number(document.first_slot.as_ref())?.unwrap_or(0);
        Ok(Self {
            slots: count.map(|count| first..first.saturating_add(count)),
            validators: rows
                .iter()
                .enumerate()
                .map(|(at, row)| row.read(path, at))
                .collect::<Result<_, _>>()?,
        })
    }

    /// The secret key file that the manifest names.
    pub fn secret_key_file(&self, index: ValidatorIndex, role: KeyRole) -> Option<&str> {
        let entry = self.validators.iter().find(|entry| entry.index == index)?;
        Some(match role {
            KeyRole::Attestation => &entry.attestation_file,
            KeyRole::Proposal => &entry.proposal_file,
        })
    }

    pub(crate) fn to_yaml(&self, scheme: SignatureScheme, key_format: &str) -> String {
        let slots = self.slots.clone().unwrap_or_default();
        let count = slots.end - slots.start;
        let mut out = String::from(
            "# Two keys per validator. Secret: the *_sk.ssz files. Slots beyond the range cannot be signed.\n",
        );
        let (key_scheme, hash) = match scheme {
            SignatureScheme::Leansig => ("SIGTopLevelTargetSumLifetime32Dim46Base8", "Poseidon1"),
            SignatureScheme::XmssBlake2s | SignatureScheme::XmssBlake2sL3 => {
                ("XmssTargetSumLifetime32Dim42Base8", "BLAKE2s")
            }
            SignatureScheme::LeanPq => ("lean-pq", "BLAKE2s"),
        };
        let _ =
            writeln!(out, "key_scheme: \"{key_scheme}\"\nhash_function: \"{hash}\"\nencoding: \"TargetSum\"");
        if scheme != SignatureScheme::Leansig {
            // The same key_scheme is written for keys of other hashes and layouts; this name says which it is.
            let _ =
                writeln!(out, "signature_scheme: \"{scheme}\"\npubkey_bytes: {}", scheme.public_key_bytes());
        }
        out.push_str("lifetime: 4294967296\n");
        let _ = writeln!(out, "key_format: \"{key_format}\"\nfirst_slot: {}", slots.start);
        let _ = writeln!(out, "log_num_active_epochs: {}", count.max(1).next_power_of_two().ilog2());
        let _ = writeln!(
            out,
            "num_active_epochs: {count}\nnum_validators: {}\nvalidators:",
            self.validators.len()
        );
        for entry in &self.validators {
            let _ = writeln!(out, "  - index: {}", entry.index);
            let _ = writeln!(out, "    proposer_key_pubkey_hex: \"{}\"", entry.proposal);
            let _ = writeln!(out, "    proposer_key_privkey_file: \"{}\"", entry.proposal_file);
            let _ = writeln!(out, "    attester_key_pubkey_hex: \"{}\"", entry.attestation);
            let _ = writeln!(out, "    attester_key_privkey_file: \"{}\"", entry.attestation_file);
        }
        out
    }
}

impl Row {
    fn read(&self, path: &Path, at: usize) -> Result<ManifestEntry, ConfigError> {
        let field = |name: &str| Field::new(path, format!("validators[{at}].{name}"));
        let index = field("index").validator_index(&self.index)?;
        let key = |value: Option<&String>, name: &str| {
            let field = field(name);
            field.public_key(field.required(value, "generate the keys again")?)
        };
        let file =
            |value: &Option<String>, role| value.clone().unwrap_or_else(|| secret_key_file(index, role));
        let entry = ManifestEntry {
            index,
            attestation: key(self.attester_key_pubkey_hex.as_ref(), "attester_key_pubkey_hex")?,
            proposal: key(self.proposer_key_pubkey_hex.as_ref(), "proposer_key_pubkey_hex")?,
            attestation_file: file(&self.attester_key_privkey_file, KeyRole::Attestation),
            proposal_file: file(&self.proposer_key_privkey_file, KeyRole::Proposal),
        };
        if entry.attestation == entry.proposal || entry.attestation_file == entry.proposal_file {
            let problem = format!("validator {index} has one key in both roles");
            return Err(field("proposer_key_pubkey_hex")
                .error(problem, "a key signs one message per slot; generate the keys again"));
        }
        Ok(entry)
    }
}

/// Standard name of a secret key file.
pub fn secret_key_file(index: ValidatorIndex, role: KeyRole) -> String {
    format!("{}_sk.ssz", key_stem(index, role))
}

/// Standard name of a public key file.
pub fn public_key_file(index: ValidatorIndex, role: KeyRole) -> String {
    format!("{}_pk.ssz", key_stem(index, role))
}

fn key_stem(index: ValidatorIndex, role: KeyRole) -> String {
    match role {
        KeyRole::Attestation => format!("validator_{index}_attester_key"),
        KeyRole::Proposal => format!("validator_{index}_proposer_key"),
    }
}
