//! Writes the seeds of the corpus: `cargo run -p lathe-fuzzing --example seeds`. They are kept in the repository, so
//! this is needed only when a target is new or reads its input in another way.
//!
//! Sources are what our own encoders write, the specification's fixtures, and bytes that another client put on the
//! wire: `leanspec-fixtures` and `interop-vectors` in the directory that is named, or in `shared` beside the workspace.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use lathe_fuzzing::seeds::{self, Seed};
use lathe_spec_tests::json::Json;
use lathe_spec_tests::{Case, Fixtures};
use lathe_types::{Block, Decode as _, Encode as _, ProofBytes, SignedBlock, State};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Longer seeds slow the search and say nothing new.
const MAX_SEED_BYTES: usize = 4 << 10;
/// Seeds of one target from the fixtures of one kind.
const MAX_PER_KIND: usize = 60;
/// What is left of a proof of another client's, whose format is not ours.
const PROOF_BYTES: usize = 40;

fn main() -> Result<(), Box<dyn Error>> {
    let mut all = seeds::made();
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::args().nth(1).map_or(beside, PathBuf::from);
    if shared.is_dir() {
        all.extend(from_fixtures(&Fixtures::at(&shared.join("leanspec-fixtures"))?)?);
        all.extend(from_another_client(&shared.join("interop-vectors"))?);
    }
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (target, bytes) in all {
        // Our own seeds may be long, where nothing shorter has all the parts.
        let path = corpus.join(target).join(format!("{:.16}", hex::encode(Sha256::digest(&bytes))));
        fs::create_dir_all(corpus.join(target))?;
        fs::write(path, &bytes)?;
        let (files, total) = counts.entry(target).or_default();
        *files += 1;
        *total += bytes.len();
    }
    for (target, (files, bytes)) in counts {
        eprintln!("{target}: {files} seeds, {bytes} bytes");
    }
    Ok(())
}

