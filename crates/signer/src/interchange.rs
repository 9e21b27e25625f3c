//! Ledgers as text, for moving keys to another machine.
//!
//! One JSON object per line. The first says what the file is; each other one is a message that a key has signed, or
//! the slot below which a key signs nothing:
//!
//! ```text
//! {"format":"lathe-signing-ledger","version":1,"genesis_time":1700000000,"watermark":0}
//! {"key":"0x11..","slot":7,"root":"0x22.."}
//! {"key":"0x11..","below":3}
//! ```
//! Stop the old signer before the export, and never start it again.

use std::io::{self, BufRead, Read as _, Write};

use lathe_types::Root;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::ledger::Ledger;
use crate::ledger_file::LedgerFile;
use crate::record::{KeyId, Record};

const FORMAT: &str = "lathe-signing-ledger";
const VERSION: u32 = 1;
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
    Below { key: Root, below: u64 },
}

impl From<&Record> for Line {
    fn from(record: &Record) -> Self {
        match *record {
            Record::Signed { key, slot, root } => Self::Signed { key: Root::from(key.0), slot, root },
            Record::Below { key, slot } => Self::Below { key: Root::from(key.0), below: slot },
        }
    }
}

impl From<Line> for Record {
    fn from(line: Line) -> Self {
        match line {
            Line::Signed { key, slot, root } => Self::Signed { key: KeyId(key.0), slot, root },
            Line::Below { key, below } => Self::Below { key: KeyId(key.0), slot: below },
        }
    }
}

impl<F: LedgerFile> Ledger<F> {
    /// Writes everything that the ledger holds against its keys.
    pub fn export(&self, out: &mut impl Write) -> io::Result<()> {
        let (header, records) = self.snapshot();
        let (genesis_time, watermark) = (header.genesis_time, header.watermark);
        let preamble = Preamble { format: FORMAT.into(), version: VERSION, genesis_time, watermark };
        writeln!(out, "{}", serde_json::to_string(&preamble)?)?;
        for record in &records {
            writeln!(out, "{}", serde_json::to_string(&Line::from(record))?)?;
        }
        out.flush()
    }

    /// Adds what an export holds; what may be signed afterwards is what both allow. Takes in all of it or nothing.
    pub fn import(&self, mut from: impl BufRead) -> Result<(), Error> {
        let flawed = |line: usize, what: String| Error::Interchange { line, what };
        let mut line_number = 0;
        let mut next = || -> Result<Option<(usize, String)>, Error> {
            line_number += 1;
            let mut text = String::new();
            let read = from.by_ref().take(MAX_LINE_BYTES).read_line(&mut text);
            match read.map_err(|error| flawed(line_number, error.to_string()))? {
                0 => Ok(None),
                read if read as u64 == MAX_LINE_BYTES => Err(flawed(line_number, "it is too long".into())),
                _ => Ok(Some((line_number, text))),
            }
        };
        let (_, first) = next()?.ok_or_else(|| flawed(1, "the file is empty".into()))?;
        let preamble: Preamble =
            serde_json::from_str(&first).map_err(|error| flawed(1, error.to_string()))?;
        if preamble.format != FORMAT || preamble.version != VERSION {
            return Err(flawed(1, format!("expected format {FORMAT}, version {VERSION}")));
        }
        if preamble.genesis_time != self.genesis_time() {
            let (found, expected) = (preamble.genesis_time, self.genesis_time());
            return Err(flawed(1, format!("it is for genesis time {found}, this ledger for {expected}")));
        }
        let mut records = Vec::new();
        while let Some((number, text)) = next()? {
            let line: Line =
                serde_json::from_str(&text).map_err(|error| flawed(number, error.to_string()))?;
            records.push(Record::from(line));
        }
        let merged = self.merge(preamble.watermark, &records);
        merged.map_err(|error| Error::Io { location: "import".into(), source: io::Error::other(error) })
    }
}
