//! The loop of the chain: one event, what the engine makes of it, and the effects to those who carry them out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use lathe_actor::Inbox;
use lathe_driver::{Persist, Task};
use lathe_engine::{Effect, Engine, Event, Input, Millis, Origin, SignFailure, SignRequest, View};
use tokio::sync::watch;
use tracing::info;

use super::mailbox::{Envelope, Mailbox};
use super::pulse::Pulse;
use super::recorder::Recorder;
use super::report::Reporter;
use super::slot_line::{self, SlotLines, Standing};
use super::state::Arrivals;
use crate::clock::Time;
use crate::execution::{self, Request};
use crate::metrics::Metrics;
use crate::workers::Workers;
use crate::{network, signer, store};

/// Turns after which the loop lets others run on its thread.
const TURNS_PER_YIELD: u32 = 64;

/// The actors that carry out effects.
pub(crate) struct Actors {
    pub workers: Workers,
    /// Where the prover's answers go: the chain's own mailbox.
    pub answers: Mailbox,
    pub signer: signer::Mailbox,
    pub store: store::Mailbox,
    pub network: network::Mailbox,
    /// On an execution-paired chain.
    pub execution: Option<execution::Mailbox>,
}

/// The actor.
pub(crate) struct Chain {
    pub(super) engine: Engine,
    pub(super) time: Time,
    pub(super) actors: Actors,
    pub(super) view: watch::Sender<Arc<View>>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) reporter: Reporter,
    pub(super) arrivals: Arrivals,
    /// Answers that are known at once: a refusal at somebody's door.
    pub(super) immediate: VecDeque<Input>,
    pub(super) pulse: Pulse,
    pub(super) recorder: Recorder,
    pub(super) slot_lines: SlotLines,
}

