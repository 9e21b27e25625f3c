//! Mailboxes: the sending half, the receiving half, and what metrics read of them.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::queue::{Bounds, Message, Pushed, Queue};
use crate::shutdown::Shutdown;

/// Opens a mailbox. The name goes into logs and metrics.
pub fn mailbox<M: Message>(name: &'static str, bounds: Bounds) -> (Mailbox<M>, Inbox<M>) {
    let shared = Arc::new(Shared {
        name,
        inner: Mutex::new(Inner {
            queue: Queue::new(bounds),
            open: true,
            senders: 1,
            stats: Stats { capacity: bounds.messages, ..Stats::default() },
        }),
        arrived: Notify::new(),
        arrived_blocking: Condvar::new(),
        room: Notify::new(),
        room_blocking: Condvar::new(),
    });
    (Mailbox(Arc::clone(&shared)), Inbox(shared))
}

/// What became of a message that was accepted or knowingly dropped. Messages come back to the sender, so that it can
/// answer for them.
#[derive(Debug, PartialEq, Eq)]
pub enum Delivery<M> {
    /// It waits its turn.
    Queued,
    /// It took the place of this older one.
    Coalesced(M),
    /// It waits its turn, and these staler ones gave way.
    Displaced(Vec<M>),
    /// It was the stalest of a full mailbox and was dropped.
    Dropped(M),
}

/// Why a message was not accepted; it comes back to the sender.
#[derive(PartialEq, Eq)]
pub enum SendError<M> {
    /// There is no room.
    Full(M),
    /// The actor is gone or takes no more.
    Closed(M),
}

impl<M> SendError<M> {
    /// The message.
    pub fn into_message(self) -> M {
        match self {
            Self::Full(message) | Self::Closed(message) => message,
        }
    }
}

impl<M> fmt::Debug for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full",
            Self::Closed(_) => "Closed",
        })
    }
}

impl<M> fmt::Display for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the mailbox is full",
            Self::Closed(_) => "the mailbox is closed",
        })
    }
}

impl<M> std::error::Error for SendError<M> {}

/// A mailbox in numbers. The counters only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Messages queued now.
    pub depth: usize,
    /// Bytes queued now.
    pub bytes: usize,
    /// Messages that fit.
    pub capacity: usize,
    /// Messages accepted.
    pub accepted: u64,
    /// Older messages replaced by newer ones of the same key.
    pub coalesced: u64,
    /// Stale messages dropped for want of room.
    pub dropped: u64,
    /// Messages handed back to a sender that did not wait for room.
    pub refused: u64,
}

struct Inner<M> {
    queue: Queue<M>,
    open: bool,
    senders: usize,
    stats: Stats,
}

struct Shared<M> {
    name: &'static str,
    inner: Mutex<Inner<M>>,
    arrived: Notify,
    arrived_blocking: Condvar,
    room: Notify,
    room_blocking: Condvar,
}

impl<M: Message> Shared<M> {
    /// A panic cannot leave the queue half changed, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, Inner<M>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, message: M) -> Result<Delivery<M>, SendError<M>> {
        self.push_locked(&mut self.lock(), message)
    }

    fn push_locked(&self, inner: &mut Inner<M>, message: M) -> Result<Delivery<M>, SendError<M>> {
        if !inner.open {
            return Err(SendError::Closed(message));
        }
        let delivery = match inner.queue.push(message) {
            Pushed::Queued => Delivery::Queued,
            Pushed::Coalesced(older) => {
                inner.stats.coalesced += 1;
                Delivery::Coalesced(older)
            }
            Pushed::Displaced(stale) => {
                inner.stats.dropped += stale.len() as u64;
                Delivery::Displaced(stale)
            }
            Pushed::Dropped(message) => {
                inner.stats.dropped += 1;
                return Ok(Delivery::Dropped(message));
            }
            Pushed::Full(message) => return Err(SendError::Full(message)),
        };
        inner.stats.accepted += 1;
        self.arrived.notify_one();
        self.arrived_blocking.notify_one();
        Ok(delivery)
    }

    fn close(&self) {
        self.lock().open = false;
        self.wake_all();
    }

    fn wake_all(&self) {
        self.arrived.notify_one();
        self.arrived_blocking.notify_all();
        self.room.notify_waiters();
        self.room_blocking.notify_all();
    }

    fn stats(&self) -> Stats {
        let inner = self.lock();
        Stats { depth: inner.queue.len(), bytes: inner.queue.bytes(), ..inner.stats }
    }
}

/// The sending half. Actors wrap it in a type of their own whose verbs build the messages.
pub struct Mailbox<M: Message>(Arc<Shared<M>>);

