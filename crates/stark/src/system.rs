//! The proof system: p3-multi-stark over WHIR, and every parameter that its security rests on.

use std::sync::LazyLock;

use lathe_leansig::PUBLIC_KEY_BYTES;
use p3_challenger::{HashChallenger, SerializingChallenger32};
use p3_field::PrimeCharacteristicRing;
use p3_field::extension::QuinticTrinomialExtensionField;
use p3_koala_bear::KoalaBear;
use p3_matrix::dense::{DenseMatrix, RowMajorMatrix};
use p3_multi_stark::config::{Commitment, MultiStarkConfig};
use p3_multi_stark::{ProvingKey, VerifyingKey};
use p3_sumcheck::layout::{Layout as _, SuffixProver, Table as CommittedTable, Witness};
use p3_whir::{
    FoldingFactor, ProtocolParameters, SecurityAssumption, WhirConfig, WhirProver, WhirProverData,
};

use crate::codeword::{Commitments, Cosets, Dft, Kept};
use crate::error::Error;
use crate::grinding::TranscriptHash;
use crate::layout::Layout;
use crate::statement::Statement;
use crate::tables::{Table, WIDTHS};

/// The field of the tables.
pub(crate) type F = KoalaBear;
/// The field of the challenges, of almost 155 bits.
pub(crate) type Challenge = QuinticTrinomialExtensionField<F>;
/// The transcript: BLAKE3 over everything absorbed so far.
pub(crate) type Challenger = SerializingChallenger32<F, HashChallenger<u8, TranscriptHash, 32>>;

/// The columns of all tables as one polynomial, and what is claimed of it.
pub(crate) type Stacking = SuffixProver<F, Challenge>;
type Pcs = WhirProver<Challenge, F, Dft, Commitments, Challenger, Stacking>;
/// What opens a commitment.
pub(crate) type KeptCodeword = Kept<DenseMatrix<F>>;

/// Version of statement, tables and encoding together. Proofs of different versions do not verify under each other.
pub const VERSION: u32 = 3;
/// Variables folded at first; also the least height of a table.
pub(crate) const FOLD: usize = 7;
/// Variables folded in every later round.
const LATER_FOLD: usize = 5;
/// The first codeword is this power of two times as long as what it encodes: rate 1/4.
const LOG_INVERSE_RATE: usize = 2;
/// Bits that each single error term of the commitment has to reach by the library's account, which rests on DKT26.
/// Under BCHKS25 a fold is worth up to ten bits less, and it is the union under that theorem that has to reach
/// [`SECURITY_BITS`].
const TERM_BITS: usize = 131;
/// Of which so many may come from grinding. Each bit takes 1.5 KiB off a proof and doubles the search: with 17 it takes
/// as long as proving five signatures.
const GRINDING_BITS: usize = 15;
/// The same from [`LARGE`] variables on, whose last rounds need more than 15.
const LARGE_GRINDING_BITS: usize = 17;
/// Variables of a large polynomial: more than 256 signatures.
const LARGE: usize = 24;
/// Grinding in each round of the shared sumcheck: none, its field is large enough.
pub(crate) const SUMCHECK_GRINDING_BITS: usize = 0;
/// Variables of the first polynomial whose codeword is not kept: more than 67 signatures. Up to there it has 32 MiB at
/// most; the longer ones are encoded a second time for the rows that are opened.
const LONG: usize = 22;
/// Bits against collisions in the Merkle trees and the transcript: half of BLAKE3's 256.
const COLLISION_BITS: usize = 128;
/// What every proof is worth up to the Johnson radius, by the union over all error terms, under DKT26 and under
/// BCHKS25. A test computes both.
pub const SECURITY_BITS: usize = 120;

/// Configuration for one size of the committed polynomial.
pub(crate) struct Config {
    pcs: Pcs,
    commitments: Commitments,
    dft: Dft,
}

impl MultiStarkConfig for Config {
    type Val = F;
    type Challenge = Challenge;
    type Challenger = Challenger;
    type Pcs = Pcs;

    fn pcs(&self) -> &Pcs {
        &self.pcs
    }

    fn collision_resistance_bits(&self) -> Option<usize> {
        Some(COLLISION_BITS)
    }

    fn min_num_variables(&self) -> usize {
        FOLD
    }

    fn build_witness(&self, tables: Vec<CommittedTable<F>>) -> Witness<F> {
        Stacking::new_witness(tables, FOLD)
    }

    fn committed_table<'a>(
        &self,
        data: &'a WhirProverData<F, Challenge, Commitments, Stacking>,
        index: usize,
    ) -> &'a CommittedTable<F> {
        data.table(index)
    }
}