impl Chain {
    /// Runs until the mailbox is closed.
    pub(crate) async fn run(mut self, mut inbox: Inbox<Envelope>) -> Result<(), ChainError> {
        let mut turns: u32 = 0;
        while let Some(input) = next_input(&mut inbox, &self.time, self.engine.next_timeout()).await {
            self.turn(input).await?;
            turns = turns.wrapping_add(1);
            if turns.is_multiple_of(TURNS_PER_YIELD) {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    async fn turn(&mut self, input: Input) -> Result<(), ChainError> {
        let started = Instant::now();
        self.pulse.turn_begins(&input);
        self.arrived(&input, started);
        self.engine.handle(self.time.now(), input);
        loop {
            while let Some(effect) = self.engine.poll_effect() {
                self.perform(effect).await?;
            }
            let Some(input) = self.immediate.pop_front() else { break };
            self.engine.handle(self.time.now(), input);
        }
        self.publish_view();
        self.tell_slot();
        self.pulse.turn_ends();
        self.metrics.chain.turn.observe(started.elapsed().as_secs_f64());
        Ok(())
    }

    fn arrived(&mut self, input: &Input, at: Instant) {
        self.recorder.arrived(input, self.time.now());
        match input {
            Input::Block { block, origin: Origin::Gossip { .. } } => self.arrivals.note(block.block.slot, at),
            Input::SetAggregator { enabled } => self.actors.network.set_aggregator(*enabled),
            _ => {}
        }
    }

    async fn perform(&mut self, effect: Effect) -> Result<(), ChainError> {
        match effect {
            Effect::Verify { .. }
            | Effect::Aggregate { .. }
            | Effect::Prepare { .. }
            | Effect::Seal { .. }
            | Effect::Split { .. } => self.submit(effect),
            Effect::Prove { job, request, deadline } => {
                let answers = &self.actors.answers;
                if let Err(refusal) = self.actors.workers.prove(job, request, deadline, answers) {
                    self.immediate.push_back(*refusal);
                }
            }
            Effect::Sign { job, requests } => {
                if let Err(count) = self.actors.signer.sign(job, requests) {
                    let signatures = vec![Err(SignFailure::Overloaded); count];
                    self.immediate.push_back(Input::Signed { job, signatures });
                }
            }
            // The store may make the chain wait, so that what is announced never runs away from what is kept.
            Effect::Persist { sequence, batch } => {
                self.reporter.imported(&batch);
                self.pulse.at("the store, which is behind");
                let persist = Persist { sequence, batch };
                self.actors.store.persist(persist).await.map_err(|_| ChainError::StoreGone)?;
            }
            Effect::Publish { message } => self.actors.network.publish(message),
            Effect::GossipVerdict { id, peer, verdict } => {
                self.recorder.judged(id, verdict);
                self.actors.network.verdict(id, peer, verdict);
            }
            Effect::Fetch { request, peer, what } => self.actors.network.fetch(request, peer, what),
            Effect::RequestStatus { peer } => self.actors.network.request_status(peer),
            Effect::Penalise { peer, offence } => self.actors.network.penalise(peer, offence),
            Effect::NewPayload(payload) => self.ask_execution(Request::NewPayload(payload)),
            Effect::ForkchoiceUpdated { state, build } => {
                self.ask_execution(Request::Forkchoice { state, build })
            }
            Effect::GetPayload { job, deadline } => self.ask_execution(Request::GetPayload { job, deadline }),
            Effect::ReplayPayloads { job, head } => self.ask_execution(Request::Replay { job, head }),
            Effect::Announce(event) => self.announce(&event),
        }
        Ok(())
    }

    fn submit(&mut self, effect: Effect) {
        if let Some((job, task)) = Task::of(effect)
            && let Err(refusal) = self.actors.workers.submit(job, task)
        {
            self.immediate.push_back(*refusal);
        }
    }

    /// A plain chain has nothing to say to an execution client, and no other starts without one.
    fn ask_execution(&mut self, request: Request) {
        if let Some(execution) = &self.actors.execution
            && let Err(refusal) = execution.ask(request)
        {
            self.immediate.push_back(*refusal);
        }
    }

    fn announce(&mut self, event: &Event) {
        if let Event::BlockImported { block, .. } = event
            && let Some(arrived) = self.arrivals.take(block.slot)
        {
            self.metrics.chain.block_import.observe(arrived.elapsed().as_secs_f64());
        }
        self.recorder.announced(event);
        if let Event::OwnKeysSeen { validators, role, slot, message } = event {
            let of = |validator: &_| SignRequest {
                validator: *validator,
                role: *role,
                slot: *slot,
                message: *message,
            };
            self.actors.signer.seen(validators.iter().map(of).collect());
        }
        if let Event::Rejected { block: Some(block), reason, .. } = event {
            self.actors.network.tell_refused(*block, reason);
        }
        self.reporter.report(event, self.view.borrow().is_aggregator);
    }

    /// Says what became of a slot once it is over. Whatever the turn that ends it announced is in the line.
    fn tell_slot(&mut self) {
        let Some(slot) = self.recorder.slot() else { return };
        let Some(over) = self.slot_lines.over(slot) else { return };
        let Some(record) = self.recorder.record(over) else { return };
        let standing = Standing::of(&self.view.borrow(), self.metrics.network.peers());
        info!("{}", slot_line::line(&record, standing));
    }

    fn publish_view(&mut self) {
        let view = self.engine.view();
        self.view.send_if_modified(|current| {
            let changed = !Arc::ptr_eq(current, &view);
            *current = view;
            changed
        });
    }
}

/// What happens next: a message, or the time that the engine waits for. `None` when the mailbox is closed.
async fn next_input(inbox: &mut Inbox<Envelope>, time: &Time, timeout: Option<Millis>) -> Option<Input> {
    let Some(timeout) = timeout else {
        return inbox.recv().await.map(Envelope::into_input);
    };
    tokio::select! {
        biased;
        envelope = inbox.recv() => envelope.map(Envelope::into_input),
        () = time.sleep_until(timeout) => Some(Input::Tick),
    }
}

/// Why the chain cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChainError {
    /// Nothing can be kept any more.
    #[error("the store is gone")]
    StoreGone,
}
