//! The channels between the tables. What is sent on one must be received exactly as often, message by message.
//!
//! | bus | message | sent by | received by |
//! |---|---|---|---|
//! | `chain` | signature, group, position, value, parameter | digits (start), chain (next) | chain, leaf, signature (end) |
//! | `block` | signature, block, 15 elements | leaf, signature (first block) | node |
//! | `state` | tag, signature, group, counter, 16 elements | see [`Tag`] | see [`Tag`] |
//! | `tweak` | group, position, two limbs, direction | tweak, with multiplicities | chain, node |

use p3_air::AirBuilder;
use p3_field::PrimeCharacteristicRing;
use p3_lookup::{Count, InteractionBuilder};

use crate::system::F;

/// Values along the chains. A position is 8 times the chain, plus the step of the value.
pub(crate) const CHAIN: &str = "chain";
/// Blocks of the sponge over the ends of the chains, counted from 1.
pub(crate) const BLOCK: &str = "block";
/// What the rows of one signature hand on to each other.
pub(crate) const STATE: &str = "state";
/// Tweaks of chain values and of tree nodes, a lookup rather than a permutation.
pub(crate) const TWEAK: &str = "tweak";

/// Elements of a message on [`STATE`] after its tag, signature, group and counter.
pub(crate) const STATE_PAYLOAD: usize = 16;

/// What a message on [`STATE`] is about. The comment gives the counter and the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Tag {
    /// 0; message 9, parameter 5, tweak 2. From the signature table to the message row.
    Message = 1,
    /// Digits read so far / 8; their sum, elements left 6, parameter 5. Message row, digit rows, signature table.
    Digits = 2,
    /// Next block; capacity 9. Signature table, sponge rows.
    Capacity = 3,
    /// Last block; leaf 8. From the last sponge row to the signature table.
    Leaf = 4,
    /// Level; node 8, parameter 5. Signature table, node rows, signature table.
    Path = 5,
}

impl Tag {
    /// The element that stands for the tag.
    pub(crate) const fn element(self) -> F {
        F::new(self as u32)
    }
}

/// A message on [`STATE`]; the payload is padded with zeros.
pub(crate) fn state<AB: AirBuilder<F = F>>(
    tag: AB::Expr,
    [signature, group, counter]: [AB::Expr; 3],
    payload: impl IntoIterator<Item = AB::Expr>,
) -> Vec<AB::Expr> {
    let mut message = vec![tag, signature, group, counter];
    message.extend(payload);
    message.resize(4 + STATE_PAYLOAD, AB::Expr::ZERO);
    message
}

/// Sends a message `count` times; `count` is 0 or 1 on every row, by a constraint of the table.
pub(crate) fn send<AB>(builder: &mut AB, bus: &str, message: Vec<AB::Expr>, count: AB::Expr)
where
    AB: AirBuilder<F = F> + InteractionBuilder,
{
    builder.push_interaction(bus, message, Count::bounded(count, 1));
}

/// Receives a message `count` times; `count` is 0 or 1 on every row, by a constraint of the table.
pub(crate) fn receive<AB>(builder: &mut AB, bus: &str, message: Vec<AB::Expr>, count: AB::Expr)
where
    AB: AirBuilder<F = F> + InteractionBuilder,
{
    send(builder, bus, message, -count);
}

/// Offers a message to as many lookups as there are.
pub(crate) fn provide<AB>(builder: &mut AB, bus: &str, message: Vec<AB::Expr>, lookups: AB::Expr)
where
    AB: AirBuilder<F = F> + InteractionBuilder,
{
    builder.push_interaction(bus, message, Count::provided(-lookups));
}
