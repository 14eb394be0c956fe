//! What is known of the services so far, so that whoever builds on it begins as soon as it can be told.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OnceCell, watch};
use tokio::time::timeout;

use crate::probe::session::{Session, Way};
use crate::questions::tcp::Role;

/// How long a service that is ready waits for one that would be preferred and is not known yet.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether something holds of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Open,
    No,
    Yes,
}

/// A service, and what is known of it.
#[derive(Debug, Clone)]
struct Standing {
    way: Way,
    preference: Option<u16>,
    offers_auth: Fate,
    took_target: Fate,
}

/// All services that were named so far.
#[derive(Debug, Clone, Default)]
struct Known {
    services: Vec<Standing>,
    /// How many searches may still name exchangers.
    exchangers_sought: usize,
    /// How many searches may still name submission services.
    submission_sought: usize,
}

/// What can be told of a choice by now.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Choice {
    /// Nothing can be told.
    Open,
    /// This one, unless a better one turns up.
    SoFar(Way),
    /// It is settled: this one, or none.
    Settled(Option<Way>),
}

impl Known {
    /// Chooses the first, in the order given, for which the fate is a yes; `sought` says whether a search goes on
    /// that may name one as good as this, or any.
    fn choose<K: Ord>(
        &self,
        rank: impl Fn(&Standing) -> Option<K>,
        fate: impl Fn(&Standing) -> Fate,
        sought: impl Fn(Option<&Standing>) -> bool,
    ) -> Choice {
        let mut ranked: Vec<(K, &Standing)> = self.services.iter().filter_map(|s| Some((rank(s)?, s))).collect();
        ranked.sort_by(|a, b| a.0.cmp(&b.0));
        let open = ranked.iter().position(|(_, s)| fate(s) == Fate::Open);
        let yes = ranked.iter().enumerate().find(|(_, (_, s))| fate(s) == Fate::Yes);
        match (yes, open) {
            (Some((place, (_, best))), open) => {
                let better = open.is_some_and(|open| open < place) || sought(Some(best));
                if better { Choice::SoFar(best.way.clone()) } else { Choice::Settled(Some(best.way.clone())) }
            }
            (None, None) if !sought(None) => Choice::Settled(None),
            (None, _) => Choice::Open,
        }
    }

    /// Where the account is tried: 587 before 465, and 25 where nothing else offers AUTH.
    fn for_account(&self) -> Choice {
        let rank = |s: &Standing| Some((s.way.role == Role::Smtp, s.way.role, s.preference));
        let sought = |best: Option<&Standing>| {
            let exchanger = best.is_none_or(|s| s.way.role == Role::Smtp);
            self.submission_sought > 0 || exchanger && self.exchangers_sought > 0
        };
        self.choose(rank, |s| s.offers_auth, sought)
    }

    /// Where a message is sent as a stranger: the most preferred exchanger that took the address under test.
    fn for_message(&self) -> Choice {
        let rank = |s: &Standing| (s.way.role == Role::Smtp).then_some(s.preference);
        self.choose(rank, |s| s.took_target, |_| self.exchangers_sought > 0)
    }

    fn sought(&mut self, role: Role) -> &mut usize {
        if role == Role::Smtp { &mut self.exchangers_sought } else { &mut self.submission_sought }
    }
}

/// What is known so far, written by the visits and read by whoever builds on them.
pub(super) struct Board {
    known: watch::Sender<Known>,
    for_account: OnceCell<Option<Way>>,
    for_message: OnceCell<Option<Way>>,
    /// Sessions that are kept for the account, until it is known where it is tried; `None` from then on.
    kept: Mutex<Option<Vec<(Way, Session)>>>,
}

/// A search that may name more services, until it is dropped.
pub(super) struct Search<'a> {
    board: &'a Board,
    role: Role,
}

impl Drop for Search<'_> {
    fn drop(&mut self) {
        self.board.known.send_modify(|known| {
            let sought = known.sought(self.role);
            *sought = sought.saturating_sub(1);
        });
    }
}

/// A service's place on the board. What was not said of it when it is dropped does not hold.
pub(super) struct Entry<'a> {
    board: &'a Board,
    place: usize,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.write(|standing| {
            for fate in [&mut standing.offers_auth, &mut standing.took_target] {
                if *fate == Fate::Open {
                    *fate = Fate::No;
                }
            }
        });
    }
}

impl Board {
    /// An empty board; `keeps` says whether sessions are wanted for an account.
    pub(super) fn new(keeps: bool) -> Self {
        Self {
            known: watch::Sender::new(Known::default()),
            for_account: OnceCell::new(),
            for_message: OnceCell::new(),
            kept: Mutex::new(keeps.then(Vec::new)),
        }
    }

