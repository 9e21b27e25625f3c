//! Gossip topics: `/leanconsensus/<network>/<name>/ssz_snappy`.

use std::fmt;
use std::str::FromStr;

use lathe_types::SubnetId;

use crate::error::{Error, excerpt};

const PREFIX: &str = "leanconsensus";
const ENCODING: &str = "ssz_snappy";
const BLOCK: &str = "block";
const AGGREGATION: &str = "aggregation";
const ATTESTATION_PREFIX: &str = "attestation_";

/// The network name that every devnet uses today.
pub const DEFAULT_NETWORK_NAME: &str = "12345678";

/// Longest network name. A fork digest has eight characters; what we are given may be a little longer.
pub const MAX_NETWORK_NAME_LEN: usize = 64;

/// What travels on a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TopicKind {
    /// Signed blocks.
    Block,
    /// Aggregated votes.
    AggregatedAttestation,
    /// Single votes of one committee.
    AttestationSubnet(SubnetId),
}

/// A topic of one network.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GossipTopic {
    /// The network, also called fork digest: no slash, without `0x`.
    pub network_name: String,
    /// What travels on it.
    pub kind: TopicKind,
}

impl GossipTopic {
    /// The topic of `kind` on `network_name`.
    pub fn new(network_name: impl Into<String>, kind: TopicKind) -> Self {
        Self { network_name: network_name.into(), kind }
    }

    /// Refuses a topic of another network.
    pub fn validate_fork(&self, expected_network_name: &str) -> Result<(), Error> {
        if self.network_name == expected_network_name {
            return Ok(());
        }
        Err(Error::ForkMismatch {
            expected: expected_network_name.to_owned(),
            actual: excerpt(&self.network_name),
        })
    }
}

impl fmt::Display for GossipTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let network = &self.network_name;
        match self.kind {
            TopicKind::Block => write!(f, "/{PREFIX}/{network}/{BLOCK}/{ENCODING}"),
            TopicKind::AggregatedAttestation => write!(f, "/{PREFIX}/{network}/{AGGREGATION}/{ENCODING}"),
            TopicKind::AttestationSubnet(subnet) => {
                write!(f, "/{PREFIX}/{network}/{ATTESTATION_PREFIX}{subnet}/{ENCODING}")
            }
        }
    }
}

impl FromStr for GossipTopic {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let unknown = || Error::Topic(excerpt(text));
        let parts: Vec<&str> = text.strip_prefix('/').ok_or_else(unknown)?.splitn(5, '/').collect();
        let [PREFIX, network_name, name, ENCODING] = parts[..] else {
            return Err(unknown());
        };
        let kind = match name {
            BLOCK => TopicKind::Block,
            AGGREGATION => TopicKind::AggregatedAttestation,
            _ => TopicKind::AttestationSubnet(parse_subnet(name).ok_or_else(unknown)?),
        };
        Ok(Self::new(network_name, kind))
    }
}

/// Only the canonical decimal form, so that a topic has one spelling.
fn parse_subnet(name: &str) -> Option<SubnetId> {
    let digits = name.strip_prefix(ATTESTATION_PREFIX)?;
    let subnet: u64 = digits.parse().ok()?;
    (subnet.to_string() == digits).then_some(SubnetId(subnet))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_have_the_exact_spelling() {
        for (kind, name) in [
            (TopicKind::Block, "/leanconsensus/12345678/block/ssz_snappy"),
            (TopicKind::AggregatedAttestation, "/leanconsensus/12345678/aggregation/ssz_snappy"),
            (TopicKind::AttestationSubnet(SubnetId(0)), "/leanconsensus/12345678/attestation_0/ssz_snappy"),
            (TopicKind::AttestationSubnet(SubnetId(63)), "/leanconsensus/12345678/attestation_63/ssz_snappy"),
        ] {
            let topic = GossipTopic::new(DEFAULT_NETWORK_NAME, kind);
            assert_eq!(topic.to_string(), name);
            assert_eq!(name.parse(), Ok(topic));
        }
    }

    #[test]
    fn other_strings_are_no_topics() {
        for text in [
            "",
            "/",
            "block",
            "leanconsensus/12345678/block/ssz_snappy",
            "/eth2/12345678/block/ssz_snappy",
            "/leanconsensus/12345678/block/ssz",
            "/leanconsensus/12345678/block/ssz_snappy/",
            "/leanconsensus/12345678/attestation_/ssz_snappy",
            "/leanconsensus/12345678/attestation_01/ssz_snappy",
            "/leanconsensus/12345678/attestation_+1/ssz_snappy",
            "/leanconsensus/12345678/attestation_99999999999999999999/ssz_snappy",
        ] {
            assert_eq!(text.parse::<GossipTopic>(), Err(Error::Topic(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn topics_of_other_networks_are_refused() {
        let topic = GossipTopic::new("12345678", TopicKind::Block);
        assert_eq!(topic.validate_fork("12345678"), Ok(()));
        let mismatch = Error::ForkMismatch { expected: "cafe".into(), actual: "12345678".into() };
        assert_eq!(topic.validate_fork("cafe"), Err(mismatch));
    }
}
