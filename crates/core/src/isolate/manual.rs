//! A server that only a person can drive: told what to switch off, they do it, and then it is measured from here.
//!
//! Where to click comes from the catalogue's remedies, so that there is one place that knows each server's windows.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use tokio::sync::Mutex;

use super::{Candidate, Control, ControlError, Kind, Off, Waits};
use crate::catalogue::{self, Remedy, Step};
use crate::probe::talk::Talk;
use crate::questions::tcp::Opened;
use crate::vantage::{Connection, Vantage};

/// What a person is asked to do before a measurement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// To be switched off.
    pub off: Vec<Candidate>,
    /// To be switched on again.
    pub on: Vec<Candidate>,
    /// Off before, and to stay so.
    pub stay: Vec<Candidate>,
    /// Where that is done, and how what the server remembers is forgotten; empty where the catalogue does not know.
    pub where_to: Vec<String>,
}

/// Whoever does it.
pub trait Hand: Sync {
    /// Asks for `task` to be done, and comes back when it is.
    fn asked(&self, task: &Task) -> impl Future<Output = Result<(), ControlError>> + Send;
}

/// A server in somebody else's hands.
pub struct Manual<H> {
    server: SocketAddr,
    software: Option<&'static str>,
    candidates: Vec<Candidate>,
    patience: Duration,
    hand: H,
    /// What is off, as far as we asked for it.
    off: Mutex<Off>,
}

impl<H: Hand> Manual<H> {
    /// The server at `server` that asks `lists`, and for the name of its clients where `reverse`. `software` is its name in the
    /// catalogue's remedies. A banner is waited for at most `patience`.
    pub fn new(
        server: SocketAddr,
        software: Option<&'static str>,
        lists: &[String],
        reverse: bool,
        patience: Duration,
        hand: H,
    ) -> Self {
        let reverse = reverse.then(|| Candidate::new(Kind::ReverseLookup, None, Vec::new()));
        let lists = lists.iter().map(|zone| Candidate::new(Kind::List, Some(zone), Vec::new()));
        let candidates = reverse.into_iter().chain(lists).collect();
        Self { server, software, candidates, patience, hand, off: Mutex::default() }
    }

    /// Sees that there is a server at all, before anybody is asked for anything.
    ///
    /// # Errors
    /// [`ControlError`] where it takes no connection.
    pub async fn reach(&self) -> Result<(), ControlError> {
        self.connect("give the address and port where it greets with --server").await.map(drop)
    }

    async fn connect(&self, next: &str) -> Result<Connection, ControlError> {
        let connecting = Vantage::here(self.server).connect(self.server, self.patience).await;
        connecting.map_err(|opened| {
            let why = match opened {
                Opened::Refused => "nothing listens there",
                Opened::TimedOut => "nothing answers",
                _ => "it cannot be reached",
            };
            ControlError::unusable(format!("{} does not take connections: {why}", self.server), next)
        })
    }

    /// What is still off, in words: nobody else puts it back.
    pub async fn still_off(&self) -> Vec<String> {
        let off = self.off.lock().await;
        self.those(|id| off.contains(id)).iter().map(Candidate::in_words).collect()
    }

    fn those(&self, which: impl Fn(&super::CandidateId) -> bool) -> Vec<Candidate> {
        self.candidates.iter().filter(|candidate| which(&candidate.id)).cloned().collect()
    }

    async fn set(&self, wanted: &Off) -> Result<(), ControlError> {
        let mut now = self.off.lock().await;
        let mut task = Task {
            off: self.those(|id| wanted.contains(id) && !now.contains(id)),
            on: self.those(|id| now.contains(id) && !wanted.contains(id)),
            stay: self.those(|id| now.contains(id) && wanted.contains(id)),
            where_to: Vec::new(),
        };
        for candidate in task.off.iter().chain(&task.on) {
            let place = self.software.and_then(|software| place(candidate, software));
            task.where_to.extend(place.filter(|place| !task.where_to.contains(place)));
        }
        // Once it is asked for it may be done, whatever we hear of it: until then each that was or is to be off counts.
        now.extend(wanted.iter().cloned());
        self.hand.asked(&task).await?;
        now.clone_from(wanted);
        Ok(())
    }
}

impl<H: Hand> Control for Manual<H> {
    fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    fn at_once(&self) -> usize {
        1
    }

    async fn measure(&self, off: &Off) -> Result<Waits, ControlError> {
        self.set(off).await?;
        let connection = self.connect("see that its SMTP service was started again, then begin anew").await?;
        let mut talk = Talk::new(connection);
        let mut waits = Waits::default();
        if let Some(banner) = talk.hear(self.patience).await.or_else(|| talk.give_up()) {
            waits.note(&banner);
        }
        talk.quit().await;
        Ok(waits)
    }

