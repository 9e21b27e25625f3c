//! Which request comes next: a pure queue with the rules of the Engine API.
//!
//! Payloads and forkchoice updates keep their order, so that a head is known when it is named. Of forkchoice updates
//! that only move the head the newest is enough. Fetching what is built waits for nothing but the request to build it.

use std::collections::VecDeque;

use lathe_engine::JobId;

use super::mailbox::Request;

/// Requests that wait. A node that follows its chain has a handful a slot; while blocks come in by the hundred during a
/// sync, those that find no room are replayed later.
const MAX_REQUESTS: usize = 256;
/// Bytes of payloads that wait.
const MAX_BYTES: usize = 64 << 20;

/// Requests that wait for the call that is under way.
#[derive(Default)]
pub(super) struct Requests {
    queue: VecDeque<Request>,
    bytes: usize,
}

impl Requests {
    /// Takes a request in, or hands it back when there is no room.
    pub(super) fn push(&mut self, request: Request) -> Result<(), Box<Request>> {
        if matches!(request, Request::Forkchoice { .. }) {
            self.queue.retain(|earlier| !matches!(earlier, Request::Forkchoice { build: None, .. }));
        }
        let bytes = request.bytes();
        // A single larger payload still fits into an empty queue.
        if self.queue.len() >= MAX_REQUESTS || (self.bytes > 0 && self.bytes + bytes > MAX_BYTES) {
            return Err(Box::new(request));
        }
        self.bytes += bytes;
        self.queue.push_back(request);
        Ok(())
    }

    /// The next request.
    pub(super) fn pop(&mut self) -> Option<Request> {
        let ready = self.queue.iter().position(|request| match request {
            Request::GetPayload { job, .. } => !self.builds(*job),
            _ => false,
        });
        let request = self.queue.remove(ready.unwrap_or(0))?;
        self.bytes -= request.bytes();
        Some(request)
    }

    /// Every request, oldest first.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Request> {
        self.bytes = 0;
        std::mem::take(&mut self.queue).into_iter()
    }

    /// Whether the request to build under `job` still waits.
    fn builds(&self, job: JobId) -> bool {
        self.queue.iter().any(|request| match request {
            Request::Forkchoice { build: Some((build, _)), .. } => *build == job,
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

    fn payload(block: u8) -> Request {
        let execution = Arc::new(ExecutionBody::genesis(root(block)));
        Request::NewPayload(NewPayload { block: root(block), parent_beacon_block_root: root(0), execution })
    }

    fn head(block: u8, build: Option<u64>) -> Request {
        let state =
            ForkchoiceState { block: root(block), head: root(block), safe: root(0), finalized: root(0) };
        let attributes = PayloadAttributes { timestamp: 0, parent_beacon_block_root: root(block) };
        Request::Forkchoice { state, build: build.map(|job| (JobId(job), attributes)) }
    }

    fn fetch(job: u64) -> Request {
        Request::GetPayload { job: JobId(job), deadline: Millis(0) }
    }

    fn name(request: &Request) -> String {
        match request {
            Request::NewPayload(payload) => format!("payload {}", payload.block[0]),
            Request::Forkchoice { state, build: None } => format!("head {}", state.head[0]),
            Request::Forkchoice { state, build: Some((job, _)) } => {
                format!("build {} on {}", job.0, state.head[0])
            }
            Request::GetPayload { job, .. } => format!("fetch {}", job.0),
            Request::Replay { job, .. } => format!("replay {}", job.0),
        }
    }

    fn sequence_of(requests: impl IntoIterator<Item = Request>) -> Vec<String> {
        let mut queue = Requests::default();
        for request in requests {
            queue.push(request).unwrap();
        }
        std::iter::from_fn(|| queue.pop()).map(|request| name(&request)).collect()
    }

    #[test]
    fn a_head_follows_its_payload_and_the_newest_is_enough() {
        let requests = [payload(1), head(1, None), payload(2), head(2, None), payload(3)];
        assert_eq!(sequence_of(requests), ["payload 1", "payload 2", "head 2", "payload 3"]);
    }

    #[test]
    fn an_order_to_build_is_never_overtaken() {
        let requests = [head(1, None), head(1, Some(7)), head(2, None)];
        assert_eq!(sequence_of(requests), ["build 7 on 1", "head 2"]);
    }

    #[test]
    fn fetching_waits_for_its_build_alone() {
        let requests = [payload(1), head(1, None), fetch(6)];
        assert_eq!(sequence_of(requests), ["fetch 6", "payload 1", "head 1"]);
        let requests = [payload(1), head(1, Some(7)), fetch(7), payload(2)];
        assert_eq!(sequence_of(requests), ["payload 1", "build 7 on 1", "fetch 7", "payload 2"]);
    }

    #[test]
    fn what_finds_no_room_comes_back() {
        let mut queue = Requests::default();
        for block in 0..MAX_REQUESTS {
            queue.push(payload(block as u8)).unwrap();
        }
        assert_eq!(name(&queue.push(payload(9)).unwrap_err()), "payload 9");
        queue.pop().unwrap();
        queue.push(payload(9)).unwrap();
        assert_eq!(queue.drain().count(), MAX_REQUESTS);
        assert_eq!(queue.bytes, 0);
    }

    #[test]
    fn bytes_are_bounded_and_counted_down() {
        let mut queue = Requests { bytes: MAX_BYTES, ..Requests::default() };
        assert_eq!(name(&queue.push(payload(1)).unwrap_err()), "payload 1");
        queue.bytes = 0;
        queue.push(payload(1)).unwrap();
        assert_eq!(queue.bytes, payload(1).bytes());
        queue.pop().unwrap();
        assert_eq!(queue.bytes, 0);
    }
}
