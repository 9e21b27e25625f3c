//! One row per signature of the statement. The verifier computes all but two digests of it by itself, so this is where
//! the other tables are held to the statement: each signature starts here, and ends here with its public key.

use lathe_leansig::circuit::{from_limb, message_limbs, message_tweak, tree_tweak};
use lathe_leansig::{PUBLIC_KEY_BYTES, Prod, Scheme};
use p3_air::AirBuilder;
use p3_field::PrimeCharacteristicRing;
use p3_lookup::InteractionBuilder;

use super::{assert_public, row, take};
use crate::buses::{self, Tag, state};
use crate::error::Error;
use crate::layout::{BLOCKS, ELEMENTS, LEVELS, TARGET_SUM};
use crate::statement::Statement;
use crate::system::F;

/// Number of the signature, from 1; 0 in padding.
pub(crate) const SIGNATURE: usize = 0;
/// Number of its slot, from 1.
pub(crate) const GROUP: usize = 1;
/// Parameter of the key.
pub(crate) const PARAMETER: usize = 2;
/// Root of the key.
pub(crate) const ROOT: usize = 7;
/// Limbs of the message.
pub(crate) const MESSAGE: usize = 15;
/// Tweak of the message.
pub(crate) const MESSAGE_TWEAK: usize = 24;
/// Tweak of the leaf.
pub(crate) const LEAF_TWEAK: usize = 26;
/// 1 for every signature of the statement, 0 in padding.
pub(crate) const ON: usize = 28;
/// Columns up to here are the verifier's own.
pub(crate) const PUBLIC: usize = 29;
/// End of the first chain.
pub(crate) const END: usize = 29;
/// The leaf.
pub(crate) const LEAF: usize = 37;
/// Columns.
pub(crate) const WIDTH: usize = 45;

/// The constraints, and the messages.
pub(crate) fn eval<AB: AirBuilder<F = F> + InteractionBuilder>(builder: &mut AB) {
    let cells = row(builder);
    assert_public(builder, &cells[..PUBLIC]);
    let on = cells[ON].clone();
    let number = |value: usize| AB::Expr::from(F::from_usize(value));
    let signature = cells[SIGNATURE].clone();
    let ids = |counter: usize| [cells[SIGNATURE].clone(), cells[GROUP].clone(), number(counter)];
    let tag = |tag: Tag| AB::Expr::from(tag.element());
    let parameter = || take(&cells, PARAMETER..ROOT);

    let message = take(&cells, MESSAGE..MESSAGE_TWEAK)
        .chain(parameter())
        .chain(take(&cells, MESSAGE_TWEAK..LEAF_TWEAK));
    buses::send(builder, buses::STATE, state::<AB>(tag(Tag::Message), ids(0), message), on.clone());
    let digits = [number(TARGET_SUM as usize)]
        .into_iter()
        .chain((0..ELEMENTS).map(|_| AB::Expr::ZERO))
        .chain(parameter());
    buses::receive(builder, buses::STATE, state::<AB>(tag(Tag::Digits), ids(ELEMENTS), digits), on.clone());

    // The first chain, and the first block, which it shares.
    let last_step = ids(7).into_iter().chain(take(&cells, END..LEAF)).chain(parameter()).collect();
    buses::receive(builder, buses::CHAIN, last_step, on.clone());
    let block = [signature, AB::Expr::ONE]
        .into_iter()
        .chain(parameter())
        .chain(take(&cells, LEAF_TWEAK..ON))
        .chain(take(&cells, END..LEAF))
        .collect();
    buses::send(builder, buses::BLOCK, block, on.clone());

    let capacity = Prod::LEAF_CAPACITY.into_iter().map(AB::Expr::from);
    buses::send(builder, buses::STATE, state::<AB>(tag(Tag::Capacity), ids(1), capacity), on.clone());
    let leaf = || take(&cells, LEAF..WIDTH);
    buses::receive(builder, buses::STATE, state::<AB>(tag(Tag::Leaf), ids(BLOCKS), leaf()), on.clone());
    let path = leaf().chain(parameter());
    buses::send(builder, buses::STATE, state::<AB>(tag(Tag::Path), ids(0), path), on.clone());
    let root = take(&cells, ROOT..MESSAGE).chain(parameter());
    buses::receive(builder, buses::STATE, state::<AB>(tag(Tag::Path), ids(LEVELS), root), on);
}

/// The columns that the verifier computes itself, from the statement alone.
///
/// # Errors
/// A public key is malformed.
pub(crate) fn public_columns(statement: &Statement, height: usize) -> Result<Vec<Vec<F>>, Error> {
    let mut columns = vec![vec![F::ZERO; height]; PUBLIC];
    for (index, claim) in statement.claims().iter().enumerate() {
        let (root, parameter) = key(&claim.public_key).ok_or(Error::MalformedKey { index })?;
        let group = statement.slots().partition_point(|slot| *slot < claim.slot) + 1;
        let mut row = vec![F::from_usize(index + 1), F::from_usize(group)];
        row.extend(parameter);
        row.extend(root);
        row.extend(message_limbs(&claim.message));
        row.extend(message_tweak(claim.slot));
        row.extend(tree_tweak(0, claim.slot));
        row.push(F::ONE);
        for (column, value) in columns.iter_mut().zip(row) {
            column[index] = value;
        }
    }
    Ok(columns)
}

/// Root and parameter of an encoded key; `None` if a limb is not canonical.
pub(crate) fn key(bytes: &[u8; PUBLIC_KEY_BYTES]) -> Option<([F; 8], [F; 5])> {
    let mut elements = [F::ZERO; 13];
    for (element, limb) in elements.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *element = from_limb(u32::from_le_bytes(*limb))?;
    }
    let [root, parameter] = [&elements[..8], &elements[8..]];
    Some((root.try_into().ok()?, parameter.try_into().ok()?))
}

/// Fills what the verifier does not compute.
pub(crate) fn fill(row: &mut [F], end: &[F; 8], leaf: &[F; 8]) {
    row[END..LEAF].copy_from_slice(end);
    row[LEAF..WIDTH].copy_from_slice(leaf);
}
