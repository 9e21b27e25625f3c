//! Ledgers as text, for moving keys to another machine.
//!
//! One JSON object per line. The first says what the file is; each other one is a message that a key has signed, the
//! slot below which a key signs nothing (with the number of signatures that are not listed), or where a signature was
//! seen that is not ours, so that the key rests. The last counts them, and has the SHA-256 of all bytes before it:
//!
//! ```text
//! {"format":"lathe-signing-ledger","version":2,"genesis_time":1700000000,"watermark":0}
//! {"key":"0x11..","below":3,"unlisted":2}
//! {"key":"0x11..","slot":7,"root":"0x22.."}
//! {"key":"0x11..","stopped":8,"root":"0x33.."}
//! {"records":3,"sha256":"0x44.."}
//! ```
//! Stop the old signer before the export, and never start it again.

use std::io::{self, BufRead, Read as _, Write};

use lathe_types::Root;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Refusal};
use crate::ledger::Ledger;
use crate::medium::Medium;
use crate::record::{KeyId, Record};

const FORMAT: &str = "lathe-signing-ledger";
const VERSION: u32 = 2;
/// The longest line that an export writes has about 170 bytes.
const MAX_LINE_BYTES: u64 = 1024;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Preamble {
    format: String,
    version: u32,
    genesis_time: u64,
    watermark: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Line {
    Signed { key: Root, slot: u64, root: Root },
    Below { key: Root, below: u64, unlisted: u64 },
    Stopped { key: Root, stopped: u64, root: Root },
    End { records: usize, sha256: Root },
}

impl From<&Record> for Line {
    fn from(record: &Record) -> Self {
        let key = Root::from(record.key().0);
        match *record {
            Record::Signed { slot, root, .. } => Self::Signed { key, slot, root },
            Record::Below { slot, unlisted, .. } => Self::Below { key, below: slot, unlisted },
            Record::Stopped { slot, root, .. } => Self::Stopped { key, stopped: slot, root },
            // Not among the records that are needed; and an import must never let a stopped key go on.
            Record::Resumed { slot, .. } | Record::ByClock { slot } => {
                Self::Below { key, below: slot, unlisted: 0 }
            }
        }
    }
}

/// What an export holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interchange {
    /// Unix time of the genesis that its slots count from.
    pub genesis_time: u64,
    watermark: u64,
    records: Vec<Record>,
}

impl Interchange {
    /// Reads an export to its end, and checks it.
    pub fn read(mut from: impl BufRead) -> Result<Self, Error> {
        let mut lines = Lines { from: &mut from, number: 0, digest: Sha256::new() };
        let first = lines.next()?.ok_or_else(|| flawed(1, "the file is empty"))?;
        let preamble: Preamble = lines.parse(&first)?;
        if preamble.format != FORMAT || preamble.version != VERSION {
            return Err(flawed(1, format!("expected format {FORMAT}, version {VERSION}")));
        }
        lines.digest.update(&first);
        let mut records = Vec::new();
        loop {
            let text = lines.next()?.ok_or_else(|| {
                flawed(
                    lines.number,
                    "the line with the count and the checksum is missing: the file is cut short",
                )
            })?;
            let record = match lines.parse(&text)? {
                Line::Signed { key, slot, root } => Record::Signed { key: KeyId(key.0), slot, root },
                Line::Below { key, below, unlisted } => {
                    Record::Below { key: KeyId(key.0), slot: below, unlisted }
                }
                Line::Stopped { key, stopped, root } => {
                    Record::Stopped { key: KeyId(key.0), slot: stopped, root }
                }
                Line::End { records: count, sha256 } => {
                    let digest: [u8; 32] = lines.digest.clone().finalize().into();
                    if count != records.len() || sha256.0 != digest {
                        return Err(flawed(
                            lines.number,
                            "the count or the checksum does not match what precedes it",
                        ));
                    }
                    break;
                }
            };
            lines.digest.update(&text);
            records.push(record);
        }
        if lines.next()?.is_some() {
            return Err(flawed(lines.number, "something follows the last line"));
        }
        Ok(Self { genesis_time: preamble.genesis_time, watermark: preamble.watermark, records })
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

fn flawed(line: usize, what: impl Into<String>) -> Error {
    Error::Interchange { line, what: what.into() }
}

/// The lines of a file, bounded, with a digest of those that were taken in.
struct Lines<'a, R> {
    from: &'a mut R,
    number: usize,
    digest: Sha256,
}

impl<R: BufRead> Lines<'_, R> {
    fn next(&mut self) -> Result<Option<String>, Error> {
        self.number += 1;
        let mut text = String::new();
        let read = self.from.by_ref().take(MAX_LINE_BYTES).read_line(&mut text);
        match read.map_err(|error| flawed(self.number, error.to_string()))? {
            0 => Ok(None),
            read if read as u64 == MAX_LINE_BYTES => Err(flawed(self.number, "it is too long")),
            _ => Ok(Some(text)),
        }
    }

    fn parse<'de, T: Deserialize<'de>>(&self, text: &'de str) -> Result<T, Error> {
        serde_json::from_str(text).map_err(|error| flawed(self.number, error.to_string()))
    }
}

impl<M: Medium> Ledger<M> {
    /// Writes everything that the ledger holds against its keys. Returns the number of records.
    pub fn export(&self, out: &mut impl Write) -> io::Result<usize> {
        // On another machine nobody tells whether a clock was right: what one said is taken along as known.
        let (genesis_time, watermark) = (self.genesis_time(), self.watermark());
        let (_, mut records) = self.snapshot();
        records.retain(|record| !matches!(record, Record::ByClock { .. }));
        let preamble = Preamble { format: FORMAT.into(), version: VERSION, genesis_time, watermark };
        let mut digest = Sha256::new();
        let mut put = |line: String| {
            digest.update(&line);
            out.write_all(line.as_bytes())
        };
        put(format!("{}\n", serde_json::to_string(&preamble)?))?;
        for record in &records {
            put(format!("{}\n", serde_json::to_string(&Line::from(record))?))?;
        }
        let sha256 = Root::from(<[u8; 32]>::from(digest.finalize()));
        writeln!(out, "{}", serde_json::to_string(&Line::End { records: records.len(), sha256 })?)?;
        out.flush()?;
        Ok(records.len())
    }

    /// Adds what an export holds, all of it or nothing; what may be signed afterwards is what both allow.
    pub fn import(&mut self, other: &Interchange) -> Result<(), Error> {
        let (found, expected) = (other.genesis_time, self.genesis_time());
        if found != expected {
            return Err(flawed(1, format!("it is for genesis time {found}, this ledger for {expected}")));
        }
        self.merge(other.watermark, &other.records).map_err(|refusal| {
            let what = match refusal {
                Refusal::Failed(why) => why,
                other => other.to_string(),
            };
            self.failure(io::Error::other(what))
        })
    }
}
