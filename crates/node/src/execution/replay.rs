//! Bringing an execution client into step: what it lacks of a chain is read from storage, or asked of peers, and handed
//! over again.
//!
//! First the way back, from the head to the newest block that the client has on its own chain and has executed; then
//! forward again, payload by payload. Handing over a payload twice does no harm. Each step is one call at most, so that
//! the chain's orders get their turn between two.

use std::collections::HashMap;

use lathe_engine::{JobId, NewPayload};
use lathe_execution::Header;
use lathe_types::{Checkpoint, Root, SignedBlock};

/// Blocks that a replay may go back. A state remembers as many roots; at 32 bytes each this is 8 MiB.
const MAX_BLOCKS: usize = 1 << 18;
/// Bytes of payloads that are kept from the way back for the way forward, so that a few thousand ordinary blocks are
/// read or asked for once. What exceeds this is read again.
const MAX_KEPT_BYTES: usize = 32 << 20;

/// A replay under way.
#[derive(Debug)]
pub(super) struct Replay {
    pub job: JobId,
    /// The block to look at on the way back; `None` on the way forward.
    looking_at: Option<Root>,
    /// Blocks to hand over, the oldest last.
    missing: Vec<Root>,
    /// Payloads of some of them.
    kept: HashMap<Root, NewPayload>,
    kept_bytes: usize,
    latest: Header,
    /// Payloads handed over.
    pub replayed: u64,
}

/// What a replay needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// This block, to compare it with the client's chain.
    Compare(Root),
    /// This block, to hand its payload over.
    HandOver(Root),
    /// Nothing: the client has it all.
    Nothing,
}

/// What is to be found out of a block on the way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    /// Whether the client has a payload of this number, with this hash.
    Ask { number: u64, hash: Root },
    /// Nothing: the client's chain is shorter.
    Beyond,
    /// Nothing: it is the client's newest.
    Known,
}

impl Comparison {
    /// How to compare a block with the chain of a client that ends with `latest`; `None` if it has no payload.
    pub(super) fn with(latest: Header, block: &SignedBlock) -> Option<Self> {
        let payload = block.block.body.execution.as_ref()?.payload();
        Some(if payload.block_hash == latest.hash {
            Self::Known
        } else if payload.block_number > latest.number {
            Self::Beyond
        } else {
            Self::Ask { number: payload.block_number, hash: payload.block_hash }
        })
    }
}

impl Replay {
    /// A replay of the chain that ends with `head`, for a client whose own chain ends with `latest`.
    pub(super) fn new(job: JobId, head: Checkpoint, latest: Header) -> Self {
        Self {
            job,
            looking_at: Some(head.root),
            missing: Vec::new(),
            kept: HashMap::new(),
            kept_bytes: 0,
            latest,
            replayed: 0,
        }
    }

    /// What comes next.
    pub(super) fn need(&self) -> Need {
        match (self.looking_at, self.missing.last()) {
            (Some(root), _) => Need::Compare(root),
            (None, Some(root)) => Need::HandOver(*root),
            (None, None) => Need::Nothing,
        }
    }

    /// Newest block of the client's own chain when the replay began.
    pub(super) fn latest(&self) -> Header {
        self.latest
    }

    /// The block that was compared is one that the client has, or is not. False if the way back is too long.
    pub(super) fn compared(&mut self, block: &SignedBlock, root: Root, is_known: bool) -> bool {
        if is_known {
            self.looking_at = None;
            return true;
        }
        self.missing.push(root);
        self.keep(root, block);
        self.looking_at = Some(block.block.parent_root);
        self.missing.len() < MAX_BLOCKS
    }

    fn keep(&mut self, root: Root, block: &SignedBlock) {
        let Some(payload) = Self::payload(root, block) else { return };
        let bytes = self.kept_bytes + payload.execution.bytes();
        if bytes <= MAX_KEPT_BYTES {
            self.kept_bytes = bytes;
            self.kept.insert(root, payload);
        }
    }

    /// The payload of a block, if it is kept.
    pub(super) fn take_kept(&mut self, root: &Root) -> Option<NewPayload> {
        let payload = self.kept.remove(root)?;
        self.kept_bytes -= payload.execution.bytes();
        Some(payload)
    }

    /// The payload of the block that was asked for.
    pub(super) fn payload(root: Root, block: &SignedBlock) -> Option<NewPayload> {
        Some(NewPayload {
            block: root,
            parent_beacon_block_root: block.block.parent_root,
            execution: block.block.body.execution.clone()?,
        })
    }

