//! Lines that others can bring about are said sparingly: a few, then how many more there were.

use std::time::{Duration, Instant};

/// Lines in a period.
const LINES: u32 = 6;
/// The period.
const PERIOD: Duration = Duration::from_secs(60);

/// How many lines of one kind were said.
#[derive(Debug, Default)]
pub(crate) struct Sparing {
    began: Option<Instant>,
    said: u32,
    kept_back: u64,
}

impl Sparing {
    /// Whether a line is said now, and if so, how many were kept back since the last one.
    pub(crate) fn admits(&mut self, now: Instant) -> Option<u64> {
        if self.began.is_none_or(|began| now.duration_since(began) >= PERIOD) {
            (self.began, self.said) = (Some(now), 0);
        }
        if self.said == LINES {
            self.kept_back += 1;
            return None;
        }
        self.said += 1;
        Some(std::mem::take(&mut self.kept_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_a_few_lines_and_a_number() {
        let (mut sparing, start) = (Sparing::default(), Instant::now());
        let said = (0..100).filter(|_| sparing.admits(start) == Some(0)).count();
        assert_eq!(said, LINES as usize);
        assert_eq!(sparing.admits(start + PERIOD), Some(94));
        assert_eq!(sparing.admits(start + PERIOD), Some(0));
    }
}
