//! Peers without keys or stake: they claim what nobody has and send what leads nowhere, under new names all the time.

use std::sync::Arc;

use lathe_engine::{Group, Input, MessageId, Millis, Origin, Peer};
use lathe_types::{Checkpoint, Root, Slot, Status};
use rand::RngExt;

use super::{Happening, NodeId, World};
use crate::faults::Fault;

/// How often they come under new names.
const ROUND_MS: i64 = 4_000;
/// Names are counted from here on; those below are nodes.
pub(super) const FIRST_NAME: u64 = 1 << 32;

pub(super) fn is_stranger(peer: Peer) -> bool {
    peer.0 >= FIRST_NAME
}

impl World<'_> {
    /// Those of the round before leave, and as many others come.
    pub(super) fn strangers_come(&mut self) {
        let Some(strangers) = self.scenario.strangers else { return };
        let first = self.next_name;
        self.next_name += strangers.liars;
        for id in 0..self.nodes.len() {
            for name in first..self.next_name {
                let (peer, group) = (Peer(name), Group(if strangers.one_address { 0 } else { name }));
                if let Some(gone) = name.checked_sub(strangers.liars).filter(|gone| *gone >= FIRST_NAME) {
                    self.answer(id, 1, Input::PeerDisconnected { peer: Peer(gone) });
                }
                self.answer(id, 2, Input::PeerConnected { peer, group });
                self.claim(id, peer);
                (0..strangers.orphans).for_each(|_| self.send_orphan(id, peer));
            }
        }
        self.schedule_at(self.now + ROUND_MS, Happening::Strangers);
    }

    /// A status with a head that nobody has, as new as the clock allows.
    pub(super) fn claim(&mut self, id: NodeId, peer: Peer) {
        let Some(finalized) = self.engine(id).map(|engine| engine.view().finalized) else { return };
        let root = self.invented();
        let head = Checkpoint { root, slot: Millis(self.now).slot().max(finalized.slot) };
        self.note(Fault::FalseStatus);
        self.answer(id, 3, Input::PeerStatus { peer, status: Status { finalized, head } });
    }

    /// The node's head as a block that has another parent, and comes at any time since finality.
    fn send_orphan(&mut self, id: NodeId, peer: Peer) {
        let Some(running) = self.running(id) else { return };
        let (head, finalized) = (running.engine.view().head, running.engine.view().finalized.slot.0);
        let Some(block) = running.block(head.root) else { return };
        let mut orphan = (*block).clone();
        orphan.block.parent_root = self.invented();
        let clock = Millis(self.now).slot().0.max(finalized + 1);
        orphan.block.slot = Slot(self.stranger_rng.random_range(finalized + 1..=clock));
        let origin = Origin::Gossip { id: MessageId(self.stranger_rng.random()), peer };
        let delay = self.stranger_rng.random_range(4..ROUND_MS);
        self.note(Fault::OrphanSent);
        self.answer(id, delay, Input::Block { block: Arc::new(orphan), origin });
    }

    fn invented(&mut self) -> Root {
        Root::new(self.stranger_rng.random())
    }

    /// What becomes of a request to a stranger: nothing, one way or another.
    pub(super) fn never_served(&mut self) -> bool {
        self.stranger_rng.random_bool(0.5)
    }
}
