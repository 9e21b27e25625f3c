//! One row per element of the message's hash: eight digits, and the values of the signature that they place on chains.

use p3_air::AirBuilder;
use p3_field::{Field, PrimeCharacteristicRing};
use p3_lookup::InteractionBuilder;

use super::{row, take};
use crate::buses::{self, Tag, state};
use crate::layout::ELEMENTS;
use crate::system::F;

/// Number of the signature, from 1.
pub(crate) const SIGNATURE: usize = 0;
/// Number of its slot, from 1.
pub(crate) const GROUP: usize = 1;
/// Number of the element, from 0.
pub(crate) const COUNTER: usize = 2;
/// Sum of the digits of the elements before.
pub(crate) const SUM: usize = 3;
/// Elements still to be read; the first is this row's.
pub(crate) const ELEMENT: usize = 4;
/// Parameter of the key.
pub(crate) const PARAMETER: usize = ELEMENT + ELEMENTS;
/// 1 in rows that count, 0 in padding.
pub(crate) const ON: usize = PARAMETER + 5;
/// Whether only six of the digits belong to the codeword.
pub(crate) const SHORT: usize = ON + 1;
/// Inverse of 127 less the remainder.
pub(crate) const INVERSE: usize = SHORT + 1;
/// Bits of the remainder, least significant first.
pub(crate) const REMAINDER: usize = INVERSE + 1;
/// Bits of the digits, least significant first.
pub(crate) const BITS: usize = REMAINDER + 7;
/// Values of the signature, eight elements each.
pub(crate) const VALUES: usize = BITS + 24;
/// Columns.
pub(crate) const WIDTH: usize = VALUES + 64;

/// Digits in one element.
pub(crate) const DIGITS: usize = 8;
/// Digits of the last element that belong to the codeword: 46 = 5 * 8 + 6.
pub(crate) const SHORT_DIGITS: usize = 6;
/// P - 1 is this times 8^8.
const QUOTIENT: u32 = 127;

/// The constraints, and the messages.
pub(crate) fn eval<AB: AirBuilder<F = F> + InteractionBuilder>(builder: &mut AB) {
    let cells = row(builder);
    let [on, short] = [ON, SHORT].map(|column| cells[column].clone());
    for flag in [on.clone(), short.clone()].into_iter().chain(take(&cells, REMAINDER..VALUES)) {
        builder.assert_bool(flag);
    }
    // So that `on - short`, the number of times that the last two values are sent, is 0 or 1.
    builder.assert_zero(short.clone() * (AB::Expr::ONE - on.clone()));
    let binary = |first: usize, bits: usize| -> AB::Expr {
        (0..bits).map(|bit| cells[first + bit].clone() * F::from_u32(1 << bit)).sum()
    };
    // The element is 127 q + r with q < 2^24 and r < 127. Such numbers are exactly those from 0 to P - 2, each written
    // in one way, so the digits are determined and P - 1, which has none, is impossible.
    let remainder = binary(REMAINDER, 7);
    builder.assert_eq(cells[ELEMENT].clone(), binary(BITS, 24) * F::from_u32(QUOTIENT) + remainder.clone());
    let gap = AB::Expr::from(F::from_u32(QUOTIENT)) - remainder;
    builder.assert_eq(gap * cells[INVERSE].clone(), on.clone());

    let digit = |i: usize| binary(BITS + 3 * i, 3);
    let ids = |counter: AB::Expr| [cells[SIGNATURE].clone(), cells[GROUP].clone(), counter];
    let parameter = || take(&cells, PARAMETER..ON);
    let counter = cells[COUNTER].clone();
    let payload = [cells[SUM].clone()].into_iter().chain(take(&cells, ELEMENT..PARAMETER)).chain(parameter());
    let before = state::<AB>(Tag::Digits.element().into(), ids(counter.clone()), payload);
    let all: AB::Expr = (0..SHORT_DIGITS).map(digit).sum();
    let rest: AB::Expr = (SHORT_DIGITS..DIGITS).map(digit).sum();
    let sum = cells[SUM].clone() + all + rest * (AB::Expr::ONE - short.clone());
    let left = take(&cells, ELEMENT + 1..PARAMETER).chain([AB::Expr::ZERO]);
    let payload = [sum].into_iter().chain(left).chain(parameter());
    let after = state::<AB>(Tag::Digits.element().into(), ids(counter.clone() + AB::Expr::ONE), payload);
    buses::receive(builder, buses::STATE, before, on.clone());
    buses::send(builder, buses::STATE, after, on.clone());

    for i in 0..DIGITS {
        let chain = counter.clone() * F::from_u32(64) + AB::Expr::from(F::from_usize(8 * i));
        let mut start = vec![cells[SIGNATURE].clone(), cells[GROUP].clone(), chain + digit(i)];
        start.extend(take(&cells, VALUES + 8 * i..VALUES + 8 * i + 8));
        start.extend(parameter());
        let count = if i < SHORT_DIGITS { on.clone() } else { on.clone() - short.clone() };
        buses::send(builder, buses::CHAIN, start, count);
    }
}

/// One element to read.
#[derive(Clone, Debug)]
pub(crate) struct Element {
    /// Number of the signature.
    pub signature: u32,
    /// Number of its slot.
    pub group: u32,
    /// Number of the element.
    pub counter: u32,
    /// Sum of the digits before.
    pub sum: u32,
    /// This element and those after it, then zeros.
    pub elements: [F; ELEMENTS],
    /// Canonical limb of this element.
    pub limb: u32,
    /// Parameter of the key.
    pub parameter: [F; 5],
    /// Values of the signature; zeros where there is no chain.
    pub values: [[F; 8]; DIGITS],
}

/// Fills a row that was all zero, which is how padding stays.
pub(crate) fn fill(row: &mut [F], element: &Element) {
    row[SIGNATURE] = F::new(element.signature);
    row[GROUP] = F::new(element.group);
    row[COUNTER] = F::new(element.counter);
    row[SUM] = F::new(element.sum);
    row[ELEMENT..PARAMETER].copy_from_slice(&element.elements);
    row[PARAMETER..ON].copy_from_slice(&element.parameter);
    row[ON] = F::ONE;
    row[SHORT] = F::from_bool(element.counter as usize == ELEMENTS - 1);
    let [quotient, remainder] = [element.limb / QUOTIENT, element.limb % QUOTIENT];
    row[INVERSE] = F::new(QUOTIENT - remainder).inverse();
    for bit in 0..7 {
        row[REMAINDER + bit] = F::new((remainder >> bit) & 1);
    }
    for bit in 0..24 {
        row[BITS + bit] = F::new((quotient >> bit) & 1);
    }
    row[VALUES..].copy_from_slice(element.values.as_flattened());
}
