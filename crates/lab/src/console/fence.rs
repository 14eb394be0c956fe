//! Runs that have ended: what such a run sent before, and arrives only now, is not done any more. So whoever puts back what a run
//! changed need not guess how long its last request may still be on its way.

use std::collections::VecDeque;

use hyper::HeaderMap;
use maildoctor_wire::console::{RUN_HEADER, RUN_LENGTH};
use tokio::sync::{RwLock, RwLockReadGuard};

/// The most ended runs that are remembered: more than ever have requests on their way at once.
const MAX_ENDED: usize = 64;

/// The runs that have ended, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Fence(RwLock<VecDeque<String>>);

impl Fence {
    /// Lets a change begin, and holds off the end of its run while the answer lives; `None` where that has ended.
    pub(super) async fn pass(&self, headers: &HeaderMap) -> Option<RwLockReadGuard<'_, VecDeque<String>>> {
        let ended = self.0.read().await;
        let of_ended = run(headers).is_some_and(|run| ended.iter().any(|one| one == run));
        (!of_ended).then_some(ended)
    }

    /// Ends the run that asks for it, once every change that has begun is done; gives whether it said which.
    pub(super) async fn close(&self, headers: &HeaderMap) -> bool {
        let Some(run) = run(headers) else { return false };
        let mut ended = self.0.write().await;
        if ended.len() >= MAX_ENDED {
            ended.pop_front();
        }
        ended.push_back(run.to_owned());
        true
    }
}

/// The run that a request is of.
fn run(headers: &HeaderMap) -> Option<&str> {
    let run = headers.get(RUN_HEADER)?.to_str().ok()?;
    (!run.is_empty() && run.len() <= RUN_LENGTH).then_some(run)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hyper::header::HeaderValue;
    use tokio::time::timeout;

    use super::*;

    fn of(run: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(RUN_HEADER.parse().unwrap(), HeaderValue::from_static(run))])
    }

    #[tokio::test]
    async fn an_ended_run_changes_nothing_more() {
        let fence = Fence::default();
        assert!(fence.pass(&of("a")).await.is_some());
        assert!(fence.close(&of("a")).await);
        assert!(fence.pass(&of("a")).await.is_none());
        assert!(fence.pass(&of("b")).await.is_some());
        assert!(fence.pass(&HeaderMap::new()).await.is_some());
        assert!(!fence.close(&HeaderMap::new()).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_that_has_begun_is_waited_for() {
        let fence = Fence::default();
        let begun = fence.pass(&of("a")).await;
        assert!(timeout(Duration::from_secs(5), fence.close(&of("a"))).await.is_err());
        drop(begun);
        assert!(timeout(Duration::from_secs(5), fence.close(&of("a"))).await.is_ok());
    }

    #[tokio::test]
    async fn a_bounded_number_is_remembered() {
        let fence = Fence::default();
        assert!(fence.close(&of("first")).await);
        for _ in 0..MAX_ENDED {
            assert!(fence.close(&of("other")).await);
        }
        assert_eq!(fence.0.read().await.len(), MAX_ENDED);
        assert!(fence.pass(&of("first")).await.is_some());
    }
}
