//! The shadow of a Postfix: its own configuration, queue and data directory, nothing but what answers clients, and no way to
//! accept or deliver anything.

mod copy;
mod remedy;
mod restrictions;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use self::restrictions::Out;
use super::{Folder, ended_at_once, free_place, not_started, prepared};
use crate::case::Question;
use crate::catalogue::Step;
use crate::isolate::{Candidate, Control, ControlError, Kind, Off, Session, Waits};
use crate::probe::host::command::Program;
use crate::probe::host::postfix::read;
use crate::questions::host::asks::{Asks, Stage};
use crate::questions::host::postfix::{Postfix, PostfixView};

/// How many shadows run at the same time.
const AT_ONCE: usize = 16;

/// How long `postconf` may take.
const LIMIT: Duration = Duration::from_secs(10);

/// The port whose service is copied.
const PORT: u16 = 25;

/// How long a shadow lives at most beyond its own waits, in seconds: the last bound, should everything else fail.
const OUTLIVES_SECONDS: u64 = 120;

/// A Postfix that is measured by its shadows.
#[derive(Debug)]
pub struct PostfixShadows {
    view: PostfixView,
    asks: Asks,
    candidates: Vec<Candidate>,
    session: Session,
    /// `master.cf` as `postconf -M` prints it.
    services: String,
    daemons: PathBuf,
    mail_owner: (u32, u32),
}

impl PostfixShadows {
    /// Reads the instance in `folder`. Nothing is changed there, now or later.
    ///
    /// # Errors
    /// [`ControlError`] where it cannot be read, has no service on port 25, or we are not root.
    pub async fn of(folder: &Path, session: impl FnOnce(&PostfixView) -> Session) -> Result<Self, ControlError> {
        if !rustix::process::geteuid().is_root() {
            return Err(ControlError::unusable(
                "a copy of Postfix can only be started by root",
                "run this with sudo on the server",
            ));
        }
        let name = folder.display().to_string();
        let wire = read(&name).await;
        let mut flaws = wire.flaws.clone();
        flaws.dedup();
        let flaws = flaws.join("; ");
        let view = <Postfix as Question>::read(wire).ok_or_else(|| {
            ControlError::unusable(
                format!("the settings of Postfix in {name} cannot be read ({flaws})"),
                "give the folder of main.cf by --mta-config",
            )
        })?;
        let asks = view.asks(PORT).ok_or_else(|| {
            ControlError::unusable(
                format!("no service of {name}/master.cf listens on port {PORT}"),
                "see `postconf -M`",
            )
        })?;
        let services = postconf(&name, &["-M"]).await?;
        let daemons = PathBuf::from(postconf(&name, &["-xh", "daemon_directory"]).await?.trim());
        let owner = postconf(&name, &["-xh", "mail_owner"]).await?;
        let mail_owner = account(owner.trim()).ok_or_else(|| {
            ControlError::unusable(format!("there is no account `{}`", owner.trim()), "see mail_owner in main.cf")
        })?;
        let session = session(&view);
        let candidates = candidates(&asks);
        Ok(Self { view, asks, candidates, session, services, daemons, mail_owner })
    }

    /// What goes from the lists when `off` is switched off.
    fn out(&self, off: &Off) -> Out {
        let mut out = Out::default();
        for candidate in self.candidates.iter().filter(|candidate| off.contains(&candidate.id)) {
            match (candidate.kind, candidate.what.clone()) {
                (Kind::GreetPause, _) => out.pauses = true,
                (Kind::List, Some(zone)) => _ = out.zones.insert(zone),
                (_, Some(socket)) => _ = out.sockets.insert(socket),
                (_, None) => {}
            }
        }
        out
    }

    fn is_off(&self, off: &Off, kind: Kind) -> bool {
        self.candidates.iter().any(|candidate| candidate.kind == kind && off.contains(&candidate.id))
    }
}

impl Control for PostfixShadows {
    fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    fn at_once(&self) -> usize {
        AT_ONCE
    }

    async fn measure(&self, off: &Off) -> Result<Waits, ControlError> {
        let folder = Folder::make()?;
        let place = free_place()?;
        self.lay_out(folder.path(), place, off)?;
        let life = self.session.limit.as_secs().saturating_mul(4).saturating_add(OUTLIVES_SECONDS);
        let mut master = Command::new(self.daemons.join("master"));
        master.arg("-c").arg(folder.path().join("config")).args(["-e", &life.to_string(), "-d"]);
        prepared(&mut master, folder.path())?;
        let mut master = master.spawn().map_err(|error| not_started("Postfix", &error))?;
        let waits = tokio::select! {
            waits = self.session.with(place) => waits,
            status = master.wait() => Err(ended_at_once("Postfix", folder.path(), status)),
        };
        drop(folder);
        let _ = master.wait().await;
        waits
    }

    fn remedy(&self, guilty: &Off) -> Vec<Step> {
        remedy::steps(self, guilty)
    }
}

/// What the settings name that may make a client wait.
fn candidates(asks: &Asks) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    let mut add = |kind, what: Option<&str>, place: &crate::isolate::Place| {
        let new = Candidate::new(kind, what, vec![place.clone()]);
        match found.iter_mut().find(|known| known.id == new.id) {
            Some(known) if !known.places.contains(place) => known.places.push(place.clone()),
            Some(_) => {}
            None => found.push(new),
        }
    };
    for pause in asks.pauses.iter().filter(|pause| pause.stage <= Stage::Rcpt) {
        let kind = if pause.stage == Stage::Screen { Kind::Postscreen } else { Kind::GreetPause };
        add(kind, None, &pause.place);
    }
    if let Some((_, place)) = &asks.reverse {
        add(Kind::ReverseLookup, None, place);
    }
    for list in &asks.lists {
        add(Kind::List, Some(&list.zone), &list.place);
    }
    for policy in &asks.policies {
        add(Kind::PolicyService, Some(&policy.named), &policy.place);
    }
    for milter in &asks.milters {
        add(Kind::Milter, Some(&milter.named), &milter.place);
    }
    found
}

async fn postconf(folder: &str, arguments: &[&str]) -> Result<String, ControlError> {
    let program = Program::new("postconf", LIMIT).args(["-c", folder]).args(arguments.iter().copied());
    let said = program.run().await;
    said.map(|said| said.text)
        .map_err(|error| ControlError::unusable(error.to_string(), "see whether `postconf` works"))
}

/// User and group number of an account, from `/etc/passwd`.
fn account(name: &str) -> Option<(u32, u32)> {
    let text = crate::probe::host::files::read_text("/etc/passwd").ok()?;
    let line = text.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut parts = line.split(':').skip(2);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
