//! The loop that signs.
use std::convert::Infallible;
use std::time::Instant;
use lathe_actor::Inbox;
use lathe_engine::{Input, KeyRole, SignFailure};
use lathe_leansig::{KeyFormat, Prod, SecretKey};
use lathe_types::{Decode as _, Signature, ValidatorIndex};
use super::mailbox::Order;
use crate::chain;
use crate::metrics::Metrics;
use crate::workers::Workers;

pub(crate) struct Keys(pub Vec<(ValidatorIndex, KeyRole, SecretKey<Prod>)>);

pub(crate) fn open(options: &crate::NodeOptions, _time: &crate::clock::Time) -> Result<Keys, crate::NodeError> {
    let mut keys = Vec::new();
    for key in &options.keys {
        let bytes = std::fs::read(&key.path).unwrap();
        assert!(KeyFormat::of(&bytes).is_some());
        let mut secret = SecretKey::<Prod>::decode(&bytes).unwrap();
        if let Some(task) = secret.prepare(0) { secret.install(task.run().unwrap()); }
        keys.push((key.validator, key.role, secret));
    }
    Ok(Keys(keys))
}

pub(crate) fn run(keys: Keys, mut inbox: Inbox<Order>, chain: &chain::Mailbox, _workers: &Workers, metrics: &Metrics) -> Result<(), Infallible> {
    while let Some(Order { job, requests }) = inbox.recv_blocking() {
        let started = Instant::now();
        let signatures = requests.iter().map(|request| {
            let (_, _, key) = keys.0.iter().find(|(v, r, _)| *v == request.validator && *r == request.role).ok_or(SignFailure::UnknownKey)?;
            let signature = key.sign(request.slot.0, &request.message.0).map_err(|_| SignFailure::KeyExhausted)?;
            Ok(Signature::from_ssz_bytes(&signature.encode()).unwrap())
        }).collect();
        metrics.workers.signing.observe(started.elapsed().as_secs_f64());
        chain.answer(Input::Signed { job, signatures });
    }
    Ok(())
}
