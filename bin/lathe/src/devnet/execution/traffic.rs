//! Keeps the chain busy: a transfer a slot, and from Prague on a withdrawal request now and then.
//!
//! The clients know no peers, so that each transaction goes to all of them, as gossip would bring it.

use std::net::SocketAddr;

use lathe_execution::Fork;
use lathe_execution::dev::{CHAIN_ID, FUNDED_KEY};

use super::rpc::Rpc;
use super::transactions::{Sender, to_hex};

/// Slots from one withdrawal request to the next.
const SLOTS_PER_REQUEST: u64 = 6;

/// Sends transactions and counts them.
pub(super) struct Traffic {
    rpc: Rpc,
    clients: Vec<SocketAddr>,
    sender: Option<Sender>,
    has_requests: bool,
    next_nonce: Option<u64>,
    sent: u64,
}

impl Traffic {
    /// Traffic for a chain of `fork` with these clients.
    pub(super) fn new(clients: Vec<SocketAddr>, fork: Fork) -> Self {
        Self {
            rpc: Rpc::new(),
            clients,
            sender: Sender::new(FUNDED_KEY, CHAIN_ID),
            has_requests: fork.has_requests(),
            next_nonce: None,
            sent: 0,
        }
    }

    /// Transactions that at least one client took in.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// Sends what belongs to `slot`. Without an answer nothing is sent, and the next slot tries again.
    pub(super) fn send(&mut self, slot: u64) {
        let Some(sender) = &self.sender else { return };
        let Some(nonce) = self.next_nonce.or_else(|| self.first_nonce(sender)) else { return };
        let is_request = self.has_requests && slot.is_multiple_of(SLOTS_PER_REQUEST);
        let transaction = if is_request { sender.withdrawal_request(nonce) } else { sender.transfer(nonce) };
        let transaction = to_hex(&transaction);
        let taken = self.clients.iter().filter(|client| self.rpc.send(**client, &transaction)).count();
        if taken > 0 {
            self.sent += 1;
            self.next_nonce = Some(nonce + 1);
        }
    }

    fn first_nonce(&self, sender: &Sender) -> Option<u64> {
        let account = sender.address().to_string();
        self.clients.iter().filter_map(|client| self.rpc.nonce(*client, &account)).max()
    }
}
