//! The ledger's bytes.
//!
//! ```text
//! header   "LATHELGR" | version u32 | genesis time u64 | watermark u64 | check 8
//! record   kind u8 | key id 32 | slot u64 | message root 32 | check 8
//! ```
//! The kinds are:
//!
//! | kind | slot | message root |
//! |---|---|---|
//! | 1 | signed at this slot | what was signed |
//! | 2 | nothing is signed below it | number of signatures that are not listed, in its last eight bytes |
//! | 3 | a signature that is not ours was seen there: the key rests | what was signed |
//! | 4 | the key signs again, from there on | zero |
//! | 5 | no key signs below it, as long as the clock does not say that it was wrong (the key id is zero) | zero |
//!
//! Integers are big-endian; a check is the start of the SHA-256 of what precedes it in the header or record. After the
//! last record comes blank (zero) space, never less than one record. So a file that was cut short shows it: it does not
//! end in blank space. Space is added before it is used, which also spares each append a change of the file's length.

use std::fmt;

use lathe_types::{PublicKey, Root};
use sha2::{Digest, Sha256};

const MAGIC: &[u8; 8] = b"LATHELGR";
const VERSION: u32 = 1;
pub(crate) const CHECK_LEN: usize = 8;
pub(crate) const HEADER_LEN: usize = 8 + 4 + 8 + 8 + CHECK_LEN;
pub(crate) const RECORD_LEN: usize = 1 + 32 + 8 + 32 + CHECK_LEN;

/// Records of one append. A power loss may tear an append anywhere, so damage is put down to one only if it lies
/// this close to the end.
pub(crate) const GROUP_RECORDS: usize = 512;

const SIGNED: u8 = 1;
const BELOW: u8 = 2;
const STOPPED: u8 = 3;
const RESUMED: u8 = 4;
const BY_CLOCK: u8 = 5;

/// Names a key in the ledger: the SHA-256 of its public key. A validator's two keys have two ids, so a record needs no
/// role.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 32]);

impl KeyId {
    /// The id of a key.
    pub fn of(key: &PublicKey) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    /// Its beginning, for messages.
    pub fn short(&self) -> String {
        format!("0x{}..", hex::encode(&self.0[..6]))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId(0x{})", hex::encode(self.0))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) genesis_time: u64,
    /// No key signs below this slot.
    pub(crate) watermark: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// The key has signed `root` at `slot`.
    Signed { key: KeyId, slot: u64, root: Root },
    /// The key signs nothing below `slot`. Of what it has ever signed, `unlisted` signatures are not listed.
    Below { key: KeyId, slot: u64, unlisted: u64 },
    /// Somebody else signed `root` at `slot` with the key, so it rests.
    Stopped { key: KeyId, slot: u64, root: Root },
    /// The key rests no more, and signs nothing below `slot`.
    Resumed { key: KeyId, slot: u64 },
    /// No key signs below `slot`, for no other reason than that the clock said so.
    ByClock { slot: u64 },
}

impl Record {
    /// Whose it is; zero for what concerns all keys.
    pub(crate) fn key(&self) -> KeyId {
        match *self {
            Self::ByClock { .. } => KeyId([0; 32]),
            Self::Signed { key, .. }
            | Self::Below { key, .. }
            | Self::Stopped { key, .. }
            | Self::Resumed { key, .. } => key,
        }
    }

    pub(crate) fn slot(&self) -> u64 {
        match *self {
            Self::Signed { slot, .. }
            | Self::Below { slot, .. }
            | Self::Stopped { slot, .. }
            | Self::Resumed { slot, .. }
            | Self::ByClock { slot } => slot,
        }
    }
}

/// What a file holds.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) header: Header,
    pub(crate) records: Vec<Record>,
    /// The end shows traces of a lost write: a record near it may be missing.
    pub(crate) torn: bool,
}

