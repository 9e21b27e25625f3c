//! The blocks that a replay needs: from storage, and from peers what lies before it.
//!
//! A chain that began at a checkpoint has nothing older, while an execution client without a state needs every payload
//! since genesis. A block's root says what the block is, so any peer will do and none is trusted.

use std::sync::Arc;
use std::time::Duration;

use lathe_types::{Root, SignedBlock, TreeHash as _};

use crate::{network, store};

/// Peers that are asked for a block before it counts as missing.
const LOOK_UPS: usize = 3;
/// How long one of them may take: the client's other calls wait meanwhile.
const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(2);

/// Where blocks come from.
pub(super) struct History {
    pub(super) reader: store::Reader,
    pub(super) network: network::Mailbox,
}

impl History {
    /// The block with that root, wherever it is; `None` if nobody has it.
    pub(super) async fn block(&self, root: Root) -> Option<Arc<SignedBlock>> {
        if let Ok(Some(block)) = self.reader.block_off_thread(root).await {
            return Some(Arc::new(block));
        }
        for _ in 0..LOOK_UPS {
            let answer = tokio::time::timeout(LOOK_UP_TIMEOUT, self.network.look_up(root)).await;
            if let Ok(Some(block)) = answer
                && let Some(block) = check(block, root).await
            {
                return Some(block);
            }
        }
        None
    }
}

/// The block, if it is the one that was asked for. Hashing a large payload takes milliseconds, so off the thread.
async fn check(block: Arc<SignedBlock>, root: Root) -> Option<Arc<SignedBlock>> {
    let hashing =
        tokio::task::spawn_blocking(move || (block.block.tree_hash_root() == root).then_some(block));
    hashing.await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_block_under_a_wrong_root_is_not_taken() {
        let block = Arc::new(SignedBlock::default());
        let root = block.block.tree_hash_root();
        assert_eq!(check(block.clone(), root).await, Some(block.clone()));
        assert_eq!(check(block, Root::repeat_byte(1)).await, None);
    }
}
