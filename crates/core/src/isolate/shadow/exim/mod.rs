//! The shadow of an Exim: its main options and ACLs, a spool and a log of its own, no router and no transport.
//!
//! It listens nowhere. `exim -bs -oMa ADDRESS` serves one client over a pair of sockets, goes through the same lookups and ACLs as the
//! daemon does for a client at that address, and ends with the session. The PROXY protocol would say as well who the client is, but
//! with it Exim also looks up the names of the client and of our own address, whatever `host_lookup` says.

mod acl;
mod copy;
mod remedy;

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::process::Command;

use self::acl::{Line, Out};
use self::copy::Original;
use super::{Folder, cannot, ended_at_once, not_started, prepared};
use crate::catalogue::Step;
use crate::isolate::{Candidate, Control, ControlError, Kind, Off, Place, Session, Waits};
use crate::probe::host::command::{Program, find};
use crate::probe::host::exim::installed;
use crate::probe::host::files::read_text;
use crate::probe::talk::Talk;
use crate::questions::host::exim::acl::{DnsLists, acls, zones};
use crate::questions::host::exim::{EximWire, options, written};
use crate::questions::host::postfix::files::time_ms;
use crate::vantage::Connection;

/// How many shadows run at the same time.
const AT_ONCE: usize = 16;

/// How long Exim may take to print its settings.
const LIMIT: Duration = Duration::from_secs(10);

/// The port that clients come from, and the place that they are told to have reached.
const CLIENT_PORT: u16 = 50_000;
const SERVER: &str = "[127.0.0.1]:25";

/// How soon a copy ends that has hung up.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// ACLs that no client meets before it is refused at RCPT.
const LATER: [&str; 6] =
    ["acl_smtp_data", "acl_smtp_predata", "acl_smtp_mime", "acl_smtp_dkim", "acl_not_smtp", "acl_not_smtp_mime"];

/// An Exim that is measured by its shadows.
#[derive(Debug)]
pub struct EximShadows {
    program: PathBuf,
    /// Where its settings stand.
    wire: EximWire,
    original: Original,
    candidates: Vec<Candidate>,
    session: Session,
    /// Whom the spool belongs to.
    owner: (u32, u32),
}

impl EximShadows {
    /// Reads the Exim that is installed, with its own settings or those of `file`. Nothing is changed there, now or later.
    /// `session` is given the host's name.
    ///
    /// # Errors
    /// [`ControlError`] where it cannot be read or copied, or we are not root.
    pub async fn of(file: Option<&Path>, session: impl FnOnce(&str) -> Session) -> Result<Self, ControlError> {
        if !rustix::process::geteuid().is_root() {
            return Err(ControlError::unusable(
                "a copy of Exim can only be started by root",
                "run this with sudo on the server",
            ));
        }
        let program = installed().and_then(find).ok_or_else(|| {
            ControlError::unusable("Exim is not installed on this machine", "run this on the server itself")
        })?;
        let given: Vec<String> = file.map(|file| vec!["-C".to_owned(), file.display().to_string()]).unwrap_or_default();
        let ask = |what: &'static [&'static str]| {
            let run = Program::new(program.display().to_string(), LIMIT).args(given.clone()).args(what.iter().copied());
            async move {
                let said = run
                    .run()
                    .await
                    .map_err(|error| ControlError::unusable(error.to_string(), "see whether `exim -bP` works"))?;
                Ok::<String, ControlError>(said.text)
            }
        };
        let all = ask(&["-bP"]).await?;
        let config = ask(&["-bP", "config"]).await?;
        let settings: BTreeMap<String, String> =
            options(&all).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let path = match file {
            Some(file) => file.display().to_string(),
            None => ask(&["-bP", "config_file"]).await?.trim().to_owned(),
        };
        let text = read_text(&path)
            .map_err(|error| ControlError::unusable(error, "give the file of Exim's settings by --mta-config"))?;
        let asked = acls(&text);
        let wire = EximWire {
            file: path,
            written: written(&text),
            dnslists: asked.dnslists,
            delays: asked.delays,
            settings: settings.clone(),
            changes: None,
            flaws: Vec::new(),
        };
        let spool = settings.get("spool_directory").cloned().unwrap_or_default();
        let meta = fs::metadata(&spool).map_err(|error| {
            ControlError::unusable(format!("{spool} cannot be read: {error}"), "see spool_directory of Exim")
        })?;
        let original = Original { config, options: settings };
        let session = session(original.option("primary_hostname"));
        let candidates = candidates(&wire, &original);
        Ok(Self { program, wire, original, candidates, session, owner: (meta.uid(), meta.gid()) })
    }

    /// The wait that the settings allow for the client's ident service, where they ask it: a copy has no connection to ask about.
    pub fn ident(&self) -> Option<Duration> {
        let limit = time_ms(self.original.option("rfc1413_query_timeout"), 's').filter(|ms| *ms > 0);
        limit.filter(|_| !self.original.option("rfc1413_hosts").is_empty()).map(Duration::from_millis)
    }

    fn out(&self, off: &Off) -> Out {
        let mut out = Out::default();
        for candidate in self.candidates.iter().filter(|candidate| off.contains(&candidate.id)) {
            match (candidate.kind, candidate.what.clone()) {
                (Kind::List, Some(zone)) => _ = out.zones.insert(zone),
                (Kind::GreetPause, Some(acl)) => _ = out.pauses.insert(acl),
                (Kind::ReverseLookup, _) => out.reverse = true,
                _ => {}
            }
        }
        out
    }

    /// Writes a shadow that has `off` switched off, and gives its settings' file.
    fn lay_out(&self, folder: &Path, off: &Off) -> Result<PathBuf, ControlError> {
        for name in ["spool", "log"] {
            let path = folder.join(name);
            let made = fs::DirBuilder::new().mode(0o750).create(&path);
            made.and_then(|()| chown(&path, Some(self.owner.0), Some(self.owner.1)))
                .map_err(|error| cannot(&path, &error))?;
        }
        let path = folder.join("exim.conf");
        let text = self.original.copy(folder, &self.out(off));
        // Only root reads it: settings may hold passwords.
        let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        file.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
            .map_err(|error| cannot(&path, &error))?;
        Ok(path)
    }
}