impl Header {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_be_bytes());
        bytes.extend(self.genesis_time.to_be_bytes());
        bytes.extend(self.watermark.to_be_bytes());
        bytes.extend(check(&bytes));
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        if !bytes.starts_with(MAGIC) {
            return Err("it does not begin as a ledger does".into());
        }
        let Some((body, found)) =
            bytes.get(..HEADER_LEN).and_then(|header| header.split_last_chunk::<CHECK_LEN>())
        else {
            return Err("its header is cut short".into());
        };
        if *found != check(body) {
            return Err("its header does not match its checksum".into());
        }
        let version = read_u64(body, 4) as u32;
        if version != VERSION {
            return Err(format!("it has version {version}, this build reads version {VERSION}"));
        }
        Ok(Self { genesis_time: read_u64(body, 12), watermark: read_u64(body, 20) })
    }
}

impl Record {
    pub(crate) fn encode(&self) -> [u8; RECORD_LEN] {
        let (kind, key, slot, root) = match self {
            Self::Signed { key, slot, root } => (SIGNED, key, slot, *root),
            Self::Below { key, slot, unlisted } => (BELOW, key, slot, number_root(*unlisted)),
            Self::Stopped { key, slot, root } => (STOPPED, key, slot, *root),
            Self::Resumed { key, slot } => (RESUMED, key, slot, Root::ZERO),
            Self::ByClock { slot } => (BY_CLOCK, &self.key(), slot, Root::ZERO),
        };
        let mut bytes = [0; RECORD_LEN];
        bytes[0] = kind;
        bytes[1..33].copy_from_slice(&key.0);
        bytes[33..41].copy_from_slice(&slot.to_be_bytes());
        bytes[41..73].copy_from_slice(root.as_slice());
        let check = check(&bytes[..73]);
        bytes[73..].copy_from_slice(&check);
        bytes
    }

    /// `None` if the bytes are not a record.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, found) = bytes.split_last_chunk::<CHECK_LEN>()?;
        if *found != check(body) {
            return None;
        }
        let key = KeyId(body.get(1..33)?.try_into().ok()?);
        let slot = read_u64(body, 33);
        let root = Root::from_slice(body.get(41..73)?);
        match *body.first()? {
            SIGNED => Some(Self::Signed { key, slot, root }),
            BELOW => Some(Self::Below { key, slot, unlisted: read_u64(body, 65) }),
            STOPPED => Some(Self::Stopped { key, slot, root }),
            RESUMED => Some(Self::Resumed { key, slot }),
            BY_CLOCK => Some(Self::ByClock { slot }),
            _ => None,
        }
    }
}

/// A whole file: header, records, and blank space up to `capacity` records.
pub(crate) fn encode_file(header: &Header, records: &[Record], capacity: usize) -> Vec<u8> {
    let mut bytes = header.encode();
    bytes.extend(records.iter().flat_map(Record::encode));
    bytes.resize(HEADER_LEN + capacity * RECORD_LEN, 0);
    bytes
}

/// Reads a file. Damage near the end is reported as a torn write; anywhere else it is an error.
pub(crate) fn decode_file(bytes: &[u8]) -> Result<Contents, String> {
    let header = Header::decode(bytes)?;
    let mut records = Vec::new();
    let mut first_flaw = None;
    let mut used = 0;
    let mut blank_at_end = 0;
    for (place, bytes) in bytes[HEADER_LEN..].chunks(RECORD_LEN).enumerate() {
        if bytes.iter().all(|byte| *byte == 0) {
            blank_at_end += bytes.len();
            continue;
        }
        // Blank space before this place is as much of a flaw as bytes that are no record.
        if blank_at_end > 0 {
            first_flaw.get_or_insert(used);
        }
        match Record::decode(bytes) {
            Some(record) => records.push(record),
            None => {
                first_flaw.get_or_insert(place);
            }
        }
        used = place + 1;
        blank_at_end = 0;
    }
    if let Some(flaw) = first_flaw
        && used - flaw > GROUP_RECORDS
    {
        return Err(format!("record {flaw} of {used} is damaged"));
    }
    Ok(Contents { header, records, torn: first_flaw.is_some() || blank_at_end < RECORD_LEN })
}

