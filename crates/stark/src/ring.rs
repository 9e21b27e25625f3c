//! What the permutations need of a representation that they are evaluated in.
//!
//! Constraints are evaluated in base field elements, in lanes of them, in challenges, in lanes of challenges, and in
//! symbols. Nearly all the time goes to lanes of challenges, for which the library has no linear algebra of its own: it
//! would multiply and reduce product by product. A linear map over the base field acts on each of the five coefficients
//! alone, so here they are taken apart and handed to what the library has for lanes of the base field.

use p3_air::symbolic::SymbolicExpression;
use p3_field::{Algebra, BasedVectorSpace, ExtensionField, Field, PackedValue, PrimeCharacteristicRing};
use p3_koala_bear::MDSKoalaBearData;
use p3_mds::karatsuba_convolution::{mds_circulant_karatsuba_16, mds_circulant_karatsuba_24};
use p3_monty_31::MDSUtils;
use p3_multi_stark::packed_ext::PackedExt;

use crate::system::{Challenge, F};

/// Elements of the base field that are computed with at once.
pub type Lanes = <F as Field>::Packing;
/// How many those are.
pub const LANES: usize = <Lanes as PackedValue>::WIDTH;
/// Challenges that are computed with at once.
pub type ChallengeLanes = <Challenge as ExtensionField<F>>::ExtensionPacking;

/// Products that are added up in one go.
pub const TERMS: usize = 8;

/// Degree of the field of the challenges.
const DEGREE: usize = <Challenge as BasedVectorSpace<F>>::DIMENSION;

const COLUMN_16: [F; 16] = elements(MDSKoalaBearData::MATRIX_CIRC_MDS_16_COL);
const COLUMN_24: [F; 24] = elements(MDSKoalaBearData::MATRIX_CIRC_MDS_24_COL);

const fn elements<const N: usize>(integers: [i64; N]) -> [F; N] {
    let mut elements = [F::new(0); N];
    let mut index = 0;
    while index < N {
        elements[index] = F::new(integers[index] as u32);
        index += 1;
    }
    elements
}

/// A representation that the permutations are evaluated in.
pub trait Ring: Algebra<F> + Clone {
    /// The sum of the products of values and factors.
    #[inline]
    fn dot(values: &[Self; TERMS], factors: &[F; TERMS]) -> Self {
        Self::mixed_dot_product(values, factors)
    }

    /// The third power.
    #[inline]
    fn third_power(&self) -> Self {
        self.cube()
    }

    /// Multiplies by the circulant matrix of width 16.
    #[inline]
    fn mix_16(state: &mut [Self; 16]) {
        mds_circulant_karatsuba_16(state, &COLUMN_16);
    }

    /// Multiplies by the circulant matrix of width 24.
    #[inline]
    fn mix_24(state: &mut [Self; 24]) {
        mds_circulant_karatsuba_24(state, &COLUMN_24);
    }
}

impl Ring for F {}
impl Ring for Challenge {}
impl Ring for SymbolicExpression<F> {}

// Where there are no vectors, a lane is a field element.
#[cfg(all(target_arch = "x86_64", target_feature = "avx512f"))]
impl Ring for p3_koala_bear::PackedKoalaBearAVX512 {}
#[cfg(all(target_arch = "x86_64", target_feature = "avx2", not(target_feature = "avx512f")))]
impl Ring for p3_koala_bear::PackedKoalaBearAVX2 {}
#[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
impl Ring for p3_koala_bear::PackedKoalaBearNeon {}

impl Ring for PackedExt<F, ChallengeLanes> {
    #[inline]
    fn dot(values: &[Self; TERMS], factors: &[F; TERMS]) -> Self {
        let [a, b, c, d, e, f, g, h] = values.each_ref().map(coefficients);
        join(|i| Lanes::mixed_dot_product(&[a[i], b[i], c[i], d[i], e[i], f[i], g[i], h[i]], factors))
    }

    #[inline]
    fn third_power(&self) -> Self {
        let value = coefficients(self);
        let cube = multiply(&square(value), value);
        join(|index| cube[index])
    }

    #[inline]
    fn mix_16(state: &mut [Self; 16]) {
        by_coefficient(state, mix_lanes_16);
    }

    #[inline]
    fn mix_24(state: &mut [Self; 24]) {
        by_coefficient(state, mix_lanes_24);
    }
}

// Products of challenges by their coefficients, modulo X^5 + X^2 - 1. Each coefficient of the result is one sum of
// products, which is reduced once: the library reduces those of X^5 .. X^8 too.

#[inline]
fn square(a: &[Lanes; DEGREE]) -> [Lanes; DEGREE] {
    let double = a.map(|coefficient| coefficient.double());
    let less = double[0] - double[3];
    [
        Lanes::dot_product(&[a[0], double[1], double[2], -a[4]], &[a[0], a[4], a[3], a[4]]),
        Lanes::dot_product(&[double[0], double[2], a[3]], &[a[1], a[4], a[3]]),
        Lanes::dot_product(&[a[2], a[1], a[4]], &[less, a[1] - double[4], a[4] + double[3]]),
        Lanes::dot_product(&[a[3], double[2], a[4]], &[double[0] - a[3], a[1] - a[4], a[4]]),
        Lanes::dot_product(&[a[4], double[1], a[2]], &[less, a[3], a[2]]),
    ]
}

#[inline]
fn multiply(a: &[Lanes; DEGREE], b: &[Lanes; DEGREE]) -> [Lanes; DEGREE] {
    let [b03, b14, b42] = [b[0] - b[3], b[1] - b[4], b[4] - b[2]];
    [
        Lanes::dot_product(a, &[b[0], b[4], b[3], b[2], b14]),
        Lanes::dot_product(a, &[b[1], b[0], b[4], b[3], b[2]]),
        Lanes::dot_product(a, &[b[2], b14, b03, b42, b[3] - b14]),
        Lanes::dot_product(a, &[b[3], b[2], b14, b03, b42]),
        Lanes::dot_product(a, &[b[4], b[3], b[2], b14, b03]),
    ]
}

// Not inlined: each is large, and called five times in a row.
#[inline(never)]
fn mix_lanes_16(state: &mut [Lanes; 16]) {
    mds_circulant_karatsuba_16(state, &COLUMN_16);
}

#[inline(never)]
fn mix_lanes_24(state: &mut [Lanes; 24]) {
    mds_circulant_karatsuba_24(state, &COLUMN_24);
}

#[inline]
fn coefficients(value: &PackedExt<F, ChallengeLanes>) -> &[Lanes; DEGREE] {
    const NONE: [Lanes; DEGREE] = [Lanes::ZERO; DEGREE];
    value.0.as_basis_coefficients_slice().first_chunk().unwrap_or(&NONE)
}

#[inline]
fn join(coefficient: impl Fn(usize) -> Lanes) -> PackedExt<F, ChallengeLanes> {
    PackedExt::new(ChallengeLanes::from_basis_coefficients_fn(coefficient))
}

#[inline]
fn by_coefficient<const N: usize>(
    state: &mut [PackedExt<F, ChallengeLanes>; N],
    map: impl Fn(&mut [Lanes; N]),
) {
    let mut parts = [[Lanes::ZERO; N]; DEGREE];
    for (index, part) in parts.iter_mut().enumerate() {
        for (element, value) in part.iter_mut().zip(state.iter()) {
            *element = coefficients(value)[index];
        }
        map(part);
    }
    for (i, value) in state.iter_mut().enumerate() {
        *value = join(|index| parts[index][i]);
    }
}
