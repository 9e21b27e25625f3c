//! The loop that signs.

use std::time::Instant;

use lathe_actor::Inbox;
use lathe_engine::{Input, KeyRole};
use lathe_ledger::Refusal;
use lathe_signer::{SignError, SignRequest};
use lathe_types::{Signature, Slot};
use tracing::{debug, info, warn};

use super::hand::Hand;
use super::mailbox::SignerTask;
use super::{SLOTS_PER_DAY, say_ended, say_stopped, state, warn_of_ending_keys};
use crate::chain;
use crate::metrics::{Metrics, PHASES};
use crate::workers::Workers;

/// The phase of a block's building that is the signer's.
const SIGN: &str = PHASES[1];
/// Slots between looks at the ends of the keys.
const SLOTS_PER_LOOK: u64 = SLOTS_PER_DAY / 24;

/// Signs until the mailbox is closed and empty.
pub(crate) fn run(
    signer: &Hand,
    mut inbox: Inbox<SignerTask>,
    chain: &chain::Mailbox,
    workers: &Workers,
    metrics: &Metrics,
) -> Result<(), SignError> {
    while let Some(order) = inbox.recv_blocking() {
        let (job, requests) = match order {
            SignerTask::Sign { job, requests } => (job, requests),
            SignerTask::LookAhead(slot) => {
                look_ahead(signer, workers, slot);
                continue;
            }
            SignerTask::Seen(seen) => {
                judge(signer, metrics, seen)?;
                continue;
            }
            SignerTask::ClockCorrected { clock, newest_block } => {
                if let Some(from_slot) = signer.clock_corrected(clock, newest_block)? {
                    info!(
                        from_slot = from_slot.0,
                        "the clock was set back: keys sign again from this slot on"
                    );
                }
                continue;
            }
        };
        let requests: Vec<SignRequest> = requests.into_iter().map(to_signer).collect();
        let started = Instant::now();
        let outcomes = signer.sign_all(&requests);
        measure(metrics, &requests, &outcomes, started.elapsed().as_secs_f64());
        let fatal = outcomes.iter().find_map(|outcome| match outcome {
            Err(error @ SignError::Refused(Refusal::Failed(_))) => Some(error.clone()),
            _ => None,
        });
        say_refused(&outcomes);
        let signatures =
            outcomes.into_iter().map(|outcome| outcome.map_err(|error| state::failure(&error))).collect();
        chain.answer(Input::Signed { job, signatures });
        if let Some(error) = fatal {
            return Err(error);
        }
    }
    Ok(())
}

/// Says why messages were not signed. They are asked for together and mostly fail together, such as when the signer is
/// away: the same reason is one line.
fn say_refused(outcomes: &[Result<Signature, SignError>]) {
    let mut said: Vec<&SignError> = Vec::new();
    for error in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        match error {
            // Said once, when the key ended or was stopped.
            SignError::KeyExhausted { .. } | SignError::Refused(Refusal::Stopped { .. }) => {
                debug!(%error, "not signed");
            }
            _ if said.contains(&error) => {}
            _ => {
                warn!(%error, "not signed");
                said.push(error);
            }
        }
    }
}

fn to_signer(request: lathe_engine::SignRequest) -> SignRequest {
    let lathe_engine::SignRequest { validator, role, slot, message } = request;
    SignRequest { validator, role, slot, message }
}

/// Stops the keys that others sign with. A ledger that cannot keep that is as bad as one that cannot keep a signature.
fn judge(signer: &Hand, metrics: &Metrics, seen: Vec<lathe_engine::SignRequest>) -> Result<(), SignError> {
    let seen: Vec<SignRequest> = seen.into_iter().map(to_signer).collect();
    if let Some(stopped) = signer.seen(&seen)? {
        say_stopped(stopped, metrics);
    }
    Ok(())
}

fn measure(
    metrics: &Metrics,
    requests: &[SignRequest],
    outcomes: &[Result<Signature, SignError>],
    seconds: f64,
) {
    metrics.workers.signing.observe(seconds);
    for error in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        metrics.validator.signatures_refused.with_label_values(&[state::refusal(error)]).inc();
    }
    if requests.iter().any(|request| request.role == KeyRole::Proposal) {
        metrics.production.phases.with_label_values(&[SIGN]).observe(seconds);
    }
    let made = requests.iter().zip(outcomes).filter(|(_, outcome)| outcome.is_ok());
    for _ in made.filter(|(request, _)| request.role == KeyRole::Attestation) {
        metrics.signatures.attestation_signatures.inc();
        metrics.signatures.attestation_signing.observe(seconds);
    }
}

/// Prepares what is needed after `slot`, and says which keys end.
fn look_ahead(signer: &Hand, workers: &Workers, slot: Slot) {
    signer.prepare(workers, slot);
    if slot.0 > 0 && slot.0.is_multiple_of(SLOTS_PER_LOOK) {
        warn_of_ending_keys(&signer.keys(), slot);
    } else {
        let ended = signer.keys().into_iter().filter(|key| key.slots.end == slot.0);
        say_ended(&ended.collect::<Vec<_>>());
    }
}