/// A kind of fixtures, and what its cases are worth.
type Kind = (&'static str, fn(&Case) -> Vec<Seed>);

fn from_fixtures(fixtures: &Fixtures) -> Result<Vec<Seed>, Box<dyn Error>> {
    let kinds: [Kind; 3] = [("ssz", ssz), ("networking_codec", wire), ("state_transition", transition)];
    let mut all = Vec::new();
    for (kind, seeds) in kinds {
        let mut of_kind: BTreeMap<&str, Vec<Vec<u8>>> = BTreeMap::new();
        for file in fixtures.of_kind(kind).files() {
            for named in file.cases()? {
                let Ok(case) = named.case else { continue };
                for (target, seed) in seeds(&case) {
                    of_kind.entry(target).or_default().push(seed);
                }
            }
        }
        for (target, mut seeds) in of_kind {
            seeds.retain(|seed| seed.len() <= MAX_SEED_BYTES);
            // The short ones first, then one of each length.
            seeds.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
            seeds.dedup_by_key(|seed| (seed.first().copied(), seed.len()));
            all.extend(seeds.into_iter().take(MAX_PER_KIND).map(|seed| (target, seed)));
        }
    }
    Ok(all)
}

/// The bytes under a key of a case, written in hex.
fn bytes(value: &Value, key: &str) -> Option<Vec<u8>> {
    hex::decode(value.get(key)?.as_str()?.trim_start_matches("0x")).ok()
}

fn ssz(case: &Case) -> Vec<Seed> {
    let Ok(body) = case.body::<Value>() else { return Vec::new() };
    let Some(name) = body.get("typeName").and_then(Value::as_str) else { return Vec::new() };
    let encodings = [bytes(&body, "rawBytes"), bytes(&body, "serialized")];
    encodings.iter().flatten().filter_map(|encoding| seeds::container(name, encoding)).collect()
}

fn wire(case: &Case) -> Vec<Seed> {
    let Ok(body) = case.body::<Value>() else { return Vec::new() };
    let (Some(codec), Some(output)) = (body.get("codec"), body.get("output")) else { return Vec::new() };
    let kind = codec.get("kind").and_then(Value::as_str).unwrap_or_default();
    let decoder = codec.get("decoder").and_then(Value::as_str).unwrap_or(kind);
    let Some(encoded) =
        bytes(codec, "rawBytes").or_else(|| bytes(output, "encoded")).or_else(|| bytes(output, "compressed"))
    else {
        let text = codec.get("enrString").and_then(Value::as_str);
        return text.map(|text| ("enr", seeds::chosen(0, text.as_bytes()))).into_iter().collect();
    };
    let (target, choice) = match decoder {
        "varint" => ("reqresp", 5),
        "reqresp_request" => ("reqresp", 4),
        "reqresp_response" => ("reqresp", 3),
        "snappy_block" => ("snappy", 0),
        "snappy_frame" => ("snappy", 1),
        _ => return Vec::new(),
    };
    vec![(target, seeds::chosen(choice, &encoded))]
}

fn transition(case: &Case) -> Vec<Seed> {
    #[derive(serde::Deserialize)]
    struct Body {
        pre: Json<State>,
        blocks: Json<Vec<Block>>,
    }
    let Ok(Body { pre: Json(mut state), blocks: Json(blocks) }) = case.body() else { return Vec::new() };
    let mut seeds = Vec::new();
    for block in blocks {
        let signed = SignedBlock { block, ..SignedBlock::default() };
        seeds.push(seeds::transition(&state.as_ssz_bytes(), &signed.as_ssz_bytes()));
        let Ok(post) = lathe_transition::state_transition(&state, &signed.block) else { break };
        state = post;
    }
    seeds
}

/// What another client sent and served.
fn from_another_client(dir: &Path) -> Result<Vec<Seed>, Box<dyn Error>> {
    let mut all = Vec::new();
    for path in files(&dir.join("wire-net/ssz"))? {
        let payload = fs::read(&path)?;
        let name = path.to_string_lossy().into_owned();
        let (kind, container, short) = if name.contains("block") {
            let mut block = SignedBlock::from_ssz_bytes(&payload).map_err(|error| format!("{error:?}"))?;
            block.proof.proof = shortened(&block.proof.proof)?;
            (0, "SignedBlock", block.as_ssz_bytes())
        } else if name.contains("aggregation") {
            let mut vote = lathe_types::SignedAggregatedAttestation::from_ssz_bytes(&payload)
                .map_err(|error| format!("{error:?}"))?;
            vote.proof.proof = shortened(&vote.proof.proof)?;
            (1, "SignedAggregatedAttestation", vote.as_ssz_bytes())
        } else {
            (2, "SignedAttestation", payload)
        };
        // Votes are all alike.
        if container != "SignedAttestation" || name.ends_with("0002_attestation.ssz") {
            all.extend(seeds::container(container, &short));
            all.push(seeds::gossip(kind, &lathe_network::snappy::compress_block(&short)?));
        }
    }
    for path in
        files(&dir.join("wire-net/dump0"))?.iter().filter(|path| path.to_string_lossy().contains("reqresp"))
    {
        let payload = fs::read(path)?;
        if payload.len() <= MAX_SEED_BYTES {
            all.push(("reqresp", seeds::chosen(4, &payload)));
        }
    }
    let state = fs::read(dir.join("finalized-4/n0.state_finalized.ssz"))?;
    all.extend(seeds::container("State", &state));
    for path in files(dir)?.into_iter().chain(files(&dir.join("wire-net"))?) {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        all.extend(seeds::yaml(&name, &fs::read(path)?));
    }
    Ok(all)
}

fn shortened(proof: &ProofBytes) -> Result<ProofBytes, String> {
    ProofBytes::new(proof.iter().copied().take(PROOF_BYTES).collect()).map_err(|error| format!("{error:?}"))
}

/// The files of a directory, sorted.
fn files(dir: &Path) -> Result<Vec<PathBuf>, std::io::Error> {
    let entries = fs::read_dir(dir)?.collect::<Result<Vec<_>, _>>()?;
    let mut files: Vec<PathBuf> =
        entries.into_iter().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    Ok(files)
}
