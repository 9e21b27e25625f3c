//! What only a directory can do: be locked, be foreign, be something else, outlive the process.

use std::fs;
use std::path::{Path, PathBuf};

use lathe_storage::{Database, NetworkId, StorageError};
use tempfile::TempDir;

use crate::chain::{anchor_batch, genesis, import, line, network, unfinalized};

fn directory() -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("data").join("chain");
    (dir, path)
}

fn refusal(path: &Path, network: &NetworkId) -> StorageError {
    lathe_disk::open(path, network).err().expect("refused")
}

#[test]
fn a_reopened_database_has_everything() {
    let (_dir, path) = directory();
    let genesis = genesis();
    let blocks = line(&genesis, [1, 2]);
    let db = lathe_disk::open(&path, &network()).unwrap();
    db.write(&anchor_batch(&genesis)).unwrap();
    blocks.iter().for_each(|block| db.write(&import(block)).unwrap());
    let before = unfinalized(&db);
    drop(db);
    let db = lathe_disk::open(&path, &network()).unwrap();
    assert_eq!(unfinalized(&db), before);
}

#[test]
fn a_second_opener_is_told_so() {
    let (_dir, path) = directory();
    let first = lathe_disk::open(&path, &network()).unwrap();
    let error = refusal(&path, &network());
    assert!(matches!(error, StorageError::Locked { .. }));
    assert_eq!(
        error.to_string(),
        format!(
            "the database at {} is in use by another process: stop that process or choose another data directory",
            path.display()
        )
    );
    drop(first);
    lathe_disk::open(&path, &network()).unwrap();
}

#[test]
fn the_database_of_another_network_is_refused_and_left_alone() {
    let (_dir, path) = directory();
    let db = lathe_disk::open(&path, &network()).unwrap();
    db.write(&anchor_batch(&genesis())).unwrap();
    let before = unfinalized(&db);
    drop(db);
    let other_variant = NetworkId { variant: "execution".into(), ..network() };
    let other_genesis = NetworkId { genesis: genesis().root, ..network() };
    for other in [other_variant, other_genesis] {
        let error = refusal(&path, &other);
        assert!(
            matches!(&error, StorageError::ForeignNetwork { found, .. } if **found == network()),
            "{error}"
        );
        assert!(error.to_string().contains("choose another data directory"));
    }
    assert_eq!(unfinalized(&lathe_disk::open(&path, &network()).unwrap()), before);
}

#[test]
fn a_directory_with_other_files_is_refused_and_left_alone() {
    let (_dir, path) = directory();
    fs::create_dir_all(&path).unwrap();
    fs::write(path.join("thesis.txt"), "years of work").unwrap();
    assert!(matches!(refusal(&path, &network()), StorageError::NotADatabase { .. }));
    let names: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["thesis.txt"]);
}

#[test]
fn another_programs_database_is_refused_and_left_alone() {
    let (_dir, path) = directory();
    fs::create_dir_all(&path).unwrap();
    fs::write(path.join("CURRENT"), "MANIFEST-000004\n").unwrap();
    fs::write(path.join("000008.sst"), "rows").unwrap();
    let files = |path: &Path| {
        let mut names: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = files(&path);
    assert!(matches!(refusal(&path, &network()), StorageError::NotADatabase { .. }));
    assert_eq!(files(&path), before);
}

#[test]
fn a_file_in_the_place_of_the_directory_is_an_error() {
    let (dir, _) = directory();
    let path = dir.path().join("chain");
    fs::write(&path, "not a directory").unwrap();
    assert!(matches!(refusal(&path, &network()), StorageError::Open { .. }));
}

#[test]
fn an_empty_directory_and_an_unfinished_creation_are_no_obstacle() {
    let (dir, path) = directory();
    fs::create_dir_all(&path).unwrap();
    let nursery = dir.path().join("data").join("chain.new");
    fs::create_dir_all(&nursery).unwrap();
    fs::write(nursery.join("chain.redb"), "torn").unwrap();
    lathe_disk::open(&path, &network()).unwrap();
    assert!(!nursery.exists());
}

#[test]
fn a_path_that_cannot_be_made_is_an_error_with_its_cause() {
    let (dir, _) = directory();
    fs::write(dir.path().join("data"), "a file").unwrap();
    let error = refusal(&dir.path().join("data").join("chain"), &network());
    assert!(matches!(error, StorageError::Open { .. }), "{error}");
}

#[test]
fn a_file_with_other_bytes_is_refused_and_left_alone() {
    let (_dir, path) = directory();
    fs::create_dir_all(&path).unwrap();
    for bytes in ["", "years of work"] {
        fs::write(path.join("chain.redb"), bytes).unwrap();
        assert!(matches!(refusal(&path, &network()), StorageError::NotADatabase { .. }), "{bytes}");
        assert_eq!(fs::read_to_string(path.join("chain.redb")).unwrap(), bytes);
    }
}

/// Whatever is damaged, opening and reading never return other rows than were written.
#[test]
fn a_damaged_file_gives_an_error_or_the_rows_that_were_written() {
    let (_dir, path) = directory();
    let file = path.join("chain.redb");
    let genesis = genesis();
    let db = lathe_disk::open(&path, &network()).unwrap();
    db.write(&anchor_batch(&genesis)).unwrap();
    line(&genesis, [1, 2]).iter().for_each(|block| db.write(&import(block)).unwrap());
    let written = unfinalized(&db);
    drop(db);
    let whole = fs::read(&file).unwrap();
    let mut refused = 0;
    for at in (0..whole.len()).step_by(1021) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        fs::write(&file, &damaged).unwrap();
        match lathe_disk::open(&path, &network())
            .and_then(|db| db.unfinalized()?.collect::<Result<Vec<_>, _>>())
        {
            Ok(rows) => assert_eq!(rows, written, "byte {at}"),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 0, "no byte mattered");
}