    fn remedy(&self, guilty: &Off) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for candidate in self.those(|id| guilty.contains(id)) {
            let remedy = remedy(&candidate, self.software);
            let step = remedy.steps.into_iter().next().filter(|step| Some(step.server.as_str()) == self.software);
            steps.push(step.unwrap_or_else(|| Step {
                server: "general".to_owned(),
                text: remedy.summary,
                commands: Vec::new(),
            }));
        }
        steps
    }
}

/// Where a candidate is switched in that server.
fn place(candidate: &Candidate, software: &str) -> Option<String> {
    let step = remedy(candidate, Some(software)).steps.into_iter().next().filter(|step| step.server == software)?;
    Some(if step.text.is_empty() { step.commands.join("; ") } else { step.text })
}

fn remedy(candidate: &Candidate, software: Option<&str>) -> Remedy {
    let code = if candidate.kind == Kind::List { "dnsbl-timeout" } else { "ptr-slow" };
    let detail = json!({"zone": candidate.what});
    let detail = detail.as_object().cloned().unwrap_or_default();
    catalogue::entry(code).map(|entry| entry.remedy(&detail, software)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as Notes;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::isolate::{Outcome, bisect, most_measurements};

    /// Somebody who does what they are told, to a server that waits for one list.
    struct Diligent<'a>(&'a Notes<Off>, &'a Notes<Vec<Task>>);

    impl Hand for Diligent<'_> {
        async fn asked(&self, task: &Task) -> Result<(), ControlError> {
            let mut off = self.0.lock().unwrap();
            for candidate in &task.off {
                assert!(off.insert(candidate.id.clone()), "{} is off already", candidate.id);
            }
            for candidate in &task.on {
                assert!(off.remove(&candidate.id), "{} is on already", candidate.id);
            }
            self.1.lock().unwrap().push(task.clone());
            Ok(())
        }
    }

    async fn server(off: &'static Notes<Off>, guilty: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                tokio::spawn(async move {
                    if !off.lock().unwrap().iter().any(|id| id.0 == guilty) {
                        tokio::time::sleep(Duration::from_millis(1200)).await;
                    }
                    let _ = client.write_all(b"220 mx.example\r\n").await;
                    let _ = client.read(&mut [0; 64]).await;
                });
            }
        });
        address
    }

    #[tokio::test]
    async fn a_person_is_asked_for_few_changes_and_everything_is_on_at_the_end() {
        let off: &'static Notes<Off> = Box::leak(Box::default());
        let tasks = Notes::default();
        let lists: Vec<String> = (0..6).map(|n| format!("l{n}.example")).collect();
        let at = server(off, "list:l4.example").await;
        let manual = Manual::new(at, Some("modusmail"), &lists, true, Duration::from_secs(20), Diligent(off, &tasks));
        let found = bisect(&manual, &|_| {}).await.unwrap();
        assert_eq!(found.outcome, Outcome::Explained);
        assert_eq!(found.culprits[0].settings[0].what.as_deref(), Some("l4.example"));
        assert!(manual.still_off().await.is_empty() && off.lock().unwrap().is_empty());
        let tasks = std::mem::take(&mut *tasks.lock().unwrap());
        assert!(tasks.len() <= most_measurements(lists.len()), "{tasks:?}");
        assert!(tasks.iter().flat_map(|task| &task.where_to).any(|place| place.contains("RBL Servers")), "{tasks:?}");
        let remedy = manual.remedy(&found.guilty());
        assert!(remedy[0].text.contains("SMTPRS"), "{remedy:?}");
    }

    /// Somebody who leaves after so many tasks.
    struct Leaving(Notes<usize>);

    impl Hand for Leaving {
        async fn asked(&self, _: &Task) -> Result<(), ControlError> {
            let mut left = self.0.lock().unwrap();
            *left = left.checked_sub(1).ok_or(ControlError::Stopped)?;
            Ok(())
        }
    }

    #[tokio::test]
    async fn what_may_be_off_is_known_when_somebody_leaves() {
        let at = server(Box::leak(Box::default()), "none").await;
        let lists = ["a.example", "b.example"].map(str::to_owned);
        for (tasks, off) in [(0, 0), (1, 1), (2, 2)] {
            let hand = Leaving(Notes::new(tasks));
            let manual = Manual::new(at, None, &lists, false, Duration::from_secs(20), hand);
            assert!(bisect(&manual, &|_| {}).await.is_err());
            assert_eq!(manual.still_off().await.len(), off, "after {tasks} tasks");
        }
    }
}
