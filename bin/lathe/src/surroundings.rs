//! What the machine gives this process, as far as it matters: open files, and who may read its secrets.

use std::path::Path;

use tracing::warn;

/// Open files that a node may need: 64 HTTP clients, its sockets, its database, and as much again for libraries.
const ENOUGH_FILES: u64 = 512;

/// Raises the limit on open files as far as the system lets us. The usual soft limit is meant for programs of old.
pub(crate) fn raise_file_limit() {
    let reached = rlimit::increase_nofile_limit(u64::MAX);
    if let Some(line) = too_few(reached.ok()) {
        warn!("{line}");
    }
}

/// What to say of the limit that was reached.
fn too_few(reached: Option<u64>) -> Option<String> {
    let files = reached.filter(|files| *files < ENOUGH_FILES)?;
    Some(format!(
        "this process may open {files} files only, and {ENOUGH_FILES} should be allowed: connections may fail; raise the hard \
         limit (ulimit -Hn, LimitNOFILE=, --ulimit nofile=)"
    ))
}

/// Warns of secrets that others on this machine can read, in one line.
pub(crate) fn warn_of_open_secrets<'a>(files: impl Iterator<Item = &'a Path>) {
    if let Some(line) = open_secrets(files) {
        warn!("{line}");
    }
}

/// Warns of key files that have another name: what they sign under it leaves no mark here.
pub(crate) fn warn_of_linked_keys<'a>(files: impl Iterator<Item = &'a Path>) {
    if let Some(line) = linked_keys(files) {
        warn!("{line}");
    }
}

fn linked_keys<'a>(files: impl Iterator<Item = &'a Path>) -> Option<String> {
    let linked: Vec<&Path> = files.filter(|file| links_of(file) > 1).collect();
    let first = linked.first()?.display();
    let more = match linked.len() {
        1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    Some(format!(
        "key files have other names (hard links): {first}{more}; never start a node with them under another name, where \
         nobody knows what they have signed here"
    ))
}

#[cfg(unix)]
fn links_of(file: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(file).map_or(1, |metadata| metadata.nlink())
}

#[cfg(not(unix))]
fn links_of(_: &Path) -> u64 {
    1
}

fn open_secrets<'a>(files: impl Iterator<Item = &'a Path>) -> Option<String> {
    let open: Vec<&Path> = files.filter(|file| others_can_read(file)).collect();
    let first = open.first()?.display();
    let more = match open.len() {
        1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    Some(format!("secret files can be read by others on this machine: {first}{more}; chmod 600 closes them"))
}

#[cfg(unix)]
fn others_can_read(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o044 != 0)
}

#[cfg(not(unix))]
fn others_can_read(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_too_low_is_told() {
        assert_eq!(too_few(Some(ENOUGH_FILES)), None);
        assert_eq!(too_few(None), None, "there is no such limit");
        assert!(too_few(Some(64)).unwrap().starts_with("this process may open 64 files only"));
        // Raising it gives what the hard limit allows.
        raise_file_limit();
        let (soft, hard) = rlimit::getrlimit(rlimit::Resource::NOFILE).unwrap();
        assert!(soft == hard || soft >= 1 << 16, "{soft} of {hard}");
    }

    #[test]
    #[cfg(unix)]
    fn keys_with_two_names_are_told_in_one_line() {
        let dir = tempfile::tempdir().unwrap();
        let [first, second, link] = ["a", "b", "c"].map(|name| dir.path().join(name));
        std::fs::write(&first, "secret").unwrap();
        std::fs::write(&second, "secret").unwrap();
        let keys = || [first.as_path(), second.as_path()].into_iter();
        assert_eq!(linked_keys(keys()), None);
        std::fs::hard_link(&second, link).unwrap();
        let line = linked_keys(keys()).unwrap();
        assert!(line.starts_with(&format!("key files have other names (hard links): {};", second.display())));
    }

    #[test]
    #[cfg(unix)]
    fn secrets_that_others_can_read_are_told_in_one_line() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, mode| {
            let path = dir.path().join(name);
            std::fs::write(&path, "secret").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            path
        };
        let (closed, group, all) = (file("a", 0o600), file("b", 0o640), file("c", 0o644));
        let told = |files: &[&Path]| open_secrets(files.iter().copied());
        assert_eq!(told(&[&closed, &dir.path().join("missing")]), None);
        assert_eq!(
            told(&[&closed, &group]).unwrap(),
            format!(
                "secret files can be read by others on this machine: {}; chmod 600 closes them",
                group.display()
            )
        );
        assert!(told(&[&all, &group]).unwrap().contains(" and 1 more; chmod 600"));
    }
}
