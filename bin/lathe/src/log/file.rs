//! A log file that never outgrows its share of the disk: a full one is renamed, and the oldest is removed.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The file, and how far it may grow.
pub(super) struct RotatingFile {
    path: PathBuf,
    file: File,
    written: u64,
    max_bytes: u64,
    kept: usize,
}

impl RotatingFile {
    /// Goes on with the file at `path`. At `max_bytes` it becomes `path.1`, and `kept` such files remain.
    pub(super) fn open(path: &Path, max_bytes: u64, kept: usize) -> io::Result<Self> {
        let file = append(path)?;
        let written = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, written, max_bytes, kept })
    }

    fn numbered(&self, number: usize) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        if number > 0 {
            name.push(format!(".{number}"));
        }
        name.into()
    }

    fn rotate(&mut self) -> io::Result<()> {
        for number in (0..self.kept).rev() {
            match std::fs::rename(self.numbered(number), self.numbered(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        if self.kept == 0 {
            self.file.set_len(0)?;
        }
        self.file = append(&self.path)?;
        self.written = 0;
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

impl Write for RotatingFile {
    /// A line is written whole, so that none is split between two files.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.written > 0 && self.written + line.len() as u64 > self.max_bytes {
            self.rotate()?;
        }
        self.file.write_all(line)?;
        self.written += line.len() as u64;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_files_are_kept_up_to_a_number_and_lines_stay_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lathe.log");
        std::fs::write(&path, "before\n").unwrap();
        let mut file = RotatingFile::open(&path, 16, 2).unwrap();
        for number in 1..=6 {
            file.write_all(format!("line {number}\n").as_bytes()).unwrap();
        }
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap_or_default();
        assert_eq!(read("lathe.log"), "line 6\n");
        assert_eq!(read("lathe.log.1"), "line 4\nline 5\n");
        assert_eq!(read("lathe.log.2"), "line 2\nline 3\n");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3, "the oldest is gone");
        let mut alone = RotatingFile::open(&path, 16, 0).unwrap();
        alone.write_all(b"a line that is longer\n").unwrap();
        assert_eq!(read("lathe.log"), "a line that is longer\n");
    }
}