fn number_root(number: u64) -> Root {
    let mut root = Root::ZERO;
    root.0[24..].copy_from_slice(&number.to_be_bytes());
    root
}

/// The start of the SHA-256 of `bytes`.
pub(crate) fn check(bytes: &[u8]) -> [u8; CHECK_LEN] {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    let mut check = [0; CHECK_LEN];
    check.copy_from_slice(&digest[..CHECK_LEN]);
    check
}

/// Eight big-endian bytes at `at`; zero beyond the end, which callers have ruled out.
pub(crate) fn read_u64(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: KeyId = KeyId([0x11; 32]);

    #[test]
    fn golden_bytes() {
        let header = Header { genesis_time: 0x0102, watermark: 0x0304 };
        let signed = Record::Signed { key: KEY, slot: 5, root: Root::repeat_byte(0x22) };
        let below = Record::Below { key: KEY, slot: 6, unlisted: 0 };
        let bytes = encode_file(&header, &[signed, below], 3);
        let expected = concat!(
            "4c415448454c47520000000100000000000001020000000000000304",
            "f4bd0a123d33e5fa",
            "01",
            "1111111111111111111111111111111111111111111111111111111111111111",
            "0000000000000005",
            "2222222222222222222222222222222222222222222222222222222222222222",
            "8f0db57fb813bb49",
            "02",
            "1111111111111111111111111111111111111111111111111111111111111111",
            "0000000000000006",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "b97a3b439ebc09d4",
        );
        assert_eq!(hex::encode(&bytes), format!("{expected}{}", "00".repeat(RECORD_LEN)));
        let contents = decode_file(&bytes).unwrap();
        assert_eq!((contents.header, contents.records, contents.torn), (header, vec![signed, below], false));
    }

    #[test]
    fn a_record_may_be_missing_wherever_the_file_does_not_end_in_blank_space() {
        let header = Header { genesis_time: 1, watermark: 0 };
        let records: Vec<_> = (0..3).map(|slot| Record::Below { key: KEY, slot, unlisted: 0 }).collect();
        let whole = encode_file(&header, &records, 5);
        for length in HEADER_LEN..whole.len() {
            let contents = decode_file(&whole[..length]).unwrap();
            let sound = length >= HEADER_LEN + 4 * RECORD_LEN;
            assert_eq!(contents.torn, !sound, "cut to {length} bytes");
            assert_eq!(contents.records.len(), ((length - HEADER_LEN) / RECORD_LEN).min(3));
        }
        for length in 0..HEADER_LEN {
            assert!(decode_file(&whole[..length]).is_err(), "cut to {length} bytes");
        }
    }

    #[test]
    fn damage_farther_from_the_end_than_one_append_is_an_error() {
        let header = Header { genesis_time: 1, watermark: 0 };
        let count = GROUP_RECORDS + 2;
        let records: Vec<_> =
            (0..count as u64).map(|slot| Record::Below { key: KEY, slot, unlisted: 0 }).collect();
        let file = encode_file(&header, &records, count + 1);
        for (place, outcome) in [(0, None), (1, None), (2, Some(count - 1)), (count - 1, Some(count - 1))] {
            let at = HEADER_LEN + place * RECORD_LEN;
            let mut flipped = file.clone();
            flipped[at + 40] ^= 1;
            let mut blanked = file.clone();
            blanked[at..at + RECORD_LEN].fill(0);
            for damaged in [flipped, blanked] {
                match decode_file(&damaged) {
                    Ok(contents) => assert!(contents.torn || place == count - 1),
                    Err(what) => assert_eq!(what, format!("record {place} of {count} is damaged")),
                }
                assert_eq!(decode_file(&damaged).ok().map(|contents| contents.records.len()), outcome);
            }
        }
    }

    #[test]
    fn every_flipped_bit_of_a_header_is_noticed() {
        let file = encode_file(&Header { genesis_time: 9, watermark: 7 }, &[], 1);
        for bit in 0..HEADER_LEN * 8 {
            let mut damaged = file.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(decode_file(&damaged).is_err(), "bit {bit}");
        }
    }
}
