//! `lathe health`: whether a node is well, for container runtimes and scripts.

use std::time::Duration;

use clap::Args;
use eyre::bail;

use crate::output::say;

/// Longest wait for the answer.
const PATIENCE: Duration = Duration::from_secs(4);

/// Ask a node whether it is well
#[derive(Args, Debug)]
pub(crate) struct HealthArgs {
    /// URL of the node's API; default: this machine's, at --api-port
    #[arg(value_name = "URL")]
    url: Option<String>,
    /// Port of the API on this machine
    #[arg(long, value_name = "PORT", default_value_t = 5052)]
    api_port: u16,
}

/// Succeeds if the node says that it is well.
pub(crate) fn run(args: &HealthArgs) -> eyre::Result<()> {
    let url = args.url.clone().unwrap_or_else(|| format!("http://127.0.0.1:{}", args.api_port));
    let url = format!("{}/lean/v0/health", url.trim_end_matches('/'));
    let config =
        ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false).build();
    let mut answer = match ureq::Agent::new_with_config(config).get(&url).call() {
        Ok(answer) => answer,
        Err(error) => bail!("{url}: {error}; start the node, or name its API"),
    };
    let text = answer.body_mut().read_to_string().unwrap_or_default();
    if !answer.status().is_success() {
        bail!("{url}: {} {text}", answer.status());
    }
    say(&text);
    Ok(())
}
