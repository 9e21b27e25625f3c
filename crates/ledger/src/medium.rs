//! Where bytes outlive a process, as a trait: a file in a node, something that forgets in a test.

use std::io;

/// What ledger and marks ask of the place that keeps them.
pub trait Medium: Send {
    /// Where that is, for messages.
    fn location(&self) -> String;

    /// All of it; `None` if nothing was ever written.
    fn read(&mut self) -> io::Result<Option<Vec<u8>>>;

    /// Up to `length` bytes from `offset` on, fewer where it ends.
    fn read_at(&mut self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let all = self.read()?.unwrap_or_default();
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(all.len());
        let to = from.saturating_add(length).min(all.len());
        Ok(all[from..to].to_vec())
    }

    /// Puts other contents in its place: after a crash there is the old or the new, and once this returned, the new.
    fn replace(&mut self, contents: &[u8]) -> io::Result<()>;

    /// Writes bytes at an offset, extending the contents if need be. Not durable before [`Medium::sync`]: a power loss
    /// keeps any part of it.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Returns once all that was written survives a power loss.
    fn sync(&mut self) -> io::Result<()>;
}
