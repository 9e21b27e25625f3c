//! What must survive a restart: blocks, states and the chain's metadata.
