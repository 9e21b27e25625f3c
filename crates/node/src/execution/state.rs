//! Which order comes next: a pure queue with the rules of the Engine API.
//!
//! Payloads and forkchoice updates keep their order, so that a head is known when it is named. Of forkchoice updates
//! that only move the head the newest is enough. Fetching what is built waits for nothing but the order to build it.

use std::collections::VecDeque;

use lathe_engine::JobId;

use super::mailbox::Order;

/// Orders that wait. A node that follows its chain has a handful a slot; while blocks come in by the hundred during a
/// sync, those that find no room are replayed later.
const MAX_ORDERS: usize = 256;
/// Bytes of payloads that wait.
const MAX_BYTES: usize = 64 << 20;

/// Orders that wait for the call that is under way.
#[derive(Default)]
pub(super) struct Orders {
    queue: VecDeque<Order>,
    bytes: usize,
}

impl Orders {
    /// Takes an order in, or hands it back when there is no room.
    pub(super) fn push(&mut self, order: Order) -> Result<(), Box<Order>> {
        if matches!(order, Order::Forkchoice { .. }) {
            self.queue.retain(|earlier| !matches!(earlier, Order::Forkchoice { build: None, .. }));
        }
        let bytes = order.bytes();
        // A single larger payload still fits into an empty queue.
        if self.queue.len() >= MAX_ORDERS || (self.bytes > 0 && self.bytes + bytes > MAX_BYTES) {
            return Err(Box::new(order));
        }
        self.bytes += bytes;
        self.queue.push_back(order);
        Ok(())
    }

    /// The next order.
    pub(super) fn pop(&mut self) -> Option<Order> {
        let ready = self.queue.iter().position(|order| match order {
            Order::GetPayload { job, .. } => !self.builds(*job),
            _ => false,
        });
        let order = self.queue.remove(ready.unwrap_or(0))?;
        self.bytes -= order.bytes();
        Some(order)
    }

    /// Every order, oldest first.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Order> {
        self.bytes = 0;
        std::mem::take(&mut self.queue).into_iter()
    }

    /// Whether the order to build under `job` still waits.
    fn builds(&self, job: JobId) -> bool {
        self.queue.iter().any(|order| match order {
            Order::Forkchoice { build: Some((build, _)), .. } => *build == job,
            _ => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lathe_engine::{ForkchoiceState, Millis, NewPayload, PayloadAttributes};
    use lathe_types::{ExecutionBody, Root};

    use super::*;

    fn root(byte: u8) -> Root {
        Root::repeat_byte(byte)
    }

    fn payload(block: u8) -> Order {
        let execution = Arc::new(ExecutionBody::genesis(root(block)));
        Order::NewPayload(NewPayload { block: root(block), parent_beacon_block_root: root(0), execution })
    }

    fn head(block: u8, build: Option<u64>) -> Order {
        let state =
            ForkchoiceState { block: root(block), head: root(block), safe: root(0), finalized: root(0) };
        let attributes = PayloadAttributes { timestamp: 0, parent_beacon_block_root: root(block) };
        Order::Forkchoice { state, build: build.map(|job| (JobId(job), attributes)) }
    }

    fn fetch(job: u64) -> Order {
        Order::GetPayload { job: JobId(job), deadline: Millis(0) }
    }

    fn name(order: &Order) -> String {
        match order {
            Order::NewPayload(payload) => format!("payload {}", payload.block[0]),
            Order::Forkchoice { state, build: None } => format!("head {}", state.head[0]),
            Order::Forkchoice { state, build: Some((job, _)) } => {
                format!("build {} on {}", job.0, state.head[0])
            }
            Order::GetPayload { job, .. } => format!("fetch {}", job.0),
            Order::Replay { job, .. } => format!("replay {}", job.0),
        }
    }

    fn order_of(orders: impl IntoIterator<Item = Order>) -> Vec<String> {
        let mut queue = Orders::default();
        for order in orders {
            queue.push(order).unwrap();
        }
        std::iter::from_fn(|| queue.pop()).map(|order| name(&order)).collect()
    }

    #[test]
    fn a_head_follows_its_payload_and_the_newest_is_enough() {
        let orders = [payload(1), head(1, None), payload(2), head(2, None), payload(3)];
        assert_eq!(order_of(orders), ["payload 1", "payload 2", "head 2", "payload 3"]);
    }

    #[test]
    fn an_order_to_build_is_never_overtaken() {
        let orders = [head(1, None), head(1, Some(7)), head(2, None)];
        assert_eq!(order_of(orders), ["build 7 on 1", "head 2"]);
    }

    #[test]
    fn fetching_waits_for_its_build_alone() {
        let orders = [payload(1), head(1, None), fetch(6)];
        assert_eq!(order_of(orders), ["fetch 6", "payload 1", "head 1"]);
        let orders = [payload(1), head(1, Some(7)), fetch(7), payload(2)];
        assert_eq!(order_of(orders), ["payload 1", "build 7 on 1", "fetch 7", "payload 2"]);
    }

    #[test]
    fn what_finds_no_room_comes_back() {
        let mut queue = Orders::default();
        for block in 0..MAX_ORDERS {
            queue.push(payload(block as u8)).unwrap();
        }
        assert_eq!(name(&queue.push(payload(9)).unwrap_err()), "payload 9");
        queue.pop().unwrap();
        queue.push(payload(9)).unwrap();
        assert_eq!(queue.drain().count(), MAX_ORDERS);
        assert_eq!(queue.bytes, 0);
    }

    #[test]
    fn bytes_are_bounded_and_counted_down() {
        let mut queue = Orders { bytes: MAX_BYTES, ..Orders::default() };
        assert_eq!(name(&queue.push(payload(1)).unwrap_err()), "payload 1");
        queue.bytes = 0;
        queue.push(payload(1)).unwrap();
        assert_eq!(queue.bytes, payload(1).bytes());
        queue.pop().unwrap();
        assert_eq!(queue.bytes, 0);
    }
}
