//! What the execution client offers.

use std::collections::BTreeSet;

use crate::error::ExecutionError;
use crate::fork::Fork;

/// The method that moves the execution client's head, for every fork from Cancun on.
pub(crate) const FORKCHOICE_UPDATED: &str = "engine_forkchoiceUpdatedV3";
/// The optional method that tells names and versions.
pub(crate) const CLIENT_VERSION: &str = "engine_getClientVersionV1";

/// Every method that we may call and that is a matter of agreement.
pub(crate) const OURS: [&str; 7] = [
    FORKCHOICE_UPDATED,
    "engine_getPayloadV3",
    "engine_getPayloadV4",
    "engine_getPayloadV5",
    "engine_newPayloadV3",
    "engine_newPayloadV4",
    CLIENT_VERSION,
];

/// The methods of ours that the execution client offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(BTreeSet<&'static str>);

impl Capabilities {
    /// What of `offered` we know. Clients list names of their own as well, so that only exact names count.
    pub fn new<'a>(offered: impl IntoIterator<Item = &'a str>) -> Self {
        let offered: BTreeSet<&str> = offered.into_iter().collect();
        Self(OURS.into_iter().filter(|method| offered.contains(method)).collect())
    }

    /// Whether `method` is offered.
    pub fn has(&self, method: &str) -> bool {
        self.0.contains(method)
    }

    /// The forks whose payloads can be fetched, newest first.
    pub fn buildable(&self) -> impl Iterator<Item = Fork> {
        Fork::NEWEST_FIRST.into_iter().filter(|fork| self.has(fork.get_payload()))
    }

    /// The forks whose payloads can be handed over, newest first; forks that share a method appear once.
    pub fn importable(&self) -> impl Iterator<Item = Fork> {
        [Fork::Osaka, Fork::Cancun].into_iter().filter(|fork| self.has(fork.new_payload()))
    }

    /// Refuses a client that cannot follow any chain. One that cannot build is good enough for an observer.
    pub(crate) fn check(self) -> Result<Self, ExecutionError> {
        if !self.has(FORKCHOICE_UPDATED) {
            return Err(ExecutionError::MissingCapability(FORKCHOICE_UPDATED));
        }
        if self.importable().next().is_none() {
            return Err(ExecutionError::MissingCapability(Fork::Prague.new_payload()));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_names_count() {
        let found = Capabilities::new(["engine_newPayload", "engine_newPayloadV44", "engine_newPayloadV4"]);
        assert_eq!(found, Capabilities(["engine_newPayloadV4"].into()));
    }

    #[test]
    fn the_newest_fork_comes_first_and_a_shared_method_once() {
        let all = Capabilities::new(OURS);
        assert_eq!(all.buildable().collect::<Vec<_>>(), [Fork::Osaka, Fork::Prague, Fork::Cancun]);
        assert_eq!(all.importable().collect::<Vec<_>>(), [Fork::Osaka, Fork::Cancun]);
        let old = Capabilities::new(["engine_getPayloadV3", "engine_newPayloadV3", FORKCHOICE_UPDATED]);
        assert_eq!(old.buildable().collect::<Vec<_>>(), [Fork::Cancun]);
        assert_eq!(old.importable().collect::<Vec<_>>(), [Fork::Cancun]);
        assert_eq!(old.clone().check(), Ok(old));
    }

    #[test]
    fn a_client_that_cannot_follow_is_refused() {
        let refused =
            |offered: &[&'static str]| Capabilities::new(offered.iter().copied()).check().unwrap_err();
        assert_eq!(
            refused(&["engine_newPayloadV4"]),
            ExecutionError::MissingCapability("engine_forkchoiceUpdatedV3")
        );
        assert_eq!(
            refused(&[FORKCHOICE_UPDATED, "engine_getPayloadV4"]),
            ExecutionError::MissingCapability("engine_newPayloadV4")
        );
    }
}
