//! `nodes.yaml`: the node records of the network.

use std::path::Path;

use crate::error::ConfigError;
use crate::files::{MAX_YAML_BYTES, parse_yaml, read_text};

const ADVICE: &str = "it should be a list of `- enr:...` lines, or [] for a node without peers";
/// Records that a file may list, as many as there can be validators.
const MAX_RECORDS: usize = 4096;

/// Reads `nodes.yaml`. The records are text, empty ones included; what they say is for the network to judge. An empty
/// file is an empty list.
pub fn read_nodes(path: &Path) -> Result<Vec<String>, ConfigError> {
    parse_nodes(path, &read_text(path, MAX_YAML_BYTES, ADVICE)?)
}

/// Like [`read_nodes`], from the text of the file; errors name it by `path`.
pub fn parse_nodes(path: &Path, text: &str) -> Result<Vec<String>, ConfigError> {
    let records: Option<Vec<String>> = parse_yaml(path, text, ADVICE)?;
    let records: Vec<String> =
        records.unwrap_or_default().iter().map(|record| record.trim().to_owned()).collect();
    if records.len() > MAX_RECORDS {
        let problem = format!("{} node records", records.len());
        return Err(ConfigError::field(
            path,
            "the list",
            problem,
            format!("at most {MAX_RECORDS} are allowed"),
        ));
    }
    Ok(records)
}
