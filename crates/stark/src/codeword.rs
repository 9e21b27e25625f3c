//! Commitments to codewords, of which the longest is not kept.
//!
//! The first codeword is four times as long as everything that it encodes, and nothing of it is read but a few rows at
//! the very end. So a long one is encoded piece by piece: a piece is what the columns are on one coset, its rows are
//! hashed, and it is dropped. The rows that are asked for at the end are evaluated from the message: halved again and
//! again, as in a Fourier transform that goes only where somebody asked. The tree over the hashes is the one that the
//! library would have made, and so is what it opens.

use std::collections::BTreeMap;

use p3_blake3::Blake3;
use p3_commit::{BatchOpening, BatchOpeningRef, Mmcs};
use p3_dft::{Radix2DFTSmallBatch, TwoAdicSubgroupDft};
use p3_field::{PackedValue, PrimeCharacteristicRing, TwoAdicField};
use p3_matrix::dense::RowMajorMatrix;
use p3_matrix::{Dimensions, Matrix};
use p3_merkle_tree::{MerkleTreeError, MerkleTreeMmcs};
use p3_symmetric::{CompressionFunctionFromHasher, CryptographicHasher, MerkleCap, SerializingHasher};
use rayon::prelude::*;

use crate::ring::Lanes;
use crate::system::F;

/// The Fourier transform of the codewords.
pub(crate) type Dft = Radix2DFTSmallBatch<F>;

const DIGEST: usize = 32;
type Compress = CompressionFunctionFromHasher<Blake3, 2, DIGEST>;
type Whole = MerkleTreeMmcs<F, u8, SerializingHasher<Blake3>, Compress, 2, DIGEST>;
type OverDigests = MerkleTreeMmcs<u8, u8, Given, Compress, 2, DIGEST>;

/// Rows that are hashed or scaled by one thread in one go.
const ROWS: usize = 64;
/// Coefficients that one thread folds in one go.
const CHUNK: usize = 1 << 13;
/// Coefficients that are folded by one group of rows after the other; fewer by all of them at once.
const LONG: usize = 1 << 17;

/// Merkle trees over the rows of a codeword.
#[derive(Clone, Debug)]
pub(crate) struct Commitments {
    whole: Whole,
    over_digests: OverDigests,
}

/// What is kept for opening.
#[derive(Clone)]
pub(crate) enum Kept<M> {
    /// The codeword with its tree.
    Whole(<Whole as Mmcs<F>>::ProverData<M>),
    /// What it encodes, and the tree.
    Message(Box<Message>),
}

/// A message whose codeword is not kept.
#[derive(Clone)]
pub(crate) struct Message {
    cosets: Cosets,
    tree: <OverDigests as Mmcs<u8>>::ProverData<RowMajorMatrix<u8>>,
}

/// A message, and how to encode it.
#[derive(Clone)]
pub(crate) struct Cosets {
    /// Coefficients, a polynomial in each column.
    pub message: RowMajorMatrix<F>,
    /// The codeword is this power of two times as long.
    pub log_inverse_rate: usize,
    /// The transform.
    pub dft: Dft,
}

impl Cosets {
    /// A root of unity of the order of the codeword's length.
    fn generator(&self) -> F {
        F::two_adic_generator(self.message.height().ilog2() as usize + self.log_inverse_rate)
    }

    /// Every row of the codeword whose number is `number` modulo the inverse of the rate.
    fn encode(&self, number: usize) -> RowMajorMatrix<F> {
        let width = self.message.width();
        let shift = self.generator().exp_u64(number as u64);
        let mut values = self.message.values.clone();
        values.par_chunks_mut(ROWS * width).enumerate().for_each(|(index, rows)| {
            let mut factor = shift.exp_u64((index * ROWS) as u64);
            for row in rows.chunks_exact_mut(width) {
                Lanes::pack_slice_mut(row).iter_mut().for_each(|value| *value *= factor);
                factor *= shift;
            }
        });
        self.dft.dft_batch(RowMajorMatrix::new(values, width))
    }

