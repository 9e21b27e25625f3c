//! What the permutations need of a representation that they are evaluated in.
//!
//! Constraints are evaluated in base field elements, in lanes of them, in challenges, in lanes of challenges, and in
//! symbols. Nearly all the time goes to lanes of challenges, for which the library has no linear algebra of its own: it
//! would multiply and reduce product by product. A linear map over the base field acts on each of the five coefficients
//! alone, so here they are taken apart and handed to what the library has for lanes of the base field.

use p3_air::symbolic::SymbolicExpression;
use p3_field::extension::HasFrobenius;
use p3_field::{
    Algebra, BasedVectorSpace, ExtensionField, Field, PackedValue, PrimeCharacteristicRing, PrimeField64,
};
use p3_koala_bear::MDSKoalaBearData;
use p3_mds::karatsuba_convolution::{mds_circulant_karatsuba_16, mds_circulant_karatsuba_24};
use p3_monty_31::MDSUtils;
use p3_multi_stark::packed_ext::PackedExt;

use crate::system::{Challenge, F};

/// Elements of the base field that are computed with at once.
pub(crate) type Lanes = <F as Field>::Packing;
/// How many those are.
pub(crate) const LANES: usize = <Lanes as PackedValue>::WIDTH;
/// Challenges that are computed with at once.
pub(crate) type ChallengeLanes = <Challenge as ExtensionField<F>>::ExtensionPacking;
/// The same, as something that elements of the base field can be added to and multiplied by.
pub(crate) type Wide = PackedExt<F, ChallengeLanes>;

/// Products that are added up in one go.
pub(crate) const TERMS: usize = 8;

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
pub(crate) trait Ring: Algebra<F> + Clone {
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

impl Ring for Wide {
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
fn coefficients(value: &Wide) -> &[Lanes; DEGREE] {
    const NONE: [Lanes; DEGREE] = [Lanes::ZERO; DEGREE];
    value.0.as_basis_coefficients_slice().first_chunk().unwrap_or(&NONE)
}

#[inline]
fn join(coefficient: impl Fn(usize) -> Lanes) -> Wide {
    PackedExt::new(ChallengeLanes::from_basis_coefficients_fn(coefficient))
}

#[inline]
fn by_coefficient<const N: usize>(state: &mut [Wide; N], map: impl Fn(&mut [Lanes; N])) {
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

/// What the cells of a row are while variables are bound: lanes of elements at first, then lanes of challenges, and
/// single challenges once there are fewer rows than lanes.
pub(crate) trait Value: Ring + Copy + Send + Sync {
    /// What weighted values add up to.
    type Sum: Value<Sum = Self::Sum>;

    /// The value, times a weight.
    fn weigh(self, weight: Self::Sum) -> Self::Sum;

    /// The sum of the values, each times its weight.
    fn weigh_all(values: &[Self; TERMS], weights: &[Self::Sum; TERMS]) -> Self::Sum;

    /// Prepares a value for [`Value::cubes`]: the root of the cube's weight goes into the value, if it can hold it.
    fn scale(self, root: Self::Sum) -> Self;

    /// The sum of the cubes. Values that can hold them hold the roots of their weights already; others are given the
    /// weights.
    fn cubes(values: &[Self], weights: &[Self::Sum]) -> Self::Sum;
}

/// For the type that the lanes are: it has a name of its own on each kind of processor.
macro_rules! value_of_lanes {
    ($lanes:ty) => {
        impl Value for $lanes {
            type Sum = Wide;

            #[inline]
            fn weigh(self, weight: Wide) -> Wide {
                let weight = coefficients(&weight);
                join(|index| weight[index] * self)
            }

            #[inline]
            fn weigh_all(values: &[Self; TERMS], weights: &[Wide; TERMS]) -> Wide {
                join(|index| {
                    Self::dot_product(values, &weights.each_ref().map(|weight| coefficients(weight)[index]))
                })
            }

            #[inline]
            fn scale(self, _: Wide) -> Self {
                self
            }

            #[inline]
            fn cubes(values: &[Self], weights: &[Wide]) -> Wide {
                let (values, last) = values.as_chunks::<TERMS>();
                let (weights, last_weights) = weights.as_chunks::<TERMS>();
                let cubes = |values: &[Self; TERMS]| values.map(|value| value.cube());
                let all = values
                    .iter()
                    .zip(weights)
                    .map(|(values, weights)| Self::weigh_all(&cubes(values), weights));
                let rest = last.iter().zip(last_weights).map(|(value, weight)| value.cube().weigh(*weight));
                all.chain(rest).fold(Wide::ZERO, |sum, term| sum + term)
            }
        }
    };
}

#[cfg(all(target_arch = "x86_64", target_feature = "avx512f"))]
value_of_lanes!(p3_koala_bear::PackedKoalaBearAVX512);
#[cfg(all(target_arch = "x86_64", target_feature = "avx2", not(target_feature = "avx512f")))]
value_of_lanes!(p3_koala_bear::PackedKoalaBearAVX2);
#[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
value_of_lanes!(p3_koala_bear::PackedKoalaBearNeon);
#[cfg(not(any(
    all(target_arch = "x86_64", target_feature = "avx2"),
    all(target_arch = "aarch64", target_feature = "neon")
)))]
value_of_lanes!(F);

