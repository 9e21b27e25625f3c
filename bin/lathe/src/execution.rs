//! The options by which a node is paired with an execution client.

use std::path::PathBuf;

use alloy_primitives::{Address, B256};
use clap::Args;
use eyre::{WrapErr as _, bail};
use lathe_node::{
    AggregationBackend, Endpoint, ExecutionOptions, JwtSecret, NodeOptions, genesis_block_hash,
};

use crate::quiet::quiet;

/// The execution client beside the node.
#[derive(Args, Debug)]
#[command(next_help_heading = "Execution client")]
pub(crate) struct ExecutionArgs {
    /// Where the execution client serves the Engine API, such as http://127.0.0.1:8551
    #[arg(long, value_name = "URL", requires = "execution_jwt_secret", value_parser = quiet::<Endpoint>())]
    execution_endpoint: Option<Endpoint>,
    /// File with the secret that both clients share: 32 bytes in hex
    #[arg(long, value_name = "FILE", requires = "execution_endpoint")]
    execution_jwt_secret: Option<PathBuf>,
    /// Hash of the execution layer's genesis block; default: as config.yaml says, else as the execution client says
    #[arg(long, value_name = "HASH", requires = "execution_endpoint")]
    pub execution_genesis_block_hash: Option<B256>,
    /// Who earns the fees of our blocks; default: nobody
    #[arg(long, value_name = "ADDRESS", requires = "execution_endpoint")]
    suggested_fee_recipient: Option<Address>,
}

impl ExecutionArgs {
    /// Whether there is an execution client.
    pub(crate) const fn is_given(&self) -> bool {
        self.execution_endpoint.is_some()
    }

    /// How to reach the execution client, if there is one.
    pub(crate) fn options(&self) -> eyre::Result<Option<ExecutionOptions>> {
        let (Some(endpoint), Some(file)) = (&self.execution_endpoint, &self.execution_jwt_secret) else {
            return Ok(None);
        };
        let secret = JwtSecret::from_file(file).wrap_err_with(|| {
            format!(
                "--execution-jwt-secret {}: make one for both clients with: openssl rand -hex 32",
                file.display()
            )
        })?;
        let fee_recipient = self.suggested_fee_recipient.unwrap_or_default();
        Ok(Some(ExecutionOptions { endpoint: endpoint.clone(), secret, fee_recipient }))
    }
}

/// Settles which execution chain the network is paired with: as config.yaml says, else as the option does, else as the
/// execution client does. Where config.yaml does not say it, the digest in the topics is ours to make, so that the
/// network does not mix with one without an execution layer.
pub(crate) async fn pair(options: &mut NodeOptions, given: Option<B256>) -> eyre::Result<()> {
    let Some(execution) = &options.execution else { return Ok(()) };
    match (options.genesis.execution_genesis, given) {
        (Some(hash), Some(given)) if hash != given => bail!(
            "--execution-genesis-block-hash: {given}, but EXECUTION_GENESIS_BLOCK_HASH in config.yaml is {hash}; \
             leave the option out"
        ),
        (Some(_), _) => return Ok(()),
        (None, Some(given)) => options.genesis.execution_genesis = Some(given),
        (None, None) => {
            let asked = genesis_block_hash(execution.endpoint.clone(), execution.secret.clone()).await;
            let advice = "the execution client does not say which chain it runs; start it, or give --execution-genesis-block-hash";
            options.genesis.execution_genesis = Some(asked.wrap_err(advice)?);
        }
    }
    options.fork_digest = AggregationBackend::fork_digest(&options.backend.id()?, &options.genesis);
    Ok(())
}