impl Config {
    /// The configuration for tables of this layout.
    ///
    /// # Errors
    /// The parameters do not reach their bits at this size, which a test rules out for every size in use.
    pub(crate) fn new(layout: &Layout) -> Result<Self, Error> {
        // Twiddle factors are computed once and shared by all clones.
        static DFT: LazyLock<Dft> = LazyLock::new(Dft::default);
        let refused = |error: &dyn std::fmt::Display| Error::System(error.to_string());
        let variables = layout.variables(WIDTHS);
        let folding_factor = FoldingFactor::ConstantFromSecondRound(FOLD, LATER_FOLD);
        let schedule = folding_factor.compute_folding_schedule(variables).map_err(|error| refused(&error))?;
        let parameters = ProtocolParameters {
            starting_log_inv_rate: LOG_INVERSE_RATE,
            round_log_inv_rates: round_rates(&schedule),
            folding_factor,
            soundness_type: SecurityAssumption::JohnsonBound,
            security_level: TERM_BITS,
            pow_bits: if variables < LARGE { GRINDING_BITS } else { LARGE_GRINDING_BITS },
        };
        let whir = WhirConfig::new(variables, parameters).map_err(|error| refused(&error))?;
        let commitments = Commitments::new();
        let pcs = WhirProver::new(whir, DFT.clone(), commitments.clone());
        Ok(Self { pcs, commitments, dft: DFT.clone() })
    }

    /// Commits to the columns of all tables.
    pub(crate) fn commit(&self, witness: Witness<F>) -> (Stacking, Commitment<Self>, KeptCodeword) {
        if witness.num_variables() < LONG {
            return Stacking::commit(&self.dft, &self.commitments, witness, FOLD, LOG_INVERSE_RATE);
        }
        let mut message = F::zero_vec(1 << witness.num_variables());
        Stacking::write_message(&witness, FOLD, &mut message);
        let columns = Stacking::from_witness(witness);
        let message = RowMajorMatrix::new(message, 1 << FOLD);
        let cosets = Cosets { message, log_inverse_rate: LOG_INVERSE_RATE, dft: self.dft.clone() };
        let (commitment, kept) = self.commitments.commit_message(cosets);
        (columns, commitment, kept)
    }
}

/// Rates of the codewords after the first. The first of those has a domain as small as a later fold makes it, the
/// second half a domain, the third an eighth: what BCHKS25 loses against DKT26 grows as the rate falls.
fn round_rates(schedule: &[usize]) -> Vec<usize> {
    let mut rate = LOG_INVERSE_RATE;
    let intermediate = schedule.len().saturating_sub(1);
    schedule[..intermediate]
        .iter()
        .enumerate()
        .map(|(round, folded)| {
            rate += match round {
                0 => folded - LATER_FOLD,
                1 => folded - 1,
                _ => folded - 3,
            };
            rate
        })
        .collect()
}

/// A transcript that has absorbed the whole statement before anything else: version, parameters, layout, and every
/// claim. The library binds neither constants of the tables nor the columns that the verifier computes itself.
pub(crate) fn transcript(statement: &Statement, layout: &Layout) -> Challenger {
    let mut hasher = blake3::Hasher::new_derive_key("lathe-stark XMSS signatures");
    let grinding = [GRINDING_BITS, LARGE_GRINDING_BITS, LARGE];
    let parameters = [FOLD, LATER_FOLD, LOG_INVERSE_RATE, TERM_BITS, SECURITY_BITS, COLLISION_BITS];
    hasher.update(&VERSION.to_le_bytes());
    let sizes = [layout.signatures, layout.slots];
    for number in parameters.iter().chain(&grinding).chain(&WIDTHS).chain(&layout.log_heights).chain(&sizes) {
        hasher.update(&(*number as u64).to_le_bytes());
    }
    statement.absorb(|bytes| {
        hasher.update(bytes);
    });
    Challenger::from_hasher(hasher.finalize().as_bytes().to_vec(), TranscriptHash)
}

/// Both keys of the tables. They hold the degrees and numbers of constraints, which no statement changes.
///
/// # Errors
/// The proof system refuses the tables.
pub(crate) fn keys() -> Result<&'static (ProvingKey<Config>, VerifyingKey<Config>), Error> {
    type Keys = Result<(ProvingKey<Config>, VerifyingKey<Config>), Error>;
    static KEYS: LazyLock<Keys> = LazyLock::new(|| {
        let claim = crate::Claim { public_key: [0; PUBLIC_KEY_BYTES], message: [0; 32], slot: 0 };
        let statement = Statement::new(vec![claim])?;
        let layout = Layout::of(&statement);
        let tables = Table::all(&statement, &layout)?;
        let mut transcript = transcript(&statement, &layout);
        p3_multi_stark::setup(&Config::new(&layout)?, &tables.each_ref(), &mut transcript)
            .map_err(|error| Error::System(error.to_string()))
    });
    KEYS.as_ref().map_err(Clone::clone)
}
