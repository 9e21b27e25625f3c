//! Whether this node has peers, and since when it has none.

use std::time::{Duration, Instant};

/// Without a peer for this long the operator hears of it: several dials to every bootnode.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause until it is said again.
const AGAIN: Duration = Duration::from_secs(600);

/// Looks at the number of peers from time to time.
#[derive(Debug, Default)]
pub(super) struct Alone {
    since: Option<Instant>,
    said: Option<Instant>,
}

/// What is to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// No peer for so long.
    Alone(Duration),
    /// There are peers again, after it was said that there are none.
    Over,
}

impl Alone {
    /// Takes in how many peers there are `now`.
    pub(super) fn look(&mut self, peers: usize, now: Instant) -> Option<News> {
        if peers > 0 {
            self.since = None;
            return self.said.take().map(|_| News::Over);
        }
        let alone_for = now.duration_since(*self.since.get_or_insert(now));
        let is_due = self.said.is_none_or(|said| now.duration_since(said) >= AGAIN);
        (alone_for >= PATIENCE && is_due).then(|| {
            self.said = Some(now);
            News::Alone(alone_for)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_once_for_a_while_and_when_it_is_over() {
        let (mut alone, start) = (Alone::default(), Instant::now());
        let mut look = |peers, seconds| alone.look(peers, start + Duration::from_secs(seconds));
        assert_eq!((look(0, 0), look(0, 29)), (None, None));
        assert_eq!(look(0, 30), Some(News::Alone(PATIENCE)));
        assert_eq!((look(0, 31), look(0, 629)), (None, None));
        assert_eq!(look(0, 630), Some(News::Alone(Duration::from_secs(630))));
        assert_eq!((look(3, 631), look(3, 632)), (Some(News::Over), None));
        assert_eq!(
            (look(0, 640), look(2, 660), look(0, 661)),
            (None, None, None),
            "a short break is no news"
        );
    }
}
