//! Answers of an execution client.

use lathe_execution::{ExecutionError, Question, read_answer};

/// The questions in the order of the bytes that choose them.
pub(crate) const QUESTIONS: [Question; 6] = [
    Question::Capabilities,
    Question::ClientVersion,
    Question::Header,
    Question::NewPayload,
    Question::Forkchoice,
    Question::GetPayload,
];
/// Number of the call that is answered.
pub(crate) const ID: u64 = 7;
/// Longest message of an error, in bytes: a text of the client's with what we say of it, for one line of a log.
const MAX_MESSAGE: usize = 1_000;

/// An answer is read or refused; a refusal fits into a log, whatever the client says, and an answer to another call is
/// never taken for one to this.
pub fn execution(data: &[u8]) {
    let Some((choice, body)) = data.split_first() else { return };
    let question = QUESTIONS[usize::from(*choice) % QUESTIONS.len()];
    match read_answer(question, ID, body) {
        Ok(()) => assert!(read_answer(question, ID + 1, body).is_err(), "an answer to two calls"),
        Err(error @ ExecutionError::Malformed { .. }) => assert!(error.to_string().len() < 2 * MAX_MESSAGE),
        Err(error) => {
            let text = error.to_string();
            assert!(text.len() <= MAX_MESSAGE && !text.contains('\n'), "{text}");
        }
    }
}
