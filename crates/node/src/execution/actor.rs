//! The loop of the execution actor: one call at a time, requests taken while it is under way.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lathe_actor::Inbox;
use lathe_engine::{ExecutionHealth, Input, JobId, Millis, PayloadFailure, PayloadVerdict};
use lathe_execution::{
    BuiltPayload, ExecutionError, ForkchoiceAnswer, Header, Health, PayloadId, PayloadStatus, Peer,
};
use lathe_types::{Checkpoint, Root, SignedBlock};
use tracing::{debug, info, warn};

use super::history::History;
use super::mailbox::Request;
use super::replay::{Comparison, Need, Replay};
use super::state::Requests;
use super::{Link, convert};
use crate::chain;
use crate::clock::Time;
use crate::metrics::Metrics;

/// The actor.
pub(crate) struct Execution {
    pub(super) link: Arc<Link>,
    pub(super) chain: chain::Mailbox,
    pub(super) history: Arc<History>,
    pub(super) time: Time,
    pub(super) metrics: Arc<Metrics>,
    pub(super) health: Health,
    pub(super) peer: Option<Arc<Peer>>,
    pub(super) requests: Requests,
    /// The payload that is being built, and under which job.
    pub(super) building: Option<(JobId, PayloadId)>,
    pub(super) replay: Option<Replay>,
    /// Whether the last turn was the replay's; then it is the requests' turn.
    pub(super) replayed_last: bool,
    pub(super) started: Instant,
}

/// What a call brought.
enum Done {
    Handshake(Result<Peer, ExecutionError>),
    NewPayload(Root, Result<PayloadStatus, ExecutionError>),
    Forkchoice { block: Root, job: Option<JobId>, answer: Result<ForkchoiceAnswer, ExecutionError> },
    GetPayload(JobId, Box<Result<BuiltPayload, ExecutionError>>),
    ReplayBegins { job: JobId, head: Checkpoint, latest: Result<Header, ExecutionError> },
    Replay(Replayed),
}

/// What a step of a replay brought.
enum Replayed {
    /// A block was compared with the client's chain.
    Compared { root: Root, block: Arc<SignedBlock>, is_known: Result<bool, ExecutionError> },
    /// A payload was handed over.
    HandedOver { root: Root, answer: Result<PayloadStatus, ExecutionError> },
    /// Nobody has the block, or it is not of a paired chain.
    Missing(Root),
}

type Call = Pin<Box<dyn Future<Output = Done> + Send>>;

