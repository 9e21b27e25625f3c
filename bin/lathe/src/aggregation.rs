//! Options that choose the proof system and say when it proves.

use clap::Args;
use eyre::bail;
use lathe_node::AggregationBackend;
use lathe_types::{Genesis, SignatureScheme};

/// Options about proofs, of every command that runs nodes.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Aggregation")]
pub(crate) struct AggregationArgs {
    /// Proof system: raw signatures; stark, which proves those that do not fit; lean-pq; external:<path of a shared
    /// library>; or external:exec:<command>
    ///
    /// Default: as FORK_DIGEST in config.yaml says, and for a new network stark, or raw with another signature scheme
    /// than leansig. A network of other clients does not say it; there it must be given.
    #[arg(long, value_name = "raw|stark|lean-pq|external:PATH")]
    pub aggregation_backend: Option<AggregationBackend>,
    /// Size of a block's proof beyond which proofs take the place of raw signatures [default: what a block can hold]
    #[arg(long, value_name = "BYTES")]
    pub max_raw_bytes: Option<usize>,
}

/// The signature scheme and the proof system of a network to be made: each follows from the other where only one is
/// given.
pub(crate) fn of_new_network(
    scheme: Option<SignatureScheme>,
    backend: Option<AggregationBackend>,
) -> (SignatureScheme, AggregationBackend) {
    let scheme = scheme
        .unwrap_or_else(|| backend.as_ref().map(AggregationBackend::default_scheme).unwrap_or_default());
    (scheme, backend.unwrap_or_else(|| AggregationBackend::default_for(scheme)))
}

impl AggregationArgs {
    /// The backend of the network with that digest; `None` if the digest is still to be made, by this node.
    pub(crate) fn of_network(
        &self,
        genesis: &Genesis,
        fork_digest: Option<&str>,
    ) -> eyre::Result<AggregationBackend> {
        let Some(fork_digest) = fork_digest else {
            return Ok(self.aggregation_backend.clone().unwrap_or(AggregationBackend::Raw));
        };
        let known = AggregationBackend::of_network(genesis, fork_digest);
        match (&self.aggregation_backend, known) {
            (Some(asked), Some(known)) if *asked != known => bail!(
                "--aggregation-backend: {}, but FORK_DIGEST in config.yaml is that of {}; leave the option out",
                asked,
                known
            ),
            (Some(asked), _) => Ok(asked.clone()),
            (None, Some(known)) => Ok(known),
            // What others prove with cannot be guessed, and a wrong guess would spend one-time keys on a fork.
            (None, None) => bail!(
                "the network {fork_digest} does not say what its proofs are, and without them its blocks cannot be \
                 read: name them, as --aggregation-backend external:<library of that proof system>, or --aggregation-backend raw \
                 if all its nodes are Lathe's and keep signatures as they are"
            ),
        }
    }

    /// The same options for a node process.
    pub(crate) fn to_options(&self) -> Vec<String> {
        let mut options = Vec::new();
        if let Some(backend) = &self.aggregation_backend {
            options.extend(["--aggregation-backend".into(), backend.to_string()]);
        }
        if let Some(bytes) = self.max_raw_bytes {
            options.extend(["--max-raw-bytes".into(), bytes.to_string()]);
        }
        options
    }
}
