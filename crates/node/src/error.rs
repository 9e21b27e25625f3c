//! Why a node does not start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use lathe_types::ValidatorIndex;

/// Why a node does not start. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A directory cannot be made.
    #[error("{}: the directory cannot be made ({source}); check the permissions of its parent, or choose another --data-dir or --ledger-dir", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The chain database.
    #[error(transparent)]
    Storage(#[from] lathe_storage::StorageError),
    /// The chain database cannot be used as it is.
    #[error(
        "the chain database at {} is damaged ({detail}): move that directory away and start again, or start with \
         --resync-on-corruption; the signing ledger is not affected",
        path.display()
    )]
    Damaged {
        /// The directory.
        path: PathBuf,
        /// What is wrong, as far as it is known.
        detail: String,
    },
    /// A damaged database cannot be moved away.
    #[error("the damaged chain database at {} cannot be moved away ({source}); check the permissions of its parent", path.display())]
    SetAside {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nobody here can check what the network's validators sign.
    #[error(
        "the validators of this network sign with {0}, which is not built in; a node of it needs a build or a backend \
         that has this scheme"
    )]
    NoVerifier(lathe_types::SignatureScheme),
    /// The proof system is not about what the network's validators sign with.
    #[error(
        "--aggregation-backend {backend} is not about signatures of {scheme}, with which the validators of this \
         network sign; use --aggregation-backend {fitting}"
    )]
    OtherScheme {
        /// The backend.
        backend: String,
        /// The network's scheme.
        scheme: lathe_types::SignatureScheme,
        /// A backend for it.
        fitting: String,
    },
    /// The key files or the signing ledger.
    #[error(transparent)]
    Signer(Box<lathe_signer::Error>),
    /// A key does not hold together.
    #[error("a key cannot be prepared ({0}); make new keys for a new network, or restore the key files")]
    Keys(#[source] lathe_signer::SignError),
    /// The signer in another process does not hold a key that this node has duties for.
    #[error(
        "the signer at {address} does not hold the {role} key of validator {validator} that config.yaml names: give it \
         the keys of this node (lathe signer serve --node-id), or name another signer"
    )]
    SignerLacksKey {
        /// The signer.
        address: String,
        /// The validator.
        validator: ValidatorIndex,
        /// Which of its keys.
        role: &'static str,
    },
    /// Neither keys nor a signer were taken.
    #[error("there is neither a key store nor a --remote-signer")]
    NoSigner,
    /// There is nothing to start from.
    #[error("{0}; try another --checkpoint-sync-url, or leave the option out to synchronise from genesis")]
    Checkpoint(#[from] lathe_checkpoint::Error),
    /// The engine does not accept the stored chain.
    #[error(
        "the stored chain does not hold together ({0}); move the data directory away and synchronise anew"
    )]
    Engine(#[from] lathe_engine::EngineError),
    /// The QUIC socket.
    #[error(
        "cannot listen on UDP {address}: {detail}; stop what uses the port, or choose another --gossipsub-port or --listen-addr"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        detail: String,
    },
    /// The HTTP sockets.
    #[error(transparent)]
    Http(#[from] lathe_http::HttpError),
    /// The network.
    #[error(transparent)]
    Network(lathe_network::Error),
    /// The library of the external proof system.
    #[error("--aggregation-backend: {0}")]
    Aggregation(#[from] lathe_external::ExternalError),
    /// A proof system could not be tried.
    #[error("the check cannot be made: {0}")]
    Check(String),
    /// The network is paired with an execution layer, and the node is not.
    #[error(
        "the network is paired with an execution layer (EXECUTION_GENESIS_BLOCK_HASH in config.yaml), and this node has no \
         execution client; give --execution-endpoint and --execution-jwt-secret"
    )]
    NoExecutionClient,
    /// The node is paired with an execution layer, and the network is not.
    #[error("the network has no execution layer; leave --execution-endpoint out")]
    NoExecutionLayer,
    /// The execution client answers, and will not do.
    #[error("execution client: {0}")]
    Execution(lathe_execution::ExecutionError),
    /// A metric.
    #[error("the metrics registry refused a metric: {0}")]
    Metrics(#[from] prometheus::Error),
}

impl From<lathe_signer::Error> for NodeError {
    fn from(error: lathe_signer::Error) -> Self {
        Self::Signer(Box::new(error))
    }
}