impl Value for Wide {
    type Sum = Self;

    #[inline]
    fn weigh(self, weight: Self) -> Self {
        let product = multiply(coefficients(&self), coefficients(&weight));
        join(|index| product[index])
    }

    #[inline]
    fn weigh_all(values: &[Self; TERMS], weights: &[Self; TERMS]) -> Self {
        values.iter().zip(weights).fold(Self::ZERO, |sum, (value, weight)| sum + value.weigh(*weight))
    }

    #[inline]
    fn scale(self, root: Self) -> Self {
        self.weigh(root)
    }

    #[inline]
    fn cubes(values: &[Self], _: &[Self]) -> Self {
        values.iter().fold(Self::ZERO, |sum, value| sum + value.third_power())
    }
}

impl Value for Challenge {
    type Sum = Self;

    #[inline]
    fn weigh(self, weight: Self) -> Self {
        self * weight
    }

    #[inline]
    fn weigh_all(values: &[Self; TERMS], weights: &[Self; TERMS]) -> Self {
        values.iter().zip(weights).map(|(value, weight)| *value * *weight).sum()
    }

    #[inline]
    fn scale(self, root: Self) -> Self {
        self * root
    }

    #[inline]
    fn cubes(values: &[Self], _: &[Self]) -> Self {
        values.iter().map(Self::third_power).sum()
    }
}

/// The cube root, which every challenge has exactly one of: neither P - 1 nor P^5 - 1 is divisible by three.
pub(crate) fn cube_root(value: Challenge) -> Challenge {
    // A third modulo P^5 - 1, in base P, has the digits 2d + 1, d, 2d + 1, d, 2d + 1 with d = (P - 2) / 3.
    const DIGIT: u64 = (F::ORDER_U64 - 2) / 3;
    let even = value.exp_u64(DIGIT);
    let odd = even.square() * value;
    let powers = [odd, even, odd, even, odd];
    (0..).zip(powers).map(|(power, factor)| factor.repeated_frobenius(power)).product()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_challenge_has_its_cube_root() {
        for seed in 0..50u32 {
            let challenge = Challenge::from_basis_coefficients_fn(|index| {
                F::new(seed.wrapping_mul(0x9e37_79b9).rotate_left(7 * index as u32) >> 2)
            });
            assert_eq!(cube_root(challenge).cube(), challenge);
        }
        assert_eq!(cube_root(Challenge::ZERO), Challenge::ZERO);
    }
}
