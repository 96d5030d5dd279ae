//! Whether a piece of work may have left something in the log, for whoever has to know what an error means.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::{AppendError, RecordedEvent};

tokio::task_local! {
    static HAS_APPENDED: Arc<AtomicBool>;
}

/// Does `work`, and says whether an append of it was committed, or may have been. Work that it hands to other tasks is not
/// watched.
pub async fn noting_appends<T>(work: impl Future<Output = T>) -> (T, bool) {
    let has_appended = Arc::new(AtomicBool::new(false));
    let done = HAS_APPENDED.scope(Arc::clone(&has_appended), work).await;
    (done, has_appended.load(Ordering::Relaxed))
}

/// Notes what became of an append that the writer had.
pub(crate) fn note(outcome: Option<&Result<Vec<RecordedEvent>, AppendError>>) {
    let is_out =
        matches!(outcome, Some(Err(error)) if !matches!(error, AppendError::OutcomeUnknown));
    if !is_out {
        // Nobody asks where there is no such scope.
        let _ = HAS_APPENDED.try_with(|noted| noted.store(true, Ordering::Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_or_may_be_committed_is_noted_and_what_was_refused_is_not() {
        let outcomes = [
            (Some(Ok(Vec::new())), true),
            (Some(Err(AppendError::OutcomeUnknown)), true),
            // The writer went away with it.
            (None, true),
            (Some(Err(AppendError::DuplicateEvent)), false),
            (Some(Err(AppendError::QueueFull)), false),
        ];
        for (outcome, is_noted) in outcomes {
            let ((), noted) = noting_appends(async { note(outcome.as_ref()) }).await;
            assert_eq!(noted, is_noted, "{outcome:?}");
        }
        assert!(!noting_appends(async {}).await.1);
        note(None);
    }
}
