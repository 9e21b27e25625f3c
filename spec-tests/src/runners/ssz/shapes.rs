//! The types that exist only in the fixtures: a purpose, a shape and its length, such as `BoundaryBitvector257`.

use ssz_types::{BitList, BitVector, FixedVector, VariableList};
use typenum::*;

use lathe_types::Root;

use super::{Judge, judge as judge_type};

type Bytes32List<N> = VariableList<Root, N>;
type Uint16List<N> = VariableList<u16, N>;
type Uint16Vector<N> = FixedVector<u16, N>;
type Uint32List<N> = VariableList<u32, N>;
type Uint32Vector<N> = FixedVector<u32, N>;
type Uint64List<N> = VariableList<u64, N>;
type Uint64Vector<N> = FixedVector<u64, N>;

/// Lengths are types, so each that a fixture may ask for is spelled out.
macro_rules! of_length {
    ($shape:ident, $length:expr, $($number:literal $name:ident)+) => {
        match $length {
            $($number => Some(judge_type::<$shape<$name>> as Judge),)+
            _ => None,
        }
    };
}

/// Bitfields are tried around byte, chunk and tree boundaries.
macro_rules! bits {
    ($shape:ident, $length:expr) => {
        of_length!($shape, $length, 1 U1 2 U2 3 U3 4 U4 5 U5 6 U6 7 U7 8 U8 9 U9 10 U10 15 U15 16 U16 17 U17 31 U31
            32 U32 33 U33 63 U63 64 U64 65 U65 127 U127 128 U128 129 U129 255 U255 256 U256 257 U257 511 U511 512 U512
            513 U513 1024 U1024 2048 U2048 4096 U4096)
    };
}

macro_rules! items {
    ($shape:ident, $length:expr) => {
        of_length!($shape, $length, 1 U1 2 U2 3 U3 4 U4 5 U5 6 U6 7 U7 8 U8 9 U9 10 U10 16 U16 32 U32 64 U64 128 U128
            256 U256 1024 U1024)
    };
}

/// The judge of a type by the shape and the length in its name.
pub(super) fn judge(type_name: &str) -> Option<Judge> {
    let digits = type_name.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (name, length) = type_name.split_at(type_name.len() - digits);
    let length: usize = length.parse().ok()?;
    // The purpose is the first word.
    let shape = name.get(1..)?.find(|letter: char| letter.is_ascii_uppercase())? + 1;
    match &name[shape..] {
        "Bitlist" => bits!(BitList, length),
        "Bitvector" => bits!(BitVector, length),
        "Bytes32List" => items!(Bytes32List, length),
        "Uint16List" => items!(Uint16List, length),
        "Uint16Vector" => items!(Uint16Vector, length),
        "Uint32List" => items!(Uint32List, length),
        "Uint32Vector" => items!(Uint32Vector, length),
        "Uint64List" => items!(Uint64List, length),
        "Uint64Vector" => items!(Uint64Vector, length),
        _ => None,
    }
}
