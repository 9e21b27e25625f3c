//! Proofs with one part changed in its structure: a number, a list that is shorter, longer or in another order, a part
//! that is there or not. None of them is a second proof, and none makes the verifier panic.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Signed;
use crate::proof::Proof;
use crate::{Error, prove, verify};

/// Where something is: keys and indices from the root on.
type Path = Vec<String>;

fn parts(value: &Value, path: &mut Path, found: &mut Vec<Path>) {
    found.push(path.clone());
    let mut descend = |step: String, inner: &Value| {
        path.push(step);
        parts(inner, path, found);
        path.pop();
    };
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| descend(index.to_string(), item))
        }
        Value::Object(fields) => fields.iter().for_each(|(name, field)| descend(name.clone(), field)),
        _ => {}
    }
}

fn at<'a>(value: &'a mut Value, path: &[String]) -> &'a mut Value {
    path.iter().fold(value, |value, step| match value {
        Value::Array(items) => &mut items[step.parse::<usize>().unwrap()],
        other => &mut other[step],
    })
}

/// The path with indices left out: parts of one shape are read by the same code.
fn shape(path: &[String]) -> String {
    let name = |step: &String| if step.parse::<usize>().is_ok() { "#".to_owned() } else { step.clone() };
    path.iter().map(name).collect::<Vec<_>>().join(".")
}

/// What stands in the place of a part.
fn variants(part: &Value, whole: &Value) -> Vec<Value> {
    match part {
        Value::Number(number) => {
            let number = number.as_u64().unwrap_or_default();
            [number ^ 1, number ^ 0x80, number + 1, 0].map(Value::from).to_vec()
        }
        Value::Array(items) if items.is_empty() => {
            // Other parts of the proof are lists of whatever could be in here.
            vec![Value::from(vec![0]), whole["sumcheck"].clone(), whole["opening"].clone()]
        }
        Value::Array(items) => {
            let (mut longer, mut turned) = (items.clone(), items.clone());
            longer.extend(items.last().cloned());
            turned.rotate_left(1);
            let (shorter, none) = (items[..items.len() - 1].to_vec(), Vec::new());
            [longer, turned, shorter, none].map(Value::from).to_vec()
        }
        Value::Null => whole.as_object().into_iter().flat_map(|fields| fields.values().cloned()).collect(),
        Value::Object(_) => vec![Value::Null],
        _ => Vec::new(),
    }
}

/// Changes up to `each` parts of every shape, spread over the proof.
fn reject_mutants(each: usize) {
    let signed = Signed::one();
    let statement = signed.statement();
    let bytes = prove(&statement, &signed.bytes()).unwrap();
    let whole = serde_json::to_value(postcard::from_bytes::<Proof>(&bytes).unwrap()).unwrap();
    let mut found = Vec::new();
    parts(&whole, &mut Path::new(), &mut found);
    let mut shapes: BTreeMap<String, Vec<Path>> = BTreeMap::new();
    found.into_iter().for_each(|path| shapes.entry(shape(&path)).or_default().push(path));
    let mut tried = 0;
    for (shape, paths) in &shapes {
        for path in paths.iter().step_by(paths.len().div_ceil(each)) {
            let part = at(&mut whole.clone(), path).clone();
            for variant in variants(&part, &whole) {
                let mut mutant = whole.clone();
                *at(&mut mutant, path) = variant;
                // What cannot be written down cannot be sent either.
                let Ok(proof) = serde_json::from_value::<Proof>(mutant) else { continue };
                let mutated = postcard::to_allocvec(&proof).unwrap();
                if mutated != bytes {
                    tried += 1;
                    let verdict = verify(&statement, &mutated);
                    assert!(
                        matches!(verdict, Err(Error::Malformed(_) | Error::Rejected(_))),
                        "{shape} at {path:?}: {verdict:?}"
                    );
                }
            }
        }
    }
    println!("{tried} mutants of {} shapes", shapes.len());
    assert!(tried > shapes.len(), "{tried} mutants of {} shapes", shapes.len());
}

#[test]
fn a_part_that_is_changed_shorter_longer_or_turned_is_rejected() {
    reject_mutants(1);
}

#[test]
#[ignore = "minutes: make accept-proofs"]
fn hundreds_of_parts_of_every_shape_are_rejected_when_changed() {
    reject_mutants(400);
}
