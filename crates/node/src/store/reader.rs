//! Reading blocks, beside the writer and off the chain.

use std::sync::Arc;

use lathe_driver::{Refusal, blocks_in_range};
use lathe_network::{Request, Responder, ResponseCode};
use lathe_storage::{Database, StorageError};
use lathe_types::{Root, SignedBlock, Slot, State};
use prometheus::Histogram;
use tracing::warn;

/// Reads the database for peers and for the API.
#[derive(Clone)]
pub(crate) struct Reader(Arc<dyn Database>);

impl Reader {
    pub(crate) fn new(database: Arc<dyn Database>) -> Self {
        Self(database)
    }

    /// A block in SSZ.
    pub(crate) async fn block_ssz(&self, root: Root) -> Result<Option<Vec<u8>>, StorageError> {
        self.read(move |database| database.block_ssz(root)).await
    }

    /// A block, on the calling thread.
    pub(crate) fn block(&self, root: Root) -> Result<Option<SignedBlock>, StorageError> {
        self.0.block(root)
    }

    /// The state after a block, on the calling thread.
    pub(crate) fn state(&self, root: Root) -> Result<Option<State>, StorageError> {
        self.0.state(root)
    }

    /// The canonical block of a slot, on the calling thread.
    pub(crate) fn canonical_root(&self, slot: Slot) -> Result<Option<Root>, StorageError> {
        self.0.canonical_root(slot)
    }

    /// A block, read on a thread that may wait.
    pub(crate) async fn block_off_thread(&self, root: Root) -> Result<Option<SignedBlock>, StorageError> {
        self.read(move |database| database.block(root)).await
    }

    /// Answers a peer's request for blocks, one at a time, as fast as the peer reads. `head_slot` is where our chain
    /// stands; `sizes` takes in the bytes of each block.
    pub(crate) async fn serve(
        &self,
        request: Request,
        head_slot: Slot,
        responder: Responder,
        sizes: &Histogram,
    ) {
        let roots = match request {
            Request::BlocksByRoot(roots) => Ok(roots),
            Request::BlocksByRange { start_slot, count } => self.range(start_slot, count, head_slot).await,
            // The network answers these itself.
            Request::Status(_) => Ok(Vec::new()),
        };
        let roots = match roots {
            Ok(roots) => roots,
            Err((code, text)) => return responder.fail(code, text).await,
        };
        for root in roots {
            match self.block_ssz(root).await {
                Ok(None) => {}
                Ok(Some(ssz)) => {
                    sizes.observe(ssz.len() as f64);
                    if responder.send_block_ssz(ssz).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    warn!(%error, "a block cannot be read for a peer");
                    return responder.fail(ResponseCode::ServerError, "the block cannot be read").await;
                }
            }
        }
    }

    /// Roots of the canonical blocks of a range, if we still hold it.
    async fn range(
        &self,
        start: Slot,
        count: u64,
        head: Slot,
    ) -> Result<Vec<Root>, (ResponseCode, &'static str)> {
        let found = self.read(move |database| match blocks_in_range(database, start, count, head) {
            Ok(roots) => Ok(Some(roots)),
            Err(Refusal::NotHeld) => Ok(None),
            Err(Refusal::Database(error)) => Err(error),
        });
        match found.await {
            Ok(Some(roots)) => Ok(roots),
            Ok(None) => Err((ResponseCode::ResourceUnavailable, "the range begins before what is kept")),
            Err(error) => {
                warn!(%error, "a range cannot be read for a peer");
                Err((ResponseCode::ServerError, "the range cannot be read"))
            }
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&dyn Database) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let database = self.0.clone();
        let read = tokio::task::spawn_blocking(move || query(&*database));
        read.await.unwrap_or_else(|error| Err(StorageError::Backend(error.to_string())))
    }
}