impl<M: Message> Mailbox<M> {
    /// Sends without waiting.
    pub fn try_send(&self, message: M) -> Result<Delivery<M>, SendError<M>> {
        let mut inner = self.0.lock();
        let result = self.0.push_locked(&mut inner, message);
        if matches!(result, Err(SendError::Full(_))) {
            inner.stats.refused += 1;
        }
        result
    }

    /// Sends, waiting for room if there is none; fails only when the mailbox is closed. Dropping the future takes the
    /// message back.
    pub async fn send(&self, mut message: M) -> Result<Delivery<M>, SendError<M>> {
        loop {
            // Made before the attempt: it hears of all room from here on, since `notify_waiters` wakes it polled or
            // not.
            let room = self.0.room.notified();
            match self.0.push(message) {
                Err(SendError::Full(unsent)) => message = unsent,
                done => return done,
            }
            room.await;
        }
    }

    /// [`Mailbox::send`] for threads.
    pub fn send_blocking(&self, mut message: M) -> Result<Delivery<M>, SendError<M>> {
        let mut inner = self.0.lock();
        loop {
            match self.0.push_locked(&mut inner, message) {
                Err(SendError::Full(unsent)) => message = unsent,
                done => return done,
            }
            inner = self.0.room_blocking.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The mailbox's name.
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// Depth and counters.
    pub fn stats(&self) -> Stats {
        self.0.stats()
    }

    /// A handle for metrics that keeps neither the mailbox open nor its message type in sight.
    pub fn probe(&self) -> Probe {
        let shared = Arc::downgrade(&self.0);
        Probe {
            name: self.0.name,
            read: Arc::new(move || shared.upgrade().map(|shared| shared.stats()).unwrap_or_default()),
        }
    }
}

impl<M: Message> Clone for Mailbox<M> {
    fn clone(&self) -> Self {
        self.0.lock().senders += 1;
        Self(Arc::clone(&self.0))
    }
}

impl<M: Message> Drop for Mailbox<M> {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        inner.senders -= 1;
        if inner.senders == 0 {
            inner.open = false;
            drop(inner);
            self.0.wake_all();
        }
    }
}

impl<M: Message> fmt::Debug for Mailbox<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").field("name", &self.0.name).field("stats", &self.stats()).finish()
    }
}

/// The receiving half; the actor owns it. Dropping it refuses whatever is sent after.
pub struct Inbox<M: Message>(Arc<Shared<M>>);

impl<M: Message> Inbox<M> {
    /// Takes the next message; `None` when the mailbox is closed and empty. Safe to cancel.
    pub async fn recv(&mut self) -> Option<M> {
        loop {
            let arrived = self.0.arrived.notified();
            {
                let mut inner = self.0.lock();
                if let Some(message) = self.pop(&mut inner) {
                    return Some(message);
                }
                if !inner.open {
                    return None;
                }
            }
            arrived.await;
        }
    }

    /// [`Inbox::recv`] for threads.
    pub fn recv_blocking(&mut self) -> Option<M> {
        let mut inner = self.0.lock();
        loop {
            if let Some(message) = self.pop(&mut inner) {
                return Some(message);
            }
            if !inner.open {
                return None;
            }
            inner = self.0.arrived_blocking.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes the next message if there is one.
    pub fn try_recv(&mut self) -> Option<M> {
        let mut inner = self.0.lock();
        self.pop(&mut inner)
    }

    /// Refuses further messages; those queued can still be taken.
    pub fn close(&mut self) {
        self.0.close();
    }

    /// Closes the mailbox when `shutdown` is triggered: [`Inbox::recv`] then yields what is queued, and `None`.
    pub fn close_on(&self, shutdown: &Shutdown) {
        let shared = Arc::downgrade(&self.0);
        shutdown.on_trigger(move || {
            if let Some(shared) = shared.upgrade() {
                shared.close();
            }
        });
    }

    fn pop(&self, inner: &mut Inner<M>) -> Option<M> {
        let message = inner.queue.pop()?;
        self.0.room.notify_waiters();
        self.0.room_blocking.notify_all();
        Some(message)
    }
}

impl<M: Message> Drop for Inbox<M> {
    fn drop(&mut self) {
        self.0.close();
        // Dropped outside the lock: a message may hold a mailbox, whose drop takes a lock.
        while let Some(message) = self.try_recv() {
            drop(message);
        }
    }
}

impl<M: Message> fmt::Debug for Inbox<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("name", &self.0.name).finish()
    }
}

/// Reads a mailbox's numbers for metrics.
#[derive(Clone)]
pub struct Probe {
    name: &'static str,
    read: Arc<dyn Fn() -> Stats + Send + Sync>,
}

impl Probe {
    /// The mailbox's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Depth and counters; all zero once the mailbox is gone.
    pub fn stats(&self) -> Stats {
        (self.read)()
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").field("name", &self.name).finish()
    }
}
