//! Finding and opening fixtures.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use lathe_types::RejectionReason;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

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

/// Fixture files: all below a directory, or one.
#[derive(Clone, Debug)]
pub struct Fixtures {
    files: Vec<FixtureFile>,
}

impl Fixtures {
    /// The fixtures named by the environment or lying beside the workspace; `Err` is the directory that is not there.
    pub fn locate() -> Result<Result<Self, FixtureError>, PathBuf> {
        let root = default_root();
        if root.is_dir() { Ok(Self::at(&root)) } else { Err(root) }
    }

    /// The fixtures at `path`: a directory that holds `<set>/consensus/<kind>/...`, anything below it, or one file.
    ///
    /// Files that lie elsewhere than below a `consensus` directory count only if there are no others.
    pub fn at(path: &Path) -> Result<Self, FixtureError> {
        let io = |source| FixtureError::Io { path: path.to_owned(), source };
        let root = fs::canonicalize(path).map_err(io)?;
        let mut paths = Vec::new();
        if root.is_dir() {
            collect_json(&root, &mut paths)?
        } else {
            paths.push(root)
        }
        paths.sort();
        let mut files: Vec<FixtureFile> = paths.into_iter().map(FixtureFile::new).collect();
        if files.iter().any(|file| file.kind.is_some()) {
            files.retain(|file| file.kind.is_some());
        }
        Ok(Self { files })
    }

    /// The files, by path.
    pub fn files(&self) -> &[FixtureFile] {
        &self.files
    }

    /// The files of one kind, by their directories.
    pub fn of_kind(&self, kind: &str) -> Self {
        let is_of_kind = |file: &&FixtureFile| file.kind.as_deref() == Some(kind);
        Self { files: self.files.iter().filter(is_of_kind).cloned().collect() }
    }
}

/// The directory that the environment names, or the one beside the workspace.
fn default_root() -> PathBuf {
    env::var_os(FIXTURES_ENV).map_or_else(|| PathBuf::from(DEFAULT_DIR), PathBuf::from)
}

/// One JSON file with one or more named cases.
#[derive(Clone, Debug)]
pub struct FixtureFile {
    /// Where the file is.
    pub path: PathBuf,
    /// The set, by the directory that holds `consensus`: `test`, `prod`, ...
    set: Option<String>,
    /// The kind, by the directory below `consensus`.
    kind: Option<String>,
}

impl FixtureFile {
    fn new(path: PathBuf) -> Self {
        let names: Vec<&str> = path.iter().filter_map(|name| name.to_str()).collect();
        // The file itself is no kind.
        let at = names.iter().rposition(|name| *name == "consensus").filter(|at| at + 2 < names.len());
        let name = |at: Option<usize>| at.and_then(|at| names.get(at)).map(|name| (*name).to_owned());
        let (set, kind) = (name(at.and_then(|at| at.checked_sub(1))), name(at.map(|at| at + 1)));
        Self { set, kind, path }
    }

    /// The cases by their ids. One with an unknown header is a failure of that case alone.
    pub fn cases(&self) -> Result<Vec<NamedCase>, FixtureError> {
        let malformed = |detail: String| FixtureError::Malformed { path: self.path.clone(), detail };
        let text =
            fs::read(&self.path).map_err(|source| FixtureError::Io { path: self.path.clone(), source })?;
        let cases: Map<String, Value> =
            serde_json::from_slice(&text).map_err(|error| malformed(error.to_string()))?;
        let named = |(name, value): (String, Value)| {
            let kind = self.kind.clone().or_else(|| stated_kind(&value));
            let kind = kind.ok_or_else(|| malformed(format!("{name} does not say of which kind it is")))?;
            let place: String = self.set.iter().flat_map(|set| [set.as_str(), "/"]).collect();
            let id = format!("{place}{kind}/{name}");
            Ok(NamedCase { kind: kind.clone(), case: Case::parse(&id, &kind, &self.path, value), id })
        };
        cases.into_iter().map(named).collect()
    }
}

/// The kind that a case states itself.
fn stated_kind(case: &Value) -> Option<String> {
    let format = case["_info"]["fixtureFormat"].as_str()?;
    Some(format.strip_suffix("_test").unwrap_or(format).to_owned())
}

/// A case under its id, or what is wrong with its header.
#[derive(Clone, Debug)]
pub struct NamedCase {
    /// Set, kind and name.
    pub id: String,
    /// The kind.
    pub kind: String,
    /// The case.
    pub case: Result<Case, Failure>,
}

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
    /// The kind.
    pub kind: String,
    /// The file that it was read from.
    pub file: PathBuf,
    /// Scheme of its keys and signatures.
    pub scheme: Scheme,
    /// What its proofs are.
    pub proof_setting: ProofSetting,
    /// The reason that the case as a whole must be rejected for, in the fixture's words: one that this client does not
    /// know is one that it never gives.
    pub rejection: Option<String>,
    body: Value,
}

impl Case {
    /// Reads a case that came out of `file`.
    pub fn parse(id: &str, kind: &str, file: &Path, value: Value) -> Result<Self, Failure> {
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
            Some(Value::String(name)) => Some(name),
            Some(other) => return Err(Failure::new("a rejectionReason in words", other)),
        };
        Ok(Self {
            id: id.to_owned(),
            kind: kind.to_owned(),
            file: file.to_owned(),
            scheme,
            proof_setting,
            rejection,
            body: Value::Object(body),
        })
    }

    /// Reads a case that somebody sends rather than a file holds. Its header may be left out: then it is of the
    /// production scheme, and its proofs are real and said to be valid.
    pub fn from_request(kind: &str, mut value: Value) -> Result<Self, Failure> {
        if let Value::Object(body) = &mut value {
            for (key, usual) in
                [("network", json!("Lstar")), ("leanEnv", json!("prod")), ("proofSetting", json!(1))]
            {
                body.entry(key).or_insert(usual);
            }
        }
        Self::parse(kind, kind, Path::new(""), value)
    }

    /// The directory with the key pairs that the fixtures were made with: beside the sets, wherever the file lies
    /// below them, or with the fixtures that are used otherwise.
    pub fn keys_dir(&self) -> PathBuf {
        let beside = |dir: &Path| Some(dir.join("keys")).filter(|keys| keys.is_dir());
        self.file.ancestors().skip(1).find_map(beside).unwrap_or_else(|| default_root().join("keys"))
    }

    /// Whether the case must be rejected for that reason.
    pub fn expects(&self, reason: RejectionReason) -> bool {
        self.rejection.as_deref() == Some(reason.name())
    }

    /// The part of the case that belongs to its kind. `T` denies unknown fields, so that nothing in a fixture is
    /// passed over in silence.
    pub fn body<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        T::deserialize(&self.body).map_err(|error| Failure::new("a case in the known shape", error))
    }

    /// Compares how the case ended with what it asks for: success, or exactly the rejection that it names.
    pub fn expect_rejection(&self, found: Option<RejectionReason>) -> Outcome {
        let (expected, found) = (self.rejection.as_deref(), found.map(RejectionReason::name));
        if expected == found {
            return Ok(Verdict::Passed);
        }
        Err(Failure::new(expected.unwrap_or("acceptance"), found.unwrap_or("acceptance")))
    }
}

/// Adds every `.json` file below `dir`.
fn collect_json(dir: &Path, files: &mut Vec<PathBuf>) -> Result<(), FixtureError> {
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