    /// Rows of the codeword.
    fn rows(&self, indices: &[usize]) -> Vec<Vec<F>> {
        let asked = indices.iter().copied().enumerate().collect();
        let found = self.evaluate(&self.message.values, self.message.height(), asked);
        let mut rows = vec![Vec::new(); indices.len()];
        found.into_iter().for_each(|(place, row)| rows[place] = row);
        rows
    }

    /// Evaluates polynomials with that many coefficients at powers of the generator; what is asked for is the place of
    /// each and the power.
    ///
    /// Row *q* wants the polynomials at *w^q*. Their upper half counts times *w^(q length/2)*, of which there are few
    /// as long as the polynomials are long: all rows that share it go on with the same polynomials of half the length.
    fn evaluate(&self, values: &[F], length: usize, asked: Vec<(usize, usize)>) -> Vec<(usize, Vec<F>)> {
        if length == 1 {
            return asked.into_iter().map(|(place, _)| (place, values.to_vec())).collect();
        }
        let order = self.message.height() << (self.log_inverse_rate + 1);
        let mut groups: BTreeMap<usize, Vec<(usize, usize)>> = BTreeMap::new();
        for (place, power) in asked {
            groups.entry(power % (order / length)).or_default().push((place, power));
        }
        let (low, high) = values.split_at(values.len() / 2);
        let halve = |(power, asked): (usize, Vec<(usize, usize)>)| {
            let factor = self.generator().exp_u64((power * length / 2) as u64);
            let mut folded = low.to_vec();
            folded.par_chunks_mut(CHUNK).zip(high.par_chunks(CHUNK)).for_each(|(low, high)| {
                let pairs = Lanes::pack_slice_mut(low).iter_mut().zip(Lanes::pack_slice(high));
                pairs.for_each(|(low, high)| *low += *high * factor);
            });
            self.evaluate(&folded, length / 2, asked)
        };
        // Groups side by side would need room for all of their halves at once.
        if values.len() > LONG {
            groups.into_iter().flat_map(halve).collect()
        } else {
            groups.into_par_iter().flat_map_iter(halve).collect()
        }
    }
}

impl Commitments {
    /// Trees of BLAKE3.
    pub(crate) fn new() -> Self {
        let compress = Compress::new(Blake3 {});
        let whole = Whole::new(SerializingHasher::new(Blake3 {}), compress.clone(), 0);
        Self { whole, over_digests: OverDigests::new(Given, compress, 0) }
    }

    /// Commits to the codeword of a message, without keeping it.
    pub(crate) fn commit_message<M>(&self, cosets: Cosets) -> (<Self as Mmcs<F>>::Commitment, Kept<M>) {
        let hasher = SerializingHasher::new(Blake3 {});
        let (height, width) = (cosets.message.height(), cosets.message.width());
        let pieces = 1 << cosets.log_inverse_rate;
        let mut leaves = vec![[0; DIGEST]; height * pieces];
        for number in 0..pieces {
            let piece = cosets.encode(number);
            let rows = piece.values.par_chunks(ROWS * width);
            rows.zip(leaves.par_chunks_mut(ROWS * pieces)).for_each(|(rows, leaves)| {
                let mut digests = [[0; DIGEST]; ROWS];
                let digests = &mut digests[..rows.len() / width];
                hasher.hash_many(rows, digests);
                for (leaf, digest) in leaves.iter_mut().skip(number).step_by(pieces).zip(digests) {
                    *leaf = *digest;
                }
            });
        }
        let leaves = RowMajorMatrix::new(leaves.into_flattened(), DIGEST);
        let (root, tree) = self.over_digests.commit_matrix(leaves);
        (MerkleCap::new(root.into_roots()), Kept::Message(Box::new(Message { cosets, tree })))
    }
}

impl Mmcs<F> for Commitments {
    type ProverData<M> = Kept<M>;
    type Commitment = <Whole as Mmcs<F>>::Commitment;
    type Proof = <Whole as Mmcs<F>>::Proof;
    type MultiProof = <Whole as Mmcs<F>>::MultiProof;
    type Error = MerkleTreeError;

    fn commit<M: Matrix<F>>(&self, inputs: Vec<M>) -> (Self::Commitment, Kept<M>) {
        let (commitment, data) = self.whole.commit(inputs);
        (commitment, Kept::Whole(data))
    }

