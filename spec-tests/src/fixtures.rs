//! Finding and opening fixtures.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use lathe_types::RejectionReason;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::outcome::{Failure, Outcome, Verdict};

/// Names the directory that holds `<set>/consensus/<kind>/...`.
pub const FIXTURES_ENV: &str = "LATHE_SPEC_FIXTURES";

/// Where the fixtures are when [`FIXTURES_ENV`] does not say: beside the workspace.
const DEFAULT_DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/leanspec-fixtures");

/// Why the fixtures could not be read. A case that disagrees is a [`Failure`] instead.
#[derive(Debug, thiserror::Error)]
pub enum FixtureError {
    /// A directory or file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// What was to be read.
        path: PathBuf,
        /// Why it could not.
        source: io::Error,
    },
    /// A file is not a JSON object of cases.
    #[error("{} is not a fixture: {detail}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
}

/// A directory of fixtures.
#[derive(Clone, Debug)]
pub struct Fixtures {
    root: PathBuf,
}

impl Fixtures {
    /// The fixtures named by the environment or lying beside the workspace; `Err` is the directory that is not there.
    pub fn locate() -> Result<Self, PathBuf> {
        Self::at(env::var_os(FIXTURES_ENV).map_or_else(|| PathBuf::from(DEFAULT_DIR), PathBuf::from))
    }

    /// The fixtures in `root`; `Err` gives it back when it is not a directory.
    pub fn at(root: PathBuf) -> Result<Self, PathBuf> {
        if root.is_dir() { Ok(Self { root }) } else { Err(root) }
    }

    /// The directory itself; its `keys/` holds the key pairs that the fixtures were made with.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The sets, sorted: the subdirectories that have a `consensus` directory.
    pub fn sets(&self) -> Result<Vec<String>, FixtureError> {
        let mut sets = subdirectories(&self.root)?;
        sets.retain(|set| self.root.join(set).join("consensus").is_dir());
        Ok(sets)
    }

    /// The kinds of cases in any set, sorted.
    pub fn kinds(&self) -> Result<Vec<String>, FixtureError> {
        let mut kinds = Vec::new();
        for set in self.sets()? {
            kinds.extend(subdirectories(&self.root.join(set).join("consensus"))?);
        }
        kinds.sort();
        kinds.dedup();
        Ok(kinds)
    }

    /// Files of one kind in every set, sorted within a set.
    pub fn files(&self, kind: &str) -> Result<Vec<FixtureFile>, FixtureError> {
        let mut files = Vec::new();
        for set in self.sets()? {
            let mut paths = Vec::new();
            collect_json(&self.root.join(&set).join("consensus").join(kind), &mut paths)?;
            paths.sort();
            files.extend(paths.into_iter().map(|path| FixtureFile {
                set: set.clone(),
                kind: kind.to_owned(),
                path,
            }));
        }
        Ok(files)
    }
}

/// One JSON file with one or more named cases.
#[derive(Clone, Debug)]
pub struct FixtureFile {
    /// The set: `test`, `prod`, ...
    pub set: String,
    /// The kind, by its directory's name.
    pub kind: String,
    /// Where the file is.
    pub path: PathBuf,
}

impl FixtureFile {
    /// The cases by their ids. One with an unknown header is a failure of that case alone.
    pub fn cases(&self) -> Result<Vec<NamedCase>, FixtureError> {
        let text =
            fs::read(&self.path).map_err(|source| FixtureError::Io { path: self.path.clone(), source })?;
        let cases: Map<String, Value> = serde_json::from_slice(&text).map_err(|error| {
            FixtureError::Malformed { path: self.path.clone(), detail: error.to_string() }
        })?;
        Ok(cases
            .into_iter()
            .map(|(name, value)| {
                let id = format!("{}/{}/{name}", self.set, self.kind);
                (id.clone(), Case::parse(id, &self.kind, value))
            })
            .collect())
    }
}

/// A case under its id, or what is wrong with its header.
pub type NamedCase = (String, Result<Case, Failure>);

/// The signature scheme that a case was made with (`leanEnv`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// The specification's small test scheme.
    Test,
    /// The production scheme.
    Prod,
}

/// What the proofs in a case are (`proofSetting`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofSetting {
    /// Absent or mocked: accepted without verification.
    Mocked,
    /// Real, and must verify.
    Valid,
    /// Real, and must be refused.
    Invalid,
}

/// One case of a fixture: what every kind says of itself, and the part that only its runner understands.
#[derive(Clone, Debug)]
pub struct Case {
    /// Set, kind and name.
    pub id: String,
    /// The kind, by its directory's name.
    pub kind: String,
    /// Scheme of its keys and signatures.
    pub scheme: Scheme,
    /// What its proofs are.
    pub proof_setting: ProofSetting,
    /// The rejection that the case as a whole must end in.
    pub rejection: Option<RejectionReason>,
    body: Value,
}

impl Case {
    fn parse(id: String, kind: &str, value: Value) -> Result<Self, Failure> {
        let Value::Object(mut body) = value else {
            return Err(Failure::new("an object", "another JSON value"));
        };
        body.remove("_info");
        let network = body.remove("network").unwrap_or_default();
        if network != "Lstar" {
            return Err(Failure::new("network Lstar", network));
        }
        let scheme = match body.remove("leanEnv").unwrap_or_default() {
            Value::String(name) if name == "test" => Scheme::Test,
            Value::String(name) if name == "prod" => Scheme::Prod,
            other => return Err(Failure::new("leanEnv test or prod", other)),
        };
        let proof_setting = match body.remove("proofSetting").unwrap_or_default().as_u64() {
            Some(0) => ProofSetting::Mocked,
            Some(1) => ProofSetting::Valid,
            Some(2) => ProofSetting::Invalid,
            _ => return Err(Failure::new("proofSetting 0, 1 or 2", "something else")),
        };
        let rejection = match body.remove("rejectionReason") {
            None | Some(Value::Null) => None,
            Some(name) => Some(
                name.as_str()
                    .and_then(RejectionReason::from_name)
                    .ok_or_else(|| Failure::new("a known rejectionReason", name))?,
            ),
        };
        Ok(Self { id, kind: kind.to_owned(), scheme, proof_setting, rejection, body: Value::Object(body) })
    }

    /// The part of the case that belongs to its kind. `T` denies unknown fields, so that nothing in a fixture is
    /// passed over in silence.
    pub fn body<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        T::deserialize(&self.body).map_err(|error| Failure::new("a case in the known shape", error))
    }

    /// Compares how the case ended with what it asks for: success, or exactly the rejection that it names.
    pub fn expect_rejection(&self, found: Option<RejectionReason>) -> Outcome {
        if self.rejection == found {
            return Ok(Verdict::Passed);
        }
        let name = |reason: Option<RejectionReason>| reason.map_or("acceptance", RejectionReason::name);
        Err(Failure::new(name(self.rejection), name(found)))
    }
}

fn subdirectories(dir: &Path) -> Result<Vec<String>, FixtureError> {
    let mut names: Vec<String> = entries(dir)?
        .into_iter()
        .filter(|path| path.is_dir())
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    Ok(names)
}

/// Adds every `.json` file below `dir`; a directory that is not there has none.
fn collect_json(dir: &Path, files: &mut Vec<PathBuf>) -> Result<(), FixtureError> {
    if !dir.is_dir() {
        return Ok(());
    }
    for path in entries(dir)? {
        if path.is_dir() {
            collect_json(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    Ok(())
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, FixtureError> {
    let read = || fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>();
    read().map_err(|source| FixtureError::Io { path: dir.to_owned(), source })
}
