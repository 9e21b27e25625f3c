//! Between votes and the statements of `lathe-stark`.

use lathe_stark::{Claim, MAX_SIGNATURES, Statement};
use lathe_types::KeyRole;

use super::system::ProofSystem;
use crate::backend::{Message, Registry};
use crate::error::AggregationError;
use crate::part::{Entry, VoteGroup};
use crate::signatures::public_key;

/// Signatures of one message that are to be proved, ascending by signer.
pub(crate) type Votes = (Message, Vec<Entry>);

/// Whether `proof` shows that the signers of all `groups` signed with their keys of that role.
pub(crate) fn verify(
    system: &dyn ProofSystem,
    registry: &Registry,
    groups: &[VoteGroup],
    role: KeyRole,
    proof: &[u8],
) -> Result<(), AggregationError> {
    let statement = statement_of(registry, groups, role)?;
    system.verify(&statement, proof).map_err(|error| ours(&error).unwrap_or(AggregationError::InvalidProof))
}

/// A failure of the proof system itself, which says nothing about a proof or about whoever sent it.
fn ours(error: &lathe_stark::Error) -> Option<AggregationError> {
    use lathe_stark::Error::{Panicked, System};
    matches!(error, Panicked | System(_)).then(|| AggregationError::Unavailable(error.to_string()))
}

/// Proves votes, and says what the proof is about.
pub(crate) fn prove(
    system: &dyn ProofSystem,
    registry: &Registry,
    votes: &[Votes],
) -> Result<(Vec<VoteGroup>, Vec<u8>), AggregationError> {
    let groups: Vec<VoteGroup> = votes
        .iter()
        .map(|(message, entries)| VoteGroup {
            message: *message,
            signers: entries.iter().map(|(signer, _)| *signer).collect(),
        })
        .collect();
    let statement = statement_of(registry, &groups, KeyRole::Attestation)?;
    let entries: Vec<&Entry> = votes.iter().flat_map(|(_, entries)| entries).collect();
    let signatures: Vec<&[u8]> = entries.iter().map(|(_, signature)| signature.as_bytes()).collect();
    let proof = system.prove(&statement, &signatures).map_err(|error| match error {
        lathe_stark::Error::InvalidSignature { index } => {
            AggregationError::InvalidSignature(entries.get(index).map_or(0, |(signer, _)| u64::from(*signer)))
        }
        error => ours(&error).unwrap_or(AggregationError::Unsupported("prove these signatures")),
    })?;
    Ok((groups, proof))
}

fn statement_of(
    registry: &Registry,
    groups: &[VoteGroup],
    role: KeyRole,
) -> Result<Statement, AggregationError> {
    let mut claims = Vec::new();
    for VoteGroup { message, signers } in groups {
        let slot =
            u32::try_from(message.slot.0).map_err(|_| AggregationError::SlotOutOfRange(message.slot.0))?;
        for signer in signers {
            // The STARK is about leansig; no signature under another key can be one that it proves.
            let key = public_key(registry, *signer, role)?.as_bytes();
            let public_key =
                key.try_into().map_err(|_| AggregationError::InvalidSignature(u64::from(*signer)))?;
            claims.push(Claim { public_key, message: message.root.0, slot });
        }
    }
    let signatures = claims.len();
    Statement::new(claims).map_err(|_| AggregationError::TooLarge { signatures, max: MAX_SIGNATURES })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_the_proof_system_blame_nobody() {
        for error in [lathe_stark::Error::Panicked, lathe_stark::Error::System("no such size".into())] {
            let error = ours(&error).unwrap();
            assert!(!error.is_verdict(), "{error}");
        }
        assert_eq!(
            ours(&lathe_stark::Error::Panicked),
            Some(AggregationError::Unavailable("the proof system panicked".into()))
        );
        for error in [
            lathe_stark::Error::Rejected("a sum".into()),
            lathe_stark::Error::Malformed("bytes are left"),
            lathe_stark::Error::TooLong { found: 2, max: 1 },
            lathe_stark::Error::MalformedKey { index: 0 },
        ] {
            assert_eq!(ours(&error), None, "{error}");
        }
    }
}
