//! Reading the workspace from disk.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::Violation;
use crate::house::{House, PAGE};
use crate::source::{Source, TestModule};

/// A member of the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crate {
    /// Name without the prefix of our packages: that of its directory.
    pub name: String,
    /// Its manifest, relative to the workspace.
    pub manifest: String,
    /// What it is built with, and on which line of the manifest; dependencies of tests alone are left out.
    pub dependencies: Vec<(String, usize)>,
    /// Whether it is a workspace of its own, which merely lies among ours.
    pub stands_alone: bool,
}

impl Crate {
    /// Reads a manifest as far as dependencies go. Tables may be written inline or with headers of their own.
    pub fn parse(name: &str, manifest: &str, text: &str) -> Self {
        let mut in_dependencies = false;
        let mut dependencies = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if let Some(header) = line.strip_prefix('[') {
                let header = header.trim_end_matches(']');
                in_dependencies = is_dependencies(header);
                // [dependencies.name]
                if let Some((table, dependency)) = header.rsplit_once('.')
                    && is_dependencies(table)
                {
                    dependencies.push((dependency.to_owned(), index + 1));
                }
            } else if in_dependencies && !line.starts_with('#') {
                let key = line.split(['=', '.']).next().unwrap_or_default().trim();
                if !key.is_empty() {
                    dependencies.push((key.to_owned(), index + 1));
                }
            }
        }
        let stands_alone = text.lines().any(|line| line.trim() == "[workspace]");
        Self { name: name.to_owned(), manifest: manifest.to_owned(), dependencies, stands_alone }
    }
}

/// `dependencies`, `build-dependencies`, or either for one target.
fn is_dependencies(table: &str) -> bool {
    let table = table.rsplit('.').next().unwrap_or_default();
    matches!(table, "dependencies" | "build-dependencies")
}

/// The directory that holds the root manifest.
#[derive(Clone, Debug)]
pub struct Workspace {
    root: PathBuf,
}

/// Names of what holds nothing of ours.
const SKIPPED: [&str; 3] = [".git", "target", ".devnet"];
/// No text of ours is longer; what is, is data.
const MAX_TEXT_BYTES: u64 = 1 << 20;

impl Workspace {
    /// The workspace in `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The table of crates.
    pub fn house(&self) -> io::Result<Result<House, Violation>> {
        Ok(House::parse(&fs::read_to_string(self.root.join(PAGE))?))
    }

    /// The members, by the manifests that are there.
    pub fn crates(&self) -> io::Result<Vec<Crate>> {
        let mut crates = Vec::new();
        for file in self.files()? {
            let Some(folder) = file.strip_suffix("/Cargo.toml") else { continue };
            let name = folder.rsplit('/').next().unwrap_or_default();
            crates.push(Crate::parse(name, &file, &fs::read_to_string(self.root.join(&file))?));
        }
        Ok(crates)
    }

    /// Every Rust file. Test code is what lies in `tests/` or `benches/`, or is declared under `#[cfg(test)]`.
    pub fn sources(&self) -> io::Result<Vec<Source>> {
        let mut sources = Vec::new();
        for file in self.files()?.into_iter().filter(|file| file.ends_with(".rs")) {
            let text = fs::read_to_string(self.root.join(&file))?;
            let is_test = file.split('/').any(|part| part == "tests" || part == "benches");
            sources.push(Source::new(file, text, is_test));
        }
        let tests: Vec<String> = sources.iter().flat_map(declared_test_files).collect();
        let is_test = |file: &str| {
            tests.iter().any(|test| file == format!("{test}.rs") || file.starts_with(&format!("{test}/")))
        };
        let mark = |source: Source| match is_test(&source.file) {
            true => Source::new(source.file, source.text, true),
            false => source,
        };
        Ok(sources.into_iter().map(mark).collect())
    }

    /// Every file that holds text, with its text.
    pub fn texts(&self) -> io::Result<Vec<(String, String)>> {
        let mut texts = Vec::new();
        for file in self.files()? {
            let path = self.root.join(&file);
            if fs::metadata(&path)?.len() > MAX_TEXT_BYTES {
                continue;
            }
            if let Ok(text) = String::from_utf8(fs::read(path)?) {
                texts.push((file, text));
            }
        }
        Ok(texts)
    }

    /// Every file, relative to the workspace, sorted.
    fn files(&self) -> io::Result<Vec<String>> {
        let mut files = Vec::new();
        self.collect(&self.root, &mut files)?;
        files.sort();
        Ok(files)
    }

    fn collect(&self, dir: &Path, files: &mut Vec<String>) -> io::Result<()> {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            // In a linked work tree .git is a file.
            if SKIPPED.iter().any(|skipped| entry.file_name() == *skipped) {
                continue;
            }
            if kind.is_dir() {
                self.collect(&entry.path(), files)?;
            } else if kind.is_file()
                && let Ok(relative) = entry.path().strip_prefix(&self.root)
                && let Some(name) = relative.to_str()
            {
                files.push(name.to_owned());
            }
        }
        Ok(())
    }
}

/// Paths without `.rs` of the test modules that a file declares.
fn declared_test_files(source: &Source) -> Vec<String> {
    let (folder, name) = source.file.rsplit_once('/').unwrap_or(("", &source.file));
    let below = match name {
        "mod.rs" | "lib.rs" | "main.rs" => folder.to_owned(),
        _ => format!("{folder}/{}", name.trim_end_matches(".rs")),
    };
    let file = |module: TestModule| match module.path {
        Some(path) => format!("{folder}/{}", path.trim_end_matches(".rs")),
        None => format!("{below}/{}", module.name),
    };
    source.test_modules().into_iter().map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_are_read_in_every_spelling() {
        let text = "[package]\nname = \"a\"\n[dependencies]\n# b = 1\nc.workspace = true\nd = { version = \"1\" }\n\n\
                    [dev-dependencies]\ne = \"1\"\n[build-dependencies]\nf = \"1\"\n[dependencies.g]\nversion = \"1\"\n\
                    [target.'cfg(unix)'.dependencies]\nh = \"1\"\n[lints]\nworkspace = true\n";
        let names: Vec<_> = Crate::parse("a", "Cargo.toml", text).dependencies;
        let expected = [("c", 5), ("d", 6), ("f", 11), ("g", 12), ("h", 15)];
        assert_eq!(names, expected.map(|(name, line)| (name.to_owned(), line)));
    }

    #[test]
    fn test_modules_lie_beside_or_below_their_file() {
        let declared =
            |file: &str| declared_test_files(&Source::new(file, "#[cfg(test)]\nmod tests;", false));
        assert_eq!(declared("crates/a/src/lib.rs"), ["crates/a/src/tests"]);
        assert_eq!(declared("crates/a/src/b/mod.rs"), ["crates/a/src/b/tests"]);
        assert_eq!(declared("crates/a/src/b.rs"), ["crates/a/src/b/tests"]);
        let elsewhere =
            Source::new("crates/a/src/b.rs", "#[cfg(test)]\n#[path = \"c.rs\"]\nmod tests;", false);
        assert_eq!(declared_test_files(&elsewhere), ["crates/a/src/c"]);
    }
}
