//! The layouts of the hash calls: the bytes that name a call, and what is derived from the seed by which of them.
//!
//! They changed several times within weeks while every size stayed the same, so that neither a key nor a signature
//! tells which one made it. A network has one of them, by name; a signature under another does not verify, and a key
//! file of another is refused when it is loaded.

use std::fmt;
use std::str::FromStr;

/// A version of the scheme: which bytes each call of the hash is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Layout {
    /// leanVM's written specification of August 2026: the chain's index is part of what a chain step hashes.
    L3,
    /// The published specification before its last change: other types for what is derived from the seed. Signatures
    /// are valid under [`Layout::L5`] too; key files are not.
    L4,
    /// The published specification and its vectors (`ethereum/cryptography-specs`).
    #[default]
    L5,
}

/// Where a chain step names its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChainIndex {
    /// In the tweak: its sub-position is 8 times the chain plus the position that the step leaves.
    InTweak,
    /// After the value, as 16 bytes; the sub-position is the position that the step leaves.
    InPayload,
}

/// What a layout consists of: the type byte of each call site, and where a step names its chain.
///
/// The rest is equal in all that are built in: a tweak is `0 | type | 0 0 | sub-position u32 | 0 0 0 0 | index u32`;
/// what is derived from the seed is a tweaked hash of it; randomizers are derived, and the first admissible one
/// counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    pub chain_start: u8,
    pub chain_step: u8,
    pub leaf: u8,
    pub parent: u8,
    pub encoding: u8,
    pub parameter: u8,
    pub filler: u8,
    pub randomizer: u8,
    pub chain_index: ChainIndex,
}

const L5: Rules = Rules {
    chain_start: 0,
    chain_step: 1,
    leaf: 2,
    parent: 3,
    encoding: 4,
    parameter: 5,
    filler: 6,
    randomizer: 7,
    chain_index: ChainIndex::InTweak,
};

impl Rules {
    /// The type bytes of all call sites.
    pub(crate) fn types(&self) -> [u8; 8] {
        [
            self.chain_start,
            self.chain_step,
            self.leaf,
            self.parent,
            self.encoding,
            self.parameter,
            self.filler,
            self.randomizer,
        ]
    }
}

impl Layout {
    /// All that are built in, oldest first.
    pub const ALL: [Self; 3] = [Self::L3, Self::L4, Self::L5];

    /// Its name in a network's files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::L3 => "L3",
            Self::L4 => "L4",
            Self::L5 => "L5",
        }
    }

    /// Its number in key files.
    pub(crate) const fn id(self) -> u16 {
        match self {
            Self::L3 => 3,
            Self::L4 => 4,
            Self::L5 => 5,
        }
    }

    pub(crate) const fn rules(self) -> &'static Rules {
        const L3: Rules = Rules { chain_index: ChainIndex::InPayload, ..L5 };
        const L4: Rules = Rules { parameter: 10, filler: 11, randomizer: 12, ..L5 };
        match self {
            Self::L3 => &L3,
            Self::L4 => &L4,
            Self::L5 => &L5,
        }
    }

    /// Whether a key signs the same message at the same slot to the same bytes. Where it does not, a second signature
    /// reveals more of the one-time key even if the message is the same, so a ledger must refuse it.
    ///
    /// True for all layouts that are built in. Earlier ones drew the randomizer at random.
    pub const fn is_deterministic(self) -> bool {
        match self {
            Self::L3 | Self::L4 | Self::L5 => true,
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is none of a layout that is built in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no layout of xmss-blake2s is called {0:?}; there are L3, L4 and L5")]
pub struct UnknownLayout(String);

impl FromStr for Layout {
    type Err = UnknownLayout;

    fn from_str(name: &str) -> Result<Self, UnknownLayout> {
        Self::ALL.into_iter().find(|layout| layout.name() == name).ok_or_else(|| UnknownLayout(name.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_layouts() {
        for layout in Layout::ALL {
            assert_eq!(layout.to_string().parse(), Ok(layout));
        }
        assert_eq!("L6".parse::<Layout>(), Err(UnknownLayout("L6".into())));
        assert_eq!(Layout::default(), Layout::L5);
    }

    #[test]
    fn no_two_call_sites_of_a_layout_share_a_type() {
        for layout in Layout::ALL {
            let mut types = layout.rules().types();
            types.sort_unstable();
            assert!(types.windows(2).all(|pair| pair[0] < pair[1]), "{layout}");
        }
        assert_eq!(Layout::L4.rules().types(), [0, 1, 2, 3, 4, 10, 11, 12]);
    }
}
