//! The chain: the one actor that owns the engine and writes consensus state.
//!
//! It never waits for cryptography, a disk or a timer: whatever takes time is somebody else's, and comes back as a
//! message. Whoever wants to know how the chain stands reads the newest view, which is immutable.

mod actor;
mod mailbox;
mod observer;
mod pulse;
mod recorder;
mod report;
mod slot_line;
mod state;

use std::collections::VecDeque;
use std::sync::Arc;

use lathe_engine::{Engine, Input, View};
use tokio::sync::watch;

pub(crate) use actor::{Actors, Chain};
pub(crate) use mailbox::{Mailbox, NoRoom, open};
pub(crate) use pulse::{HEALTHY_AGE, Pulse, watch};
pub(crate) use recorder::Records;
pub(crate) use slot_line::Short;

use crate::clock::Time;
use crate::metrics::Metrics;

impl Chain {
    /// A chain around `engine` in a network of `committee_count` subnets, and the view that it keeps current. The
    /// engine looks at the clock here: nobody is to hear that a chain is in sync that was not held against a clock.
    pub(crate) fn new(
        mut engine: Engine,
        time: Time,
        actors: Actors,
        metrics: Arc<Metrics>,
        committee_count: u64,
        pulse: Pulse,
        records: Records,
    ) -> (Self, watch::Receiver<Arc<View>>) {
        engine.set_observer(Box::new(observer::StepTimer::new(metrics.clone(), pulse.clone())));
        engine.handle(time.now(), Input::Tick);
        let (view, watched) = watch::channel(engine.view());
        let chain = Self {
            engine,
            time,
            actors,
            view,
            reporter: report::Reporter { metrics: metrics.clone(), committee_count },
            metrics,
            arrivals: state::Arrivals::default(),
            immediate: VecDeque::new(),
            pulse,
            recorder: recorder::Recorder::new(records),
            slot_lines: slot_line::SlotLines::default(),
        };
        (chain, watched)
    }
}

#[cfg(test)]
mod tests {
    use lathe_aggregation::{RawBackend, SchemeVerifier};
    use lathe_driver::{GenesisBlock, Kit, resume};
    use lathe_engine::EngineConfig;
    use lathe_types::{Genesis, PublicKey, SignatureScheme, Validator, ValidatorIndex, Validators};

    use super::*;
    use crate::clock::unix_seconds;
    use crate::workers::Workers;
    use crate::{network, signer, store};

    /// What is heard of a chain at genesis before it has had a turn.
    fn first_word(seconds_since_genesis: u64) -> bool {
        let validator = Validator {
            attestation_public_key: PublicKey::from([1; PublicKey::LEN]),
            proposal_public_key: PublicKey::from([2; PublicKey::LEN]),
            index: ValidatorIndex(0),
        };
        let genesis = Genesis {
            genesis_time: unix_seconds() as u64 - seconds_since_genesis,
            validators: Validators::try_from_iter([validator]).unwrap(),
            execution_genesis: None,
            signature_scheme: Default::default(),
        };
        let origin = GenesisBlock::new(&genesis);
        let dir = tempfile::tempdir().unwrap();
        let database = lathe_disk::open(&dir.path().join("chain"), &origin.network("raw")).unwrap();
        let verifier = SchemeVerifier::of(SignatureScheme::Leansig).unwrap();
        let kit = Kit::new(Arc::new(RawBackend::new(verifier)), Arc::new(verifier));
        let engine =
            Engine::new(kit.configure(EngineConfig::default()), resume(&database, &origin).unwrap()).unwrap();
        let time = Time::new(genesis.genesis_time, 1.0);
        let metrics = Arc::new(Metrics::new("test", 0.0).unwrap());
        let actors = Actors {
            workers: Workers::new(kit, time.clone(), metrics.clone()),
            answers: open().0,
            signer: signer::open().0,
            store: store::open().0,
            network: network::open().0,
            execution: None,
        };
        let (_chain, view) = Chain::new(engine, time, actors, metrics, 1, Pulse::new(), Records::default());
        view.borrow().sync.is_syncing
    }

    #[test]
    fn nobody_hears_that_a_chain_is_in_sync_before_it_was_held_against_the_clock() {
        assert!(first_word(100), "25 slots behind");
        assert!(!first_word(5), "one slot after genesis");
    }
}
