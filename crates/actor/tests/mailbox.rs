//! Mailboxes as actors use them: waiting, closing, counting.

use std::thread;

use lathe_actor::{Bounds, Delivery, Mailbox, Message, Policy, Reason, SendError, Shutdown, Stats, mailbox};

#[derive(Debug, PartialEq, Eq)]
enum Note {
    Tick(u64),
    Vote { slot: u64 },
    Block(u64),
}

impl Message for Note {
    fn policy(&self) -> Policy {
        match self {
            Self::Tick(_) => Policy::Coalesce { key: 0 },
            Self::Vote { slot } => Policy::DropStale { freshness: *slot },
            Self::Block(_) => Policy::Keep,
        }
    }
}

const TWO: Bounds = Bounds::messages(2);

#[tokio::test]
async fn messages_arrive_in_order_and_the_end_comes_after_the_last_sender() {
    let (sender, mut inbox) = mailbox("test", TWO);
    let other = sender.clone();
    sender.try_send(Note::Block(1)).unwrap();
    other.try_send(Note::Block(2)).unwrap();
    drop(sender);
    assert_eq!(inbox.recv().await, Some(Note::Block(1)));
    drop(other);
    assert_eq!(inbox.recv().await, Some(Note::Block(2)));
    assert_eq!(inbox.recv().await, None);
}

#[tokio::test]
async fn a_refused_block_comes_back_to_the_sender() {
    let (sender, _inbox) = mailbox("test", TWO);
    sender.try_send(Note::Block(1)).unwrap();
    sender.try_send(Note::Block(2)).unwrap();
    assert_eq!(sender.try_send(Note::Block(3)), Err(SendError::Full(Note::Block(3))));
    assert_eq!(sender.stats(), Stats { depth: 2, capacity: 2, accepted: 2, refused: 1, ..Stats::default() });
}

#[tokio::test]
async fn drops_and_coalesced_ticks_are_counted_and_handed_back() {
    let (sender, _inbox) = mailbox("test", TWO);
    sender.try_send(Note::Tick(1)).unwrap();
    assert_eq!(sender.try_send(Note::Tick(2)), Ok(Delivery::Coalesced(Note::Tick(1))));
    sender.try_send(Note::Vote { slot: 4 }).unwrap();
    assert_eq!(sender.try_send(Note::Vote { slot: 3 }), Ok(Delivery::Dropped(Note::Vote { slot: 3 })));
    assert_eq!(sender.try_send(Note::Block(9)), Ok(Delivery::Displaced(vec![Note::Vote { slot: 4 }])));
    let probe = sender.probe();
    assert_eq!(probe.name(), "test");
    assert_eq!(
        probe.stats(),
        Stats { depth: 2, capacity: 2, accepted: 4, coalesced: 1, dropped: 2, ..Stats::default() }
    );
}

#[tokio::test]
async fn a_waiting_sender_goes_on_once_there_is_room() {
    let (sender, mut inbox) = mailbox("test", Bounds::messages(1));
    sender.try_send(Note::Block(1)).unwrap();
    let (sent, received) = tokio::join!(sender.send(Note::Block(2)), inbox.recv());
    assert_eq!(sent, Ok(Delivery::Queued));
    assert_eq!(received, Some(Note::Block(1)));
    assert_eq!(inbox.try_recv(), Some(Note::Block(2)));
    assert_eq!(sender.stats().refused, 0, "waiting is not a refusal");
}

#[tokio::test]
async fn a_waiting_sender_learns_that_the_actor_is_gone() {
    let (sender, inbox) = mailbox("test", Bounds::messages(1));
    sender.try_send(Note::Block(1)).unwrap();
    let (sent, ()) = tokio::join!(sender.send(Note::Block(2)), async { drop(inbox) });
    assert_eq!(sent, Err(SendError::Closed(Note::Block(2))));
}

#[test]
fn threads_send_and_receive_with_back_pressure_and_lose_nothing() {
    let (sender, mut inbox) = mailbox("test", TWO);
    let senders: Vec<_> = (0..4)
        .map(|_| {
            let sender: Mailbox<Note> = sender.clone();
            thread::spawn(move || (0..200).for_each(|n| drop(sender.send_blocking(Note::Block(n)).unwrap())))
        })
        .collect();
    drop(sender);
    let mut seen = 0;
    while inbox.recv_blocking().is_some() {
        seen += 1;
    }
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    assert_eq!(seen, 800);
}

#[tokio::test]
async fn shutdown_closes_a_mailbox_that_listens_and_leaves_what_is_queued() {
    let shutdown = Shutdown::new();
    let (sender, mut inbox) = mailbox("test", TWO);
    inbox.close_on(&shutdown);
    sender.try_send(Note::Block(1)).unwrap();
    shutdown.trigger(Reason::Requested("test".into()));
    assert_eq!(sender.try_send(Note::Block(2)), Err(SendError::Closed(Note::Block(2))));
    assert_eq!(inbox.recv().await, Some(Note::Block(1)));
    assert_eq!(inbox.recv().await, None);
}

#[tokio::test]
async fn a_dropped_inbox_frees_what_was_queued() {
    struct Holds(#[allow(dead_code, reason = "held for its drop")] std::sync::Arc<()>);
    impl Message for Holds {
        fn policy(&self) -> Policy {
            Policy::Keep
        }
    }
    let held = std::sync::Arc::new(());
    let (sender, inbox) = mailbox("test", TWO);
    sender.try_send(Holds(held.clone())).unwrap();
    drop(inbox);
    assert_eq!(std::sync::Arc::strong_count(&held), 1);
}