    fn open_batch<M: Matrix<F>>(&self, index: usize, kept: &Kept<M>) -> BatchOpening<F, Self> {
        match kept {
            Kept::Whole(data) => {
                let BatchOpening { opened_values, opening_proof } = self.whole.open_batch(index, data);
                BatchOpening { opened_values, opening_proof }
            }
            Kept::Message(message) => {
                let opening = self.over_digests.open_batch(index, &message.tree);
                let opened_values = message.cosets.rows(&[index]);
                BatchOpening { opened_values, opening_proof: opening.opening_proof }
            }
        }
    }

    /// The codewords; none where it is not kept.
    fn get_matrices<'a, M: Matrix<F>>(&self, kept: &'a Kept<M>) -> Vec<&'a M> {
        match kept {
            Kept::Whole(data) => self.whole.get_matrices(data),
            Kept::Message(_) => Vec::new(),
        }
    }

    fn verify_batch(
        &self,
        commitment: &Self::Commitment,
        dimensions: &[Dimensions],
        index: usize,
        opening: BatchOpeningRef<'_, F, Self>,
    ) -> Result<(), Self::Error> {
        let opening = BatchOpeningRef::new(opening.opened_values, opening.opening_proof);
        self.whole.verify_batch(commitment, dimensions, index, opening)
    }

    fn open_multi_batch<M: Matrix<F>>(
        &self,
        indices: &[usize],
        kept: &Kept<M>,
    ) -> (Vec<Vec<Vec<F>>>, Self::MultiProof) {
        match kept {
            Kept::Whole(data) => self.whole.open_multi_batch(indices, data),
            Kept::Message(message) => {
                let (_, proof) = self.over_digests.open_multi_batch(indices, &message.tree);
                let rows = message.cosets.rows(indices).into_iter().map(|row| vec![row]);
                (rows.collect(), proof)
            }
        }
    }

    fn verify_multi_batch<R: AsRef<[F]> + PartialEq>(
        &self,
        commitment: &Self::Commitment,
        dimensions: &[Dimensions],
        indices: &[usize],
        opened_values: &[Vec<R>],
        proof: &Self::MultiProof,
    ) -> Result<(), Self::Error> {
        self.whole.verify_multi_batch(commitment, dimensions, indices, opened_values, proof)
    }
}

/// A row that is its own hash: it was hashed before.
#[derive(Clone, Debug)]
struct Given;

impl CryptographicHasher<u8, [u8; DIGEST]> for Given {
    fn hash_iter<I: IntoIterator<Item = u8>>(&self, input: I) -> [u8; DIGEST] {
        let mut digest = [0; DIGEST];
        digest.iter_mut().zip(input).for_each(|(place, byte)| *place = byte);
        digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_kept_is_committed_to_and_opened_as_if_it_were() {
        let (height, width, log_inverse_rate) = (256, 32, 2);
        let elements = (0..height * width).map(|i| F::new((i as u32).wrapping_mul(0x9e37_79b9) >> 1));
        let message = RowMajorMatrix::new(elements.collect(), width);
        let mut padded = message.clone();
        padded.values.resize((height * width) << log_inverse_rate, F::ZERO);
        let dft = Dft::default();
        let commitments = Commitments::new();
        let (root, whole) = commitments.commit_matrix(dft.dft_batch(padded));
        let cosets = Cosets { message, log_inverse_rate, dft };
        let (same_root, kept) = commitments.commit_message::<RowMajorMatrix<F>>(cosets);
        assert_eq!(same_root, root);
        let indices = [0, 1, 2, 3, 500, 1023, 3, 512];
        let [expected, found] = [&whole, &kept].map(|kept| commitments.open_multi_batch(&indices, kept));
        assert_eq!(found.0, expected.0);
        let dimensions = [Dimensions { width, height: height << log_inverse_rate }];
        for (rows, proof) in [&expected, &found] {
            commitments.verify_multi_batch(&root, &dimensions, &indices, rows, proof).unwrap();
        }
        let [expected, found] = [&whole, &kept].map(|kept| commitments.open_batch(777, kept).unpack());
        assert_eq!(found, expected);
    }
}