    /// The client called the payload valid.
    pub(super) fn handed_over(&mut self) {
        self.missing.pop();
        self.replayed += 1;
    }

    /// Payloads still to be handed over.
    pub(super) fn left(&self) -> usize {
        self.missing.len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lathe_types::{ExecutionBody, ExecutionPayloadV3, ExecutionRequests, Slot};

    use super::*;

    fn root(byte: u8) -> Root {
        Root::repeat_byte(byte)
    }

    /// Block `n` has root `n`, its payload number `n` and hash `0x80 + n`.
    fn block(number: u8) -> SignedBlock {
        let payload = ExecutionPayloadV3 {
            block_number: number.into(),
            block_hash: root(0x80 + number),
            ..ExecutionPayloadV3::default()
        };
        let mut block = SignedBlock::default();
        block.block.parent_root = root(number.wrapping_sub(1));
        block.block.body.execution =
            Some(Arc::new(ExecutionBody::new(payload, ExecutionRequests::default())));
        block
    }

    fn replay(head: u8, latest: u8) -> Replay {
        let latest = Header { hash: root(0x80 + latest), number: latest.into() };
        Replay::new(JobId(1), Checkpoint { root: root(head), slot: Slot(head.into()) }, latest)
    }

    /// The payloads handed over, for a client that has blocks up to `latest` of which those up to `common` are ours.
    fn run(head: u8, latest: u8, common: u8) -> (Vec<u8>, Vec<u64>) {
        let mut replay = replay(head, latest);
        if latest != common {
            replay.latest.hash = root(0xff);
        }
        let (mut handed_over, mut asked) = (Vec::new(), Vec::new());
        loop {
            match replay.need() {
                Need::Nothing => return (handed_over, asked),
                Need::Compare(root) => {
                    let block = block(root[0]);
                    let is_known = match Comparison::with(replay.latest(), &block).unwrap() {
                        Comparison::Known => true,
                        Comparison::Beyond => false,
                        Comparison::Ask { number, hash } => {
                            asked.push(number);
                            assert_eq!(u64::from(hash[0]), 0x80 + number);
                            number <= common.into()
                        }
                    };
                    assert!(replay.compared(&block, root, is_known));
                }
                Need::HandOver(root) => {
                    let payload = Replay::payload(root, &block(root[0])).unwrap();
                    assert_eq!(payload.parent_beacon_block_root[0], root[0] - 1);
                    handed_over.push(payload.block[0]);
                    replay.handed_over();
                }
            }
        }
    }

    #[test]
    fn a_wiped_client_gets_everything_in_order() {
        assert_eq!(run(4, 0, 0), (vec![1, 2, 3, 4], vec![]));
    }

    #[test]
    fn a_client_behind_gets_the_rest() {
        assert_eq!(run(5, 3, 3), (vec![4, 5], vec![]));
        assert_eq!(run(3, 3, 3), (vec![], vec![]));
    }

    #[test]
    fn a_client_on_another_branch_is_asked_down_to_the_fork() {
        assert_eq!(run(5, 4, 2), (vec![3, 4, 5], vec![4, 3, 2]));
    }

    #[test]
    fn the_way_back_is_bounded() {
        let mut replay = replay(2, 0);
        replay.missing = vec![root(9); MAX_BLOCKS - 2];
        assert!(replay.compared(&block(2), root(2), false));
        assert!(!replay.compared(&block(1), root(1), false));
    }

    #[test]
    fn payloads_are_kept_once_and_within_bounds() {
        let mut replay = replay(2, 0);
        assert!(replay.compared(&block(2), root(2), false));
        let size = replay.kept_bytes;
        assert!(size > 0);
        replay.kept_bytes = MAX_KEPT_BYTES - size + 1;
        assert!(replay.compared(&block(1), root(1), false));
        assert!(replay.take_kept(&root(1)).is_none(), "no room for another");
        replay.kept_bytes = size;
        assert_eq!(replay.take_kept(&root(2)).map(|payload| payload.block), Some(root(2)));
        assert_eq!((replay.kept_bytes, replay.kept.len()), (0, 0));
    }

    #[test]
    fn a_block_of_a_plain_chain_has_nothing_to_replay() {
        assert_eq!(Comparison::with(replay(1, 0).latest(), &SignedBlock::default()), None);
        assert!(Replay::payload(root(1), &SignedBlock::default()).is_none());
    }
}