    /// Notes that somebody looks for services of a role; those for submission count as one role.
    pub(super) fn search(&self, role: Role) -> Search<'_> {
        self.known.send_modify(|known| *known.sought(role) += 1);
        Search { board: self, role }
    }

    /// Names a service.
    pub(super) fn enter(&self, way: &Way, preference: Option<u16>) -> Entry<'_> {
        let (offers_auth, took_target) = (Fate::Open, Fate::Open);
        let standing = Standing { way: way.clone(), preference, offers_auth, took_target };
        let mut place = 0;
        self.known.send_modify(|known| {
            place = known.services.len();
            known.services.push(standing);
        });
        Entry { board: self, place }
    }

    /// Where the account is tried, and a session there that nothing was tried in yet.
    pub(super) async fn for_account(&self) -> Option<(Way, Option<Session>)> {
        let way = self.for_account.get_or_init(|| self.settled(Known::for_account)).await.clone()?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let sessions = kept.as_mut().map(|kept| kept.extract_if(.., |(to, _)| to.service == way.service));
        let session = sessions.and_then(|mut found| found.next()).map(|(_, session)| session);
        Some((way, session))
    }

    /// The sessions that were kept and are not needed, each with its way; from now on none is kept.
    pub(super) fn left_over(&self) -> Vec<(Way, Session)> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
    }

    /// Where a message is sent as a stranger.
    pub(super) async fn for_message(&self) -> Option<Way> {
        self.for_message.get_or_init(|| self.settled(Known::for_message)).await.clone()
    }

    async fn settled(&self, choice: impl Fn(&Known) -> Choice) -> Option<Way> {
        let mut known = self.known.subscribe();
        // The sender lives as long as the board: no wait here ends without a choice.
        let first = known.wait_for(|known| choice(known) != Choice::Open).await.ok().map(|known| choice(&known));
        let Some(Choice::SoFar(_)) = &first else {
            return first.and_then(Choice::way);
        };
        let better = known.wait_for(|known| matches!(choice(known), Choice::Settled(_)));
        if let Ok(Ok(known)) = timeout(PATIENCE, better).await {
            return choice(&known).way();
        }
        choice(&self.known.borrow()).way()
    }
}

impl Choice {
    fn way(self) -> Option<Way> {
        match self {
            Choice::Open => None,
            Choice::SoFar(way) => Some(way),
            Choice::Settled(way) => way,
        }
    }
}

impl Entry<'_> {
    /// Says whether the service offers AUTH.
    pub(super) fn offers_auth(&self, yes: bool) {
        self.write(|standing| standing.offers_auth = if yes { Fate::Yes } else { Fate::No });
    }

    /// Says whether the address under test was accepted.
    pub(super) fn took_target(&self, yes: bool) {
        self.write(|standing| standing.took_target = if yes { Fate::Yes } else { Fate::No });
    }

    /// Keeps a session for the account; gives it back where none is wanted.
    pub(super) fn keep(&self, way: &Way, session: Session) -> Option<Session> {
        match self.board.kept.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(kept) => kept.push((way.clone(), session)),
            None => return Some(session),
        }
        None
    }

    fn write(&self, change: impl FnOnce(&mut Standing)) {
        self.board.known.send_modify(|known| {
            if let Some(standing) = known.services.get_mut(self.place) {
                change(standing);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::join;
    use std::net::SocketAddr;

    fn way(last: u8, role: Role) -> Way {
        let port = if role == Role::Smtp { 25 } else { 587 };
        Way { service: SocketAddr::from(([192, 0, 2, last], port)), host: None, role, expected: true }
    }

    async fn after<T>(seconds: u64, act: impl FnOnce() -> T) -> T {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        act()
    }

    #[tokio::test(start_paused = true)]
    async fn the_account_is_tried_as_soon_as_the_submission_service_is_known() {
        let board = Board::new(true);
        let exchangers = board.search(Role::Smtp);
        let search = board.search(Role::Submission);
        let entry = board.enter(&way(1, Role::Submission), None);
        drop(search);
        let began = tokio::time::Instant::now();
        let slow = after(60, || drop(exchangers));
        let account = async {
            let (chosen, ()) = join(board.for_account(), after(1, || entry.offers_auth(true))).await;
            assert_eq!(chosen.map(|(way, _)| way), Some(way(1, Role::Submission)));
            assert_eq!(began.elapsed().as_secs(), 1);
        };
        join(slow, account).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_better_exchanger_is_waited_for_and_not_without_end() {
        for (answers, expected) in [(2, 1), (60, 2)] {
            let board = Board::new(false);
            let search = board.search(Role::Smtp);
            let first = board.enter(&way(1, Role::Smtp), Some(10));
            let second = board.enter(&way(2, Role::Smtp), Some(20));
            drop(search);
            second.took_target(true);
            let late = after(answers, || first.took_target(true));
            let (chosen, ()) = join(board.for_message(), late).await;
            assert_eq!(chosen, Some(way(expected, Role::Smtp)), "{answers} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn two_roles_of_one_port_have_a_place_each() {
        let board = Board::new(true);
        let search = board.search(Role::Submission);
        let entries = [way(1, Role::Submission), way(1, Role::Smtps)].map(|way| board.enter(&way, None));
        drop((search, entries));
        let began = tokio::time::Instant::now();
        assert!(board.for_account().await.is_none());
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_chosen_only_when_nobody_is_left() {
        let board = Board::new(false);
        let search = board.search(Role::Smtp);
        let entry = board.enter(&way(1, Role::Smtp), Some(10));
        let late = async {
            after(1, || drop(search)).await;
            after(1, || drop(entry)).await;
        };
        let began = tokio::time::Instant::now();
        let (chosen, ()) = join(board.for_message(), late).await;
        assert_eq!((chosen, began.elapsed().as_secs()), (None, 2));
    }
}
