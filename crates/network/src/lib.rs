//! libp2p QUIC: gossip, requests and responses, the peer book.
