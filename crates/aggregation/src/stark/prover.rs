//! Making proofs, ahead of the block that needs them.

use std::sync::Arc;
use std::time::Duration;

use lathe_types::SingleMessageAggregate;

use super::cost;
use super::plan::{Choice, signatures_to_prove};
use super::statement::{self, Votes};
use crate::backend::{Cancellation, Message, ProofRequest, Prover, Registry};
use crate::container::MAX_COMPONENTS;
use crate::error::AggregationError;
use crate::part::{Flat, FlatPart, Part, StarkPart, separate, uncovered};
use crate::signatures::SignatureBackend;
use crate::verifier::Verifier;

impl<V: Verifier> Prover for SignatureBackend<V> {
    fn estimate(&self, signatures: usize) -> Duration {
        self.proofs.as_ref().map_or(Duration::MAX, |proofs| proofs.cost.time(signatures))
    }

    fn prove(
        &self,
        registry: &Registry,
        request: &ProofRequest<'_>,
        cancellation: &Cancellation,
    ) -> Result<Vec<(Message, SingleMessageAggregate)>, AggregationError> {
        let proofs = self.proofs.as_ref().ok_or(AggregationError::Unsupported("prove signatures"))?;
        let mut votes = self.signatures_of(registry, request)?;
        let budget = self.budget();
        let choice = Choice {
            available: votes.iter().map(|(_, entries)| entries.len()).sum(),
            expected: request.expected,
            room: budget.block_votes(),
            raw: proofs.raw_votes(budget),
            within: request.within,
        };
        let room_of = |signatures| budget.votes_for(cost::bytes(signatures));
        let time_of = |signatures| proofs.cost.time(signatures);
        let Some(proved) = signatures_to_prove(choice, time_of, room_of) else {
            if signatures_to_prove(Choice { within: Duration::MAX, ..choice }, time_of, room_of).is_some() {
                proofs.cost.forget();
            }
            return Err(AggregationError::NotWorthwhile);
        };
        take_first(&mut votes, proved);
        cancellation.check()?;
        let (components, proof) = statement::prove(&*proofs.system, registry, &votes)?;
        cancellation.check()?;
        if let [(message, _)] = votes.as_slice() {
            let signers = components.into_iter().flat_map(|component| component.signers).collect();
            let part = Part::Stark(StarkPart { signers, proof });
            return Ok(vec![(*message, self.write_single(&[part])?)]);
        }
        let flat = Arc::new(Flat { components, proof });
        let group = |position| Part::Flat(FlatPart { position, flat: flat.clone() });
        votes
            .iter()
            .enumerate()
            .map(|(position, (message, _))| Ok((*message, self.write_single(&[group(position)])?)))
            .collect()
    }

    fn learn(&self, signatures: usize, took: Duration) {
        if let Some(proofs) = &self.proofs {
            proofs.cost.learn(signatures, took);
        }
    }
}

impl<V: Verifier> SignatureBackend<V> {
    /// The raw signatures of the votes that no proof at hand covers, message by message.
    fn signatures_of(
        &self,
        registry: &Registry,
        request: &ProofRequest<'_>,
    ) -> Result<Vec<Votes>, AggregationError> {
        let mut votes = Vec::new();
        // No block could use a proof over more.
        for (message, aggregates) in request.votes.iter().take(MAX_COMPONENTS - 1) {
            let mut parts = Vec::new();
            for aggregate in aggregates {
                parts.extend(self.read_single(registry, aggregate, *message)?);
            }
            let (proofs, entries) = separate(parts);
            let entries = uncovered(&entries, &proofs);
            if !entries.is_empty() {
                votes.push((*message, entries));
            }
        }
        Ok(votes)
    }
}

/// Keeps the first `count` signatures.
fn take_first(votes: &mut Vec<Votes>, count: usize) {
    let mut left = count;
    votes.retain_mut(|(_, entries)| {
        entries.truncate(left);
        left -= entries.len();
        !entries.is_empty()
    });
}
