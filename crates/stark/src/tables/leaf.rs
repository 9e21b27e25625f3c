//! One row per 15 chains: their 120 elements are eight blocks of the sponge. The first chain shares its block with the
//! parameter and the tweak and is handled by the signature table; three rows take the other 45.

use p3_air::AirBuilder;
use p3_field::PrimeCharacteristicRing;
use p3_lookup::InteractionBuilder;

use super::{row, take};
use crate::buses;
use crate::system::F;

/// Ends of the chains, eight elements each.
pub(crate) const ENDS: usize = 0;
/// Number of the signature, from 1.
pub(crate) const SIGNATURE: usize = 120;
/// Number of its slot, from 1.
pub(crate) const GROUP: usize = 121;
/// Number of the row, from 0.
pub(crate) const COUNTER: usize = 122;
/// 1 in rows that count, 0 in padding.
pub(crate) const ON: usize = 123;
/// Parameter of the key.
pub(crate) const PARAMETER: usize = 124;
/// Columns.
pub(crate) const WIDTH: usize = 129;

/// Chains of one row.
pub(crate) const CHAINS: usize = 15;
/// Blocks of one row.
pub(crate) const BLOCKS: usize = 8;

/// The constraint, and the messages.
pub(crate) fn eval<AB: AirBuilder<F = F> + InteractionBuilder>(builder: &mut AB) {
    let cells = row(builder);
    let on = cells[ON].clone();
    builder.assert_bool(on.clone());
    for i in 0..CHAINS {
        // The last step, 7, of chain 1 + 15 * counter + i.
        let position = cells[COUNTER].clone() * F::from_usize(8 * CHAINS)
            + AB::Expr::from(F::from_usize(8 * (1 + i) + 7));
        let mut end = vec![cells[SIGNATURE].clone(), cells[GROUP].clone(), position];
        end.extend(take(&cells, ENDS + 8 * i..ENDS + 8 * i + 8));
        end.extend(take(&cells, PARAMETER..WIDTH));
        buses::receive(builder, buses::CHAIN, end, on.clone());
    }
    for i in 0..BLOCKS {
        let number = cells[COUNTER].clone() * F::from_usize(BLOCKS) + AB::Expr::from(F::from_usize(2 + i));
        let mut block = vec![cells[SIGNATURE].clone(), number];
        block.extend(take(&cells, ENDS + 15 * i..ENDS + 15 * i + 15));
        buses::send(builder, buses::BLOCK, block, on.clone());
    }
}

/// Fills a row that was all zero, which is how padding stays.
pub(crate) fn fill(row: &mut [F], ids: [u32; 3], parameter: &[F; 5], ends: &[[F; 8]]) {
    row[ENDS..SIGNATURE].copy_from_slice(ends.as_flattened());
    row[SIGNATURE..ON].copy_from_slice(&ids.map(F::new));
    row[ON] = F::ONE;
    row[PARAMETER..WIDTH].copy_from_slice(parameter);
}
