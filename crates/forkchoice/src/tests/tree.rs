use super::Numbers;
use crate::tree::{NodeId, Tree};
use lathe_types::{Checkpoint, Root, Slot, ValidatorIndex};

/// A tree of `size` blocks with arbitrary forks and gaps.
fn arbitrary(numbers: &mut Numbers, size: usize) -> Tree {
    let mut tree = Tree::default();
    for id in 0..size {
        // Mostly long chains, with a fork now and then.
        let parent = match id {
            0 => None,
            _ if numbers.below(4) == 0 => Some(numbers.below(id as u64) as usize),
            _ => Some(id - 1),
        };
        let (parent_root, slot) = parent.map_or((Root::ZERO, 3), |parent| {
            let node = tree.node(parent);
            (node.root, node.slot.0 + 1 + numbers.below(3))
        });
        let root = Root::from_slice(&[&[id as u8 + 1; 16][..], &(id as u64).to_be_bytes(), &[0; 8]].concat());
        tree.insert(
            Checkpoint { root, slot: Slot(slot) },
            parent_root,
            ValidatorIndex(id as u64),
            None,
            None,
        );
    }
    tree
}

/// What the skip links must agree with: one parent after the other.
fn walk(tree: &Tree, mut id: NodeId, slot: Slot) -> NodeId {
    while tree.node(id).slot > slot
        && let Some(parent) = tree.node(id).parent
    {
        id = parent;
    }
    id
}

#[test]
fn skip_links_lead_where_parents_lead() {
    let mut numbers = Numbers(0x1234_5678_9abc_def1);
    for size in [1, 2, 3, 17, 200] {
        let tree = arbitrary(&mut numbers, size);
        for id in 0..size {
            for slot in 0..=tree.node(id).slot.0 + 1 {
                let found = tree.ancestor_at_or_before(id, Slot(slot));
                assert_eq!(found, walk(&tree, id, Slot(slot)), "block {id}, slot {slot}");
            }
        }
    }
}

#[test]
fn an_ancestor_lies_on_the_chain_at_its_own_slot() {
    let mut numbers = Numbers(77);
    let tree = arbitrary(&mut numbers, 60);
    for descendant in tree.nodes() {
        for ancestor in tree.nodes() {
            let mut chain =
                std::iter::successors(Some(descendant), |node| node.parent.map(|id| tree.node(id)));
            let expected = chain.any(|node| node.root == ancestor.root);
            let (ancestor, descendant) = (ancestor.checkpoint(), descendant.checkpoint());
            assert_eq!(tree.checkpoint_is_ancestor(ancestor, descendant), expected);
            let misplaced = Checkpoint { slot: Slot(ancestor.slot.0 + 1), ..ancestor };
            assert!(!tree.checkpoint_is_ancestor(misplaced, descendant));
        }
    }
    let unknown = Checkpoint { root: Root::repeat_byte(0xee), slot: Slot(9) };
    assert!(!tree.checkpoint_is_ancestor(tree.node(0).checkpoint(), unknown));
    assert!(!tree.checkpoint_is_ancestor(unknown, tree.node(5).checkpoint()));
}

#[test]
fn pruning_keeps_the_rest_connected() {
    let mut numbers = Numbers(5);
    let mut tree = arbitrary(&mut numbers, 120);
    let old = tree.clone();
    tree.prune(|id| old.node(id).slot.0 >= 40, |_| true);
    let kept: Vec<_> = old.nodes().iter().filter(|node| node.slot.0 >= 40).collect();
    assert_eq!(tree.nodes().len(), kept.len());
    for (new, old_node) in tree.nodes().iter().zip(kept) {
        assert_eq!(
            (new.root, new.slot, new.parent_root),
            (old_node.root, old_node.slot, old_node.parent_root)
        );
        assert_eq!(
            new.parent.map(|id| tree.node(id).root),
            tree.id(&old_node.parent_root).map(|_| new.parent_root)
        );
        let id = tree.id(&new.root).unwrap();
        for slot in 0..=new.slot.0 {
            assert_eq!(tree.ancestor_at_or_before(id, Slot(slot)), walk(&tree, id, Slot(slot)));
        }
        let children: Vec<Root> = new.children.iter().map(|id| tree.node(*id).root).collect();
        assert_eq!(children, old_node.children.iter().map(|id| old.node(*id).root).collect::<Vec<_>>());
    }
}
