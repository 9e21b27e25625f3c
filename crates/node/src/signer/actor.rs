//! The loop that signs.

use std::sync::Arc;
use std::time::Instant;

use lathe_actor::Inbox;
use lathe_engine::{Input, KeyRole};
use lathe_ledger::Refusal;
use lathe_signer::{SignError, SignRequest, Signer};
use lathe_types::{Signature, Slot};
use tracing::{debug, error, warn};

use super::mailbox::Order;
use super::{SLOTS_PER_DAY, say_ended, state, warn_of_ending_keys};
use crate::chain;
use crate::metrics::Metrics;
use crate::workers::Workers;

/// Slots between looks at the ends of the keys.
const SLOTS_PER_LOOK: u64 = SLOTS_PER_DAY / 24;

/// Signs until the mailbox is closed and empty.
pub(crate) fn run(
    signer: &Arc<Signer>,
    mut inbox: Inbox<Order>,
    chain: &chain::Mailbox,
    workers: &Workers,
    metrics: &Metrics,
) -> Result<(), SignError> {
    while let Some(order) = inbox.recv_blocking() {
        let (job, requests) = match order {
            Order::Sign { job, requests } => (job, requests),
            Order::LookAhead(slot) => {
                look_ahead(signer, workers, slot);
                continue;
            }
        };
        let requests: Vec<SignRequest> = requests
            .into_iter()
            .map(|request| SignRequest {
                validator: request.validator,
                role: request.role,
                slot: request.slot,
                message: request.message,
            })
            .collect();
        let started = Instant::now();
        let outcomes = signer.sign_all(&requests);
        measure(metrics, &requests, &outcomes, started.elapsed().as_secs_f64());
        let fatal = outcomes.iter().find_map(|outcome| match outcome {
            Err(error @ SignError::Refused(Refusal::Failed(_))) => Some(error.clone()),
            _ => None,
        });
        let signatures = outcomes
            .into_iter()
            .map(|outcome| {
                outcome
                    .inspect_err(|error| match error {
                        // Said once, when the key ended.
                        SignError::KeyExhausted { .. } => debug!(%error, "not signed"),
                        _ => warn!(%error, "not signed"),
                    })
                    .map_err(|error| state::failure(&error))
            })
            .collect();
        chain.answer(Input::Signed { job, signatures });
        if let Some(error) = fatal {
            return Err(error);
        }
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
    let made = requests.iter().zip(outcomes).filter(|(_, outcome)| outcome.is_ok());
    for _ in made.filter(|(request, _)| request.role == KeyRole::Attestation) {
        metrics.signatures.attestation_signatures.inc();
        metrics.signatures.attestation_signing.observe(seconds);
    }
}

/// Hands out the work that keys need before they can go on after `slot`. What the pool refuses is handed out again at
/// the next slot, long before it is needed.
fn look_ahead(signer: &Arc<Signer>, workers: &Workers, slot: Slot) {
    for job in signer.work_due(slot) {
        let signer = signer.clone();
        let (validator, role) = (job.validator(), job.role());
        workers.in_background(move || match job.run() {
            Ok(prepared) => signer.install(prepared),
            Err(error) => error!(%error, validator = validator.0, ?role, "a key cannot be prepared"),
        });
    }
    if slot.0 > 0 && slot.0.is_multiple_of(SLOTS_PER_LOOK) {
        warn_of_ending_keys(signer, slot);
    } else {
        let ended = signer.exhausts_within(slot, 0);
        say_ended(&ended.into_iter().filter(|key| key.end == slot).collect::<Vec<_>>());
    }
}