impl Control for EximShadows {
    fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    fn at_once(&self) -> usize {
        AT_ONCE
    }

    async fn measure(&self, off: &Off) -> Result<Waits, ControlError> {
        let folder = Folder::make()?;
        let config = self.lay_out(folder.path(), off)?;
        let client = self.session.clients.next();
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(|error| cannot(folder.path(), &error))?;
        let mut server = Command::new(&self.program);
        server.arg("-C").arg(config).args(["-bs", "-oMa", &format!("[{client}]:{CLIENT_PORT}")]);
        server.args(["-oMi", SERVER]);
        prepared(&mut server, folder.path())?;
        let output = theirs.try_clone().map_err(|error| cannot(folder.path(), &error))?;
        server.stdin(OwnedFd::from(theirs)).stdout(OwnedFd::from(output));
        let mut running = server.spawn().map_err(|error| not_started("Exim", &error))?;
        // Its end of the pair is the child's alone, so that each hears when the other is gone.
        drop(server);
        let ready = ours.set_nonblocking(true).and_then(|()| UnixStream::from_std(ours));
        let stream = ready.map_err(|error| cannot(folder.path(), &error))?;
        let waits = self.session.measured(Talk::new(Connection::to_process(Box::new(stream))), client).await;
        // Exim ends when we hang up; where it had ended without a word, it does not take its settings.
        if waits.reached().is_none()
            && let Ok(status) = tokio::time::timeout(ENDS_WITHIN, running.wait()).await
        {
            return Err(ended_at_once("Exim", folder.path(), status));
        }
        drop(folder);
        let _ = running.wait().await;
        Ok(waits)
    }

    fn remedy(&self, guilty: &Off) -> Vec<Step> {
        remedy::steps(self, guilty)
    }
}

/// What the settings name that may make a client wait before it is answered at RCPT.
fn candidates(wire: &EximWire, original: &Original) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    let mut add = |kind, what: Option<&str>, place: Place| {
        let new = Candidate::new(kind, what, vec![place.clone()]);
        match found.iter_mut().find(|known| known.id == new.id) {
            Some(known) if !known.places.contains(&place) => known.places.push(place),
            Some(_) => {}
            None => found.push(new),
        }
    };
    let set = |name: &str| !original.option(name).is_empty();
    for name in ["host_lookup", "helo_verify_hosts", "helo_try_verify_hosts"] {
        if set(name) {
            add(Kind::ReverseLookup, None, wire.place(name));
        }
    }
    let later: Vec<&str> = LATER.iter().map(|name| original.option(name)).collect();
    for (acl, line) in original.acl_lines().filter(|(acl, _)| !later.contains(acl)) {
        let read = Line::read(line);
        let value = read.value.unwrap_or_default();
        let in_acl = |what: &str| Place {
            setting: format!("{what} of {acl}"),
            file: Some(wire.file.clone()),
            // Where the ACL is the option's own value.
            line: wire.place(acl).line,
        };
        match read.name {
            "dnslists" => zones(value).iter().for_each(|(zone, _)| {
                let place = in_acl("dnslists");
                let line = place_of(&wire.dnslists, acl, zone).map_or(place.line, |condition| Some(condition.line));
                add(Kind::List, Some(zone), Place { line, ..place });
            }),
            "delay" => add(Kind::GreetPause, Some(acl), in_acl("delay")),
            _ if read.asks_the_name() => add(Kind::ReverseLookup, None, in_acl("verify")),
            _ => {}
        }
    }
    found
}

/// Where a list is named in an ACL; none where that ACL stands in an included file.
fn place_of<'a>(written: &'a [DnsLists], acl: &str, zone: &str) -> Option<&'a DnsLists> {
    written
        .iter()
        .find(|condition| condition.acl == acl && zones(&condition.value).iter().any(|(named, _)| named == zone))
}