impl Execution {
    /// Runs until the mailbox is closed. A call that is under way then is dropped: nothing waits for its answer.
    pub(crate) async fn run(mut self, mut inbox: Inbox<Request>) -> Result<(), Infallible> {
        let mut call: Option<Call> = None;
        loop {
            if call.is_none() {
                call = self.next_call();
            }
            let pause = self.pause();
            tokio::select! {
                biased;
                request = inbox.recv() => match request {
                    Some(request) => self.accept(request),
                    None => return Ok(()),
                },
                done = under_way(&mut call) => {
                    call = None;
                    self.finish(done);
                }
                () = tokio::time::sleep(pause), if call.is_none() && !self.health.is_online() => {}
            }
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Until the next handshake.
    fn pause(&self) -> Duration {
        Duration::from_millis(self.health.handshake_at_ms().unwrap_or(0).saturating_sub(self.now_ms()))
    }

    fn accept(&mut self, request: Request) {
        if !self.health.is_online() {
            return self.refuse(&request);
        }
        if let Err(request) = self.requests.push(request) {
            self.metrics.execution.dropped.inc();
            self.refuse(&request);
        }
    }

    fn refuse(&self, request: &Request) {
        self.chain.answer(request.refusal());
    }

    /// What to call next, if anything.
    fn next_call(&mut self) -> Option<Call> {
        if !self.health.is_online() {
            let is_due = self.health.handshake_at_ms().is_some_and(|at| at <= self.now_ms());
            return is_due.then(|| {
                let link = self.link.clone();
                Box::pin(async move { Done::Handshake(link.handshake().await) }) as Call
            });
        }
        let peer = self.peer.clone()?;
        if self.replay.is_some() && !self.replayed_last {
            self.replayed_last = true;
            return self.step_replay(peer);
        }
        self.replayed_last = false;
        loop {
            let Some(request) = self.requests.pop() else {
                return self.step_replay(peer);
            };
            if let Some(call) = self.carry_out(request, peer.clone()) {
                return Some(call);
            }
        }
    }

    /// The call that a request needs; `None` if it is answered without one.
    fn carry_out(&mut self, request: Request, peer: Arc<Peer>) -> Option<Call> {
        let link = self.link.clone();
        Some(match request {
            Request::NewPayload(payload) => {
                Box::pin(
                    async move { Done::NewPayload(payload.block, link.new_payload(&peer, &payload).await) },
                )
            }
            Request::Forkchoice { state, build } => Box::pin(async move {
                let attributes = build.map(|(_, attributes)| attributes);
                let answer = link.forkchoice_updated(&state, attributes).await;
                Done::Forkchoice { block: state.block, job: build.map(|(job, _)| job), answer }
            }),
            Request::GetPayload { job, deadline } => match self.payload_to_fetch(job, deadline) {
                Ok(id) => {
                    Box::pin(
                        async move { Done::GetPayload(job, Box::new(link.get_payload(&peer, id).await)) },
                    )
                }
                Err(failure) => {
                    self.chain.answer(Input::PayloadFailed { job, failure });
                    return None;
                }
            },
            Request::Replay { job, head } => {
                Box::pin(async move { Done::ReplayBegins { job, head, latest: link.latest().await } })
            }
        })
    }

    /// The id under which a payload is built. It is forgotten with this, so that it is asked for once.
    fn payload_to_fetch(&mut self, job: JobId, deadline: Millis) -> Result<PayloadId, PayloadFailure> {
        let (_, id) =
            self.building.take_if(|(building, _)| *building == job).ok_or(PayloadFailure::NotBuilding)?;
        if self.time.now() > deadline { Err(PayloadFailure::Timeout) } else { Ok(id) }
    }

    fn step_replay(&mut self, peer: Arc<Peer>) -> Option<Call> {
        let replay = self.replay.as_mut()?;
        let (need, latest) = (replay.need(), replay.latest());
        let (link, history) = (self.link.clone(), self.history.clone());
        Some(match need {
            Need::Nothing => return None,
            Need::Compare(root) => Box::pin(async move {
                let block = history.block(root).await;
                let Some((block, comparison)) =
                    block.and_then(|block| Some((block.clone(), Comparison::with(latest, &block)?)))
                else {
                    return Done::Replay(Replayed::Missing(root));
                };
                let is_known = match link.compare(comparison).await {
                    Ok(true) => link.has_executed(&peer, root, &block).await,
                    other => other,
                };
                Done::Replay(Replayed::Compared { root, block, is_known })
            }),
            Need::HandOver(root) => {
                let kept = replay.take_kept(&root);
                Box::pin(async move {
                    let payload = match kept {
                        Some(payload) => Some(payload),
                        None => history.block(root).await.and_then(|block| Replay::payload(root, &block)),
                    };
                    Done::Replay(match payload {
                        Some(payload) => {
                            Replayed::HandedOver { root, answer: link.new_payload(&peer, &payload).await }
                        }
                        None => Replayed::Missing(root),
                    })
                })
            }
        })
    }

    fn finish(&mut self, done: Done) {
        match done {
            Done::Handshake(Ok(peer)) => self.connected(peer),
            Done::Handshake(Err(error)) => self.failed(&error),
            Done::NewPayload(block, answer) => self.judged(block, &answer),
            Done::Forkchoice { block, job, answer } => {
                if let (Some(job), Ok(answer)) = (job, &answer) {
                    self.building = answer.payload_id.map(|id| (job, id));
                }
                self.judged(block, &answer.map(|answer| answer.status));
            }
            Done::GetPayload(job, answer) => self.built(job, *answer),
            Done::ReplayBegins { job, head, latest: Ok(latest) } => {
                info!(
                    head = head.slot.0,
                    from = latest.number,
                    "the execution client lags; replaying payloads"
                );
                self.replay = Some(Replay::new(job, head, latest));
            }
            Done::ReplayBegins { job, latest: Err(error), .. } => {
                self.chain.answer(Input::ReplayEnded { job });
                self.call_failed(&error);
            }
            Done::Replay(replayed) => self.replayed(replayed),
        }
    }

    fn connected(&mut self, peer: Peer) {
        let name = peer.version.as_ref().map(|version| format!("{} {}", version.name, version.version));
        info!(
            client = name.as_deref().unwrap_or("unknown"),
            head = peer.latest.number,
            "the execution client answers"
        );
        self.peer = Some(Arc::new(peer));
        self.building = None;
        self.metrics.execution.online.set(1);
        if self.health.connected() {
            self.chain.answer(Input::ExecutionHealth(ExecutionHealth::Online));
        }
    }

    /// What is said of a payload goes to the chain; a call that failed may take the client off line.
    fn judged(&mut self, block: Root, answer: &Result<PayloadStatus, ExecutionError>) {
        match answer {
            Ok(PayloadStatus::Invalid { reason, .. }) => {
                warn!(%block, reason, "the execution client calls a payload invalid");
            }
            Err(error) => debug!(%block, %error, "a payload was not judged"),
            Ok(_) => {}
        }
        self.chain.answer(Input::PayloadStatus { block, verdict: convert::verdict(answer) });
        if let Err(error) = answer {
            self.call_failed(error);
        }
    }

    fn built(&mut self, job: JobId, answer: Result<BuiltPayload, ExecutionError>) {
        let (failure, error) = match answer {
            Ok(built) => match convert::from_wire(built.payload, &built.execution_requests) {
                Some(execution) => {
                    let execution = Arc::new(execution);
                    return self.chain.answer(Input::PayloadReady { job, execution });
                }
                None => (PayloadFailure::Mismatch, None),
            },
            Err(error) => (convert::failure(&error), Some(error)),
        };
        warn!(
            ?failure,
            error = error.as_ref().map(tracing::field::display),
            "there is no payload for our block"
        );
        self.chain.answer(Input::PayloadFailed { job, failure });
        if let Some(error) = error {
            self.call_failed(&error);
        }
    }

    fn replayed(&mut self, replayed: Replayed) {
        let Some(replay) = &mut self.replay else { return };
        match replayed {
            Replayed::Compared { root, block, is_known: Ok(is_known) } => {
                if !replay.compared(&block, root, is_known) {
                    warn!(
                        "the execution client lags too far behind for a replay; it has to catch up from its peers"
                    );
                    self.end_replay();
                } else if replay.need() == Need::Nothing {
                    self.end_replay();
                }
            }
            Replayed::HandedOver { root, answer: Ok(PayloadStatus::Valid) } => {
                replay.handed_over();
                self.metrics.execution.replayed.inc();
                if replay.left() == 0 {
                    info!(payloads = replay.replayed, "the execution client has caught up");
                    self.chain.answer(Input::PayloadStatus { block: root, verdict: PayloadVerdict::Valid });
                    self.end_replay();
                }
            }
            Replayed::HandedOver { root, answer } => {
                let left = replay.left();
                warn!(block = %root, left, "a replay ends early: the payload is not called valid");
                self.end_replay();
                self.judged(root, &answer);
            }
            Replayed::Missing(root) => {
                warn!(block = %root, "the execution client lacks payloads that neither we nor our peers hold; it has to catch up from its own");
                self.end_replay();
            }
            Replayed::Compared { is_known: Err(error), .. } => {
                self.end_replay();
                self.call_failed(&error);
            }
        }
    }

    fn end_replay(&mut self) {
        if let Some(replay) = self.replay.take() {
            self.chain.answer(Input::ReplayEnded { job: replay.job });
        }
    }

    /// A call failed. If that shows a fault, nothing is asked any more until a handshake succeeds.
    fn call_failed(&mut self, error: &ExecutionError) {
        if error.fault().is_some() {
            self.failed(error);
        }
    }

    fn failed(&mut self, error: &ExecutionError) {
        // A refusal of the handshake itself means that the client does not do what it must.
        let fault = error.fault().unwrap_or(lathe_execution::Fault::Unsuitable);
        let was_online = self.health.is_online();
        if self.health.failed(self.now_ms(), fault) {
            warn!(%error, "the execution client is off line");
        }
        self.peer = None;
        self.building = None;
        self.metrics.execution.online.set(0);
        let waiting: Vec<Request> = self.requests.drain().collect();
        for request in &waiting {
            self.refuse(request);
        }
        self.end_replay();
        if was_online {
            self.chain.answer(Input::ExecutionHealth(ExecutionHealth::Offline));
        }
    }
}

/// The end of the call under way; never, if there is none.
async fn under_way(call: &mut Option<Call>) -> Done {
    match call {
        Some(call) => call.await,
        None => std::future::pending().await,
    }
}
