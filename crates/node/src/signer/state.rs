//! The ledger's and the scheme's errors in the engine's words.

use lathe_engine::SignFailure;
use lathe_ledger::Refusal;
use lathe_signer::{KeyError, SignError};

/// What the engine is told of a signature that was not made.
pub(super) fn failure(error: &SignError) -> SignFailure {
    match error {
        SignError::Refused(Refusal::Failed(_)) => SignFailure::Ledger,
        SignError::Refused(Refusal::Stopped { .. }) => SignFailure::Stopped,
        SignError::Refused(_) => SignFailure::Refused,
        SignError::KeyExhausted { .. } => SignFailure::KeyExhausted,
        SignError::NotPrepared { .. } => SignFailure::NotPrepared,
        SignError::UnknownKey => SignFailure::UnknownKey,
        SignError::Away(_) => SignFailure::Away,
        SignError::Slow => SignFailure::Slow,
        SignError::NotServed(_) => SignFailure::NotServed,
        SignError::Scheme(KeyError::Outside(_)) => SignFailure::Away,
        // A key that does not sign although it is prepared is damaged; its slot is on record and stays unused.
        SignError::Scheme(_) => SignFailure::Ledger,
    }
}

/// The reason as a label: finer than what the engine has to know.
pub(super) const fn refusal(error: &SignError) -> &'static str {
    match error {
        SignError::Refused(Refusal::AlreadySigned { .. }) => "already_signed",
        SignError::Refused(Refusal::BelowWatermark { .. }) => "below_watermark",
        SignError::Refused(Refusal::Stopped { .. }) => "key_stopped",
        SignError::Scheme(KeyError::Outside(_)) => "signer_away",
        SignError::Refused(Refusal::Failed(_)) | SignError::Scheme(_) => "ledger",
        SignError::KeyExhausted { .. } => "key_exhausted",
        SignError::NotPrepared { .. } => "key_not_prepared",
        SignError::UnknownKey => "unknown_key",
        SignError::Away(_) => "signer_away",
        SignError::Slow => "signer_slow",
        SignError::NotServed(_) => "signer_not_served",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::REFUSALS;

    #[test]
    fn every_refusal_has_a_label_that_is_there_from_the_start() {
        let errors = [
            Refusal::AlreadySigned { slot: 1 }.into(),
            Refusal::BelowWatermark { slot: 1, watermark: 3 }.into(),
            Refusal::Stopped { slot: 1 }.into(),
            SignError::KeyExhausted { slot: 9 },
            SignError::NotPrepared { slot: 9 },
            SignError::UnknownKey,
            SignError::Away("gone".into()),
            SignError::Slow,
            SignError::NotServed("another version".into()),
            Refusal::Failed("disk full".into()).into(),
        ];
        assert_eq!(errors.each_ref().map(refusal), REFUSALS);
    }

    #[test]
    fn what_the_ledger_forbids_is_refused() {
        let refused = |refusal: Refusal| failure(&refusal.into());
        assert_eq!(refused(Refusal::AlreadySigned { slot: 1 }), SignFailure::Refused);
        assert_eq!(refused(Refusal::BelowWatermark { slot: 1, watermark: 3 }), SignFailure::Refused);
        assert_eq!(refused(Refusal::Stopped { slot: 1 }), SignFailure::Stopped);
        assert_eq!(failure(&SignError::KeyExhausted { slot: 9 }), SignFailure::KeyExhausted);
        let worker = SignError::Scheme(KeyError::Outside("the worker is busy".into()));
        assert_eq!((failure(&worker), refusal(&worker)), (SignFailure::Away, "signer_away"));
        assert_eq!(refused(Refusal::Failed("disk full".into())), SignFailure::Ledger);
    }
}
