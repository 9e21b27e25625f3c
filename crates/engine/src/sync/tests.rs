//! Who is asked for what, and when again.

use lathe_types::Checkpoint;

use super::*;
use crate::io::Group;

/// A world in which these roots are held, and the engine's side of the conversation.
struct Talk {
    sync: Sync,
    now: i64,
    clock: u64,
    head: u64,
    finalized: u64,
    waiting: usize,
    held: Vec<Root>,
}

impl Talk {
    fn new(clock: u64, head: u64, peers: &[u64]) -> Self {
        let mut sync = Sync::default();
        for peer in peers {
            assert!(sync.connected(Millis(0), sender(*peer)).is_some());
        }
        let finalized = head.saturating_sub(3);
        Self { sync, now: 0, clock, head, finalized, waiting: 0, held: Vec::new() }
    }

    fn situated<T>(&mut self, act: impl FnOnce(&mut Sync, &Situation<'_>) -> T) -> T {
        let held = self.held.clone();
        let situation = Situation {
            now: Millis(self.now),
            clock: Slot(self.clock),
            head: Slot(self.head),
            finalized: Slot(self.finalized),
            waiting: self.waiting,
            holds: &|_| false,
            judged: &|root| held.contains(root),
        };
        act(&mut self.sync, &situation)
    }

    fn drive(&mut self) -> Vec<String> {
        let effects = self.situated(Sync::drive);
        effects.iter().filter_map(describe).collect()
    }

    fn later(&mut self, millis: i64) -> Vec<String> {
        self.now += millis;
        self.drive()
    }

    fn newest_claim(&mut self) -> Option<Slot> {
        self.situated(|sync, situation| sync.newest_claim(situation))
    }

    fn claim(&mut self, peer: u64, slot: u64) {
        let head = Checkpoint { root: root(slot), slot: Slot(slot) };
        self.sync.status(Millis(self.now), sender(peer), Status { finalized: Checkpoint::default(), head });
    }

    fn end(&mut self, request: u64, outcome: Result<(), FetchFailure>) -> Option<Effect> {
        self.sync.ended(Millis(self.now), RequestId(request), outcome)
    }

    fn receive(&mut self, request: u64, peer: u64, slot: u64) -> bool {
        self.sync.received(RequestId(request), Peer(peer), root(slot), Slot(slot))
    }

    fn want(&mut self, slot: u64, from: Option<u64>) {
        self.situated(|sync, situation| {
            sync.want_parent(situation, root(slot), Slot(slot + 1), from.map(sender))
        });
    }
}

/// A peer at an address of its own.
fn sender(peer: u64) -> Sender {
    Sender { group: Group(peer), peer: Peer(peer) }
}

fn root(slot: u64) -> Root {
    Root::left_padding_from(&slot.to_be_bytes())
}

fn describe(effect: &Effect) -> Option<String> {
    match effect {
        Effect::Fetch { request, peer, what: FetchWhat::ByRange { start, count } } => {
            Some(format!("{}: {count} from {start} of {}", request.0, peer.0))
        }
        Effect::Fetch { request, peer, what: FetchWhat::ByRoot(roots) } => {
            let slots: Vec<u64> =
                roots.iter().map(|root| u64::from_be_bytes(root[24..].try_into().unwrap())).collect();
            Some(format!("{}: roots {slots:?} of {}", request.0, peer.0))
        }
        _ => None,
    }
}

#[test]
fn a_higher_head_is_followed_64_slots_at_a_time() {
    let mut talk = Talk::new(200, 10, &[1]);
    talk.claim(1, 150);
    assert_eq!(talk.drive(), ["0: 64 from 11 of 1"]);
    assert!(talk.drive().is_empty(), "one question at a time");
    assert!(talk.receive(0, 1, 11));
    assert!(talk.receive(0, 1, 74));
    talk.end(0, Ok(()));
    assert_eq!(talk.drive(), ["1: 64 from 75 of 1"]);
    // A partial answer is continued where it ended, however it ended.
    assert!(talk.receive(1, 1, 80));
    talk.end(1, Err(FetchFailure::Truncated));
    assert_eq!(talk.drive(), ["2: 64 from 81 of 1"]);
    assert!(talk.receive(2, 1, 144));
    talk.end(2, Ok(()));
    assert_eq!(talk.drive(), ["3: 6 from 145 of 1"], "no further than the head");
    assert!(talk.receive(3, 1, 150));
    talk.end(3, Ok(()));
    talk.held.push(root(150));
    assert!(talk.later(60_000).is_empty());
}

#[test]
fn a_higher_head_with_a_lower_finalized_slot_is_followed_too() {
    let mut talk = Talk::new(60, 50, &[1]);
    let head = Checkpoint { root: root(60), slot: Slot(60) };
    let finalized = Checkpoint { root: root(1), slot: Slot(1) };
    talk.sync.status(Millis(0), sender(1), Status { finalized, head });
    assert_eq!(talk.drive(), ["0: 10 from 51 of 1"]);
}

#[test]
fn a_head_next_to_ours_is_fetched_by_its_root() {
    let mut talk = Talk::new(60, 50, &[1]);
    talk.claim(1, 51);
    assert_eq!(talk.drive(), ["0: roots [51] of 1"]);
    let mut talk = Talk::new(60, 50, &[1]);
    talk.held.push(root(51));
    talk.claim(1, 51);
    assert!(talk.drive().is_empty(), "held");
}

#[test]
fn the_end_of_an_old_request_says_nothing_of_a_root_that_is_missing_again() {
    let mut talk = Talk::new(60, 50, &[1, 2]);
    talk.claim(1, 51);
    assert_eq!(talk.drive(), ["0: roots [51] of 1"]);
    // It came by gossip, and its proof was no good.
    talk.sync.not_missing(&root(51));
    talk.situated(|sync, situation| sync.want_parent(situation, root(51), Slot(51), None));
    talk.end(0, Ok(()));
    assert_eq!(talk.drive(), ["1: roots [51] of 2"]);
}

#[test]
fn a_claim_beyond_the_clock_is_followed_to_the_clock() {
    let mut talk = Talk::new(60, 50, &[1]);
    talk.claim(1, u64::MAX);
    assert_eq!(talk.drive(), ["0: 10 from 51 of 1"]);
}

#[test]
fn an_empty_answer_moves_on_only_if_all_who_are_past_it_agree() {
    let mut talk = Talk::new(200, 10, &[1, 2]);
    talk.claim(1, 150);
    talk.claim(2, 150);
    assert_eq!(talk.drive(), ["0: 64 from 11 of 1"]);
    talk.end(0, Ok(()));
    assert_eq!(talk.drive(), ["1: 64 from 11 of 2"], "somebody else may have them");
    talk.end(1, Ok(()));
    assert_eq!(talk.later(1_000).iter().map(|effect| &effect[3..16]).collect::<Vec<_>>(), ["64 from 75 of"]);
}

#[test]
fn a_transport_error_says_nothing_about_protocols() {
    let mut talk = Talk::new(200, 10, &[1]);
    talk.claim(1, 150);
    talk.drive();
    talk.end(0, Err(FetchFailure::Transport));
    assert!(talk.drive().is_empty(), "a pause");
    assert_eq!(talk.later(500), ["1: 64 from 11 of 1"], "by range again");
    talk.end(1, Err(FetchFailure::Unsupported));
    assert!(talk.later(60_000).iter().all(|effect| !effect.contains("from")), "never by range again");
}

#[test]
fn below_the_floor_of_all_peers_the_range_ends() {
    let mut talk = Talk::new(5_000, 10, &[1]);
    talk.claim(1, 4_990);
    assert_eq!(talk.drive(), ["0: 64 from 11 of 1"]);
    talk.end(0, Err(FetchFailure::Unavailable));
    assert!(talk.drive().is_empty());
    let asked: usize = (0..100).map(|_| talk.later(250).len()).sum();
    assert_eq!(asked, 0, "not once more in 25 s");
}

#[test]
fn no_further_range_while_blocks_wait() {
    let mut talk = Talk::new(200, 10, &[1]);
    talk.claim(1, 150);
    talk.waiting = 128;
    assert!(talk.drive().is_empty());
    talk.waiting = 127;
    assert_eq!(talk.later(250), ["0: 64 from 11 of 1"]);
}

#[test]
fn a_liar_is_believed_until_it_fails_twice() {
    let mut talk = Talk::new(100, 90, &[1]);
    talk.claim(1, 99);
    assert_eq!(talk.newest_claim(), Some(Slot(99)));
    let mut requests = 0;
    for _ in 0..200 {
        for effect in talk.later(250) {
            requests += 1;
            let id = effect.split_once(':').unwrap().0.parse().unwrap();
            talk.end(id, Ok(()));
        }
    }
    assert_eq!(talk.newest_claim(), None);
    assert!(requests <= 6, "{requests} requests in 50 s");
    talk.sync.delivered(Peer(1));
    assert_eq!(talk.newest_claim(), Some(Slot(99)), "a block of use forgives");
    talk.held.push(root(99));
    assert_eq!(talk.newest_claim(), None, "what is imported is nothing to catch up with");
}

/// Attempts until nobody is asked any more, when every answer is this one.
fn attempts(talk: &mut Talk, outcome: Result<(), FetchFailure>) -> usize {
    let mut attempts = 0;
    for _ in 0..2_000 {
        for effect in talk.later(250) {
            attempts += 1;
            talk.end(effect.split_once(':').unwrap().0.parse().unwrap(), outcome);
        }
    }
    attempts
}

#[test]
fn a_missing_root_is_asked_of_those_who_spoke_of_it_first_and_not_for_ever() {
    let mut talk = Talk::new(100, 99, &[1, 2, 3]);
    talk.want(99, Some(2));
    talk.want(99, Some(3));
    assert_eq!(talk.drive(), ["0: roots [99] of 2"], "once");
    talk.end(0, Err(FetchFailure::Timeout));
    assert!(talk.drive().is_empty());
    assert_eq!(talk.later(250), ["1: roots [99] of 3"]);
    talk.end(1, Err(FetchFailure::Timeout));
    let next = talk.later(500);
    assert_eq!(next, ["2: roots [99] of 1"], "they may only have been slow");
    talk.end(2, Ok(()));
    assert_eq!(attempts(&mut talk, Ok(())), 2);
    talk.want(99, None);
    assert_eq!(attempts(&mut talk, Ok(())), 12, "a later need starts anew");
}

#[test]
fn a_root_that_those_who_spoke_of_it_do_not_have_is_asked_of_nobody_else() {
    let mut talk = Talk::new(100, 99, &[1, 2, 3]);
    talk.want(99, Some(2));
    talk.want(99, Some(3));
    talk.drive();
    talk.end(0, Ok(()));
    assert_eq!(talk.later(250), ["1: roots [99] of 3"]);
    talk.end(1, Err(FetchFailure::Unavailable));
    assert_eq!(attempts(&mut talk, Ok(())), 0);
}

#[test]
fn invented_roots_take_no_room_from_another_address() {
    let mut talk = Talk::new(100, 99, &[1, 2, 3]);
    for n in 0..2_000 {
        talk.want(1_000 + n, Some(1 + n % 2));
    }
    talk.want(99, Some(3));
    let asked = talk.drive();
    assert!(asked.iter().any(|effect| effect.ends_with("roots [99] of 3")), "{asked:?}");
}

#[test]
fn a_stale_status_excludes_nobody_from_serving_roots() {
    let mut talk = Talk::new(100, 99, &[1]);
    talk.claim(1, 5);
    talk.want(99, None);
    assert_eq!(talk.drive(), ["0: roots [99] of 1"]);
}

#[test]
fn a_long_walk_back_becomes_a_range_from_the_finalized_block() {
    let mut talk = Talk::new(100, 80, &[1]);
    talk.finalized = 10;
    for step in 0..7 {
        talk.want(79 - step, Some(1));
    }
    assert!(talk.drive().iter().all(|effect| effect.contains("roots")));
    for request in 0..2 {
        talk.end(request, Err(FetchFailure::Truncated));
    }
    talk.want(72, Some(1));
    assert_eq!(talk.drive()[0], "2: 62 from 11 of 1");
}

#[test]
fn a_wide_gap_is_a_range_at_once() {
    let mut talk = Talk::new(100, 80, &[1]);
    talk.want(90, Some(1));
    assert_eq!(talk.drive(), ["0: 10 from 81 of 1"]);
    assert_eq!(talk.later(2_000), ["1: roots [90] of 1"], "the root itself, if the range does not bring it");
}

#[test]
fn answers_are_held_against_the_question() {
    let mut talk = Talk::new(200, 10, &[1]);
    talk.claim(1, 150);
    talk.drive();
    assert!(!talk.receive(0, 2, 11), "another peer");
    assert!(!talk.receive(0, 1, 10), "before the range");
    assert!(!talk.receive(0, 1, 75), "after the range");
    assert!(talk.receive(0, 1, 74));
    assert!(!talk.receive(0, 1, 73), "backwards");
    assert!(!talk.receive(9, 1, 20), "no such question");
}

#[test]
fn silence_costs_a_peer_its_turn_and_is_reported() {
    let mut talk = Talk::new(100, 99, &[1]);
    talk.want(99, Some(1));
    let mut penalties = 0;
    for _ in 0..400 {
        for effect in talk.later(250) {
            let id = effect.split_once(':').unwrap().0.parse().unwrap();
            penalties += usize::from(talk.end(id, Err(FetchFailure::Timeout)).is_some());
        }
    }
    assert!(penalties >= 1);
}

#[test]
fn statuses_are_kept_fresh() {
    let mut talk = Talk::new(100, 99, &[1]);
    let mut asked = 0;
    for _ in 0..100 {
        talk.now += 800;
        let effects = talk.situated(Sync::drive);
        asked += effects.iter().filter(|effect| matches!(effect, Effect::RequestStatus { .. })).count();
    }
    assert_eq!(asked, 3, "after 4 s, then every 32 s");
}
