//! Starting again from what was stored.

mod support;

use lathe_engine::{Anchor, Engine, EngineConfig, EngineError};
use lathe_types::RejectionReason;
use support::{Hand, Made, anchor};

#[test]
fn stored_blocks_are_there_without_any_check() {
    let genesis_anchor = anchor(4);
    let first = Made::genesis(&genesis_anchor).child(1, &[]);
    let second = first.child(2, &[]);
    let third = second.child(3, &[]);
    let resumed = Anchor {
        later: [&second, &third].map(|made| (made.block.clone(), made.state.clone())).to_vec(),
        head: Some(third.root),
        ..Anchor::new(first.block.block.header(), first.state.clone())
    };
    let mut hand = Hand::new(16_000, &[], false, resumed);
    assert!(hand.events().is_empty());
    let view = hand.engine.view();
    assert_eq!(view.head, third.checkpoint());
    assert_eq!(view.finalized, first.checkpoint());
    assert_eq!(view.nodes.len(), 3);
    assert_eq!(hand.gossip_block(1, &third.child(4, &[]).block), ["verify job 0: block 4"]);
}

#[test]
fn a_head_that_fork_choice_does_not_confirm_is_corrected_on_disk() {
    let genesis_anchor = anchor(4);
    let genesis = Made::genesis(&genesis_anchor);
    let children = [genesis.child(1, &[]), genesis.child(2, &[])];
    let resumed = |head| Anchor {
        later: children.iter().map(|made| (made.block.clone(), made.state.clone())).collect(),
        head: Some(head),
        ..genesis_anchor.clone()
    };
    let corrections = children.each_ref().map(|made| {
        let mut engine = Engine::new(EngineConfig::default(), resumed(made.root)).unwrap();
        std::iter::from_fn(|| engine.poll_effect())
            .map(|effect| support::describe(&effect))
            .collect::<Vec<_>>()
    });
    let [one, other] = corrections.map(|effects| effects.len());
    assert_eq!(one.min(other), 0, "without votes the larger root wins, whatever was recorded");
    assert_eq!(one.max(other), 2, "the head is announced, and written");
}

#[test]
fn foreign_blocks_are_refused_by_name() {
    let (ours, theirs) = (anchor(4), anchor(3));
    let first = Made::genesis(&theirs).child(1, &[]);
    let resumed = Anchor { later: vec![(first.block.clone(), first.state.clone())], ..ours.clone() };
    let refused = Engine::new(EngineConfig::default(), resumed).err();
    assert!(matches!(
        refused,
        Some(EngineError::Resume { root, source })
            if root == first.root && source.reason == RejectionReason::UnknownParentBlock
    ));
    let mixed = Anchor { state: theirs.state, ..ours };
    assert!(matches!(
        Engine::new(EngineConfig::default(), mixed).err(),
        Some(EngineError::Anchor(rejection)) if rejection.reason == RejectionReason::AnchorStateRootMismatch
    ));
}
