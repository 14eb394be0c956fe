//! The session as it goes on: whatever happens first, the server or a line, is dealt with first.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use maildoctor_core::questions::tls::TlsView;
use maildoctor_core::typed::{Happened, Peer, Place, Session, described};
use maildoctor_wire::typed::Answer;
use tokio::time::{Instant, sleep_until};

use super::expect::Expected;
use super::input::{Ask, Input, Told};
use super::keyboard::Typing;
use super::login::Account;
use super::screen::Screen;

/// How long a reply is waited for before the next line can be typed: it then stands where it belongs.
pub(super) const GRACE: Duration = Duration::from_millis(400);

/// After this silence at the beginning it is said what it may mean.
const SILENCE: Duration = Duration::from_secs(5);

/// How long the goodbye may take.
pub(super) const GOODBYE: Duration = Duration::from_secs(5);

/// What a session was told.
pub(super) struct Settings {
    pub(super) server_name: String,
    pub(super) account: Account,
    /// The replies that have to come, in their order.
    pub(super) expected: VecDeque<Expected>,
    pub(super) limit: Duration,
    pub(super) typed_at: bool,
}

/// Whether the session goes on.
pub(super) enum Next {
    Go,
    /// It is over, with this exit code.
    End(u8),
}

/// A session under way.
pub(super) struct Live<'a> {
    pub(super) place: &'a Place,
    pub(super) peer: Peer,
    pub(super) settings: Settings,
    pub(super) screen: Screen,
    pub(super) input: Input,
    pub(super) typing: &'a Mutex<Typing>,
    pub(super) session: Option<Session>,
    pub(super) certificate: Option<TlsView>,
    pub(super) verified: bool,
    pub(super) last: Option<Answer>,
    /// How the last line was shown, for what is said of its reply.
    pub(super) last_line: String,
    pub(super) lines: usize,
    pub(super) replies: usize,
    /// When something was sent last, or the connection stood.
    pub(super) sent: Instant,
    pub(super) hinted: bool,
    /// No line is asked for before this.
    pub(super) listens_until: Option<Instant>,
    /// Since when the end is under way.
    pub(super) leaving: Option<Instant>,
    pub(super) remember: Option<String>,
    pub(super) interrupted: bool,
    pub(super) unexpected: bool,
}

impl<'a> Live<'a> {
    pub(super) fn new(
        place: &'a Place,
        peer: Peer,
        settings: Settings,
        screen: Screen,
        input: Input,
        typing: &'a Mutex<Typing>,
    ) -> Self {
        Self {
            place,
            peer,
            settings,
            screen,
            input,
            typing,
            session: None,
            certificate: None,
            verified: false,
            last: None,
            last_line: String::new(),
            lines: 0,
            replies: 0,
            sent: Instant::now(),
            hinted: false,
            listens_until: None,
            leaving: None,
            remember: None,
            interrupted: false,
            unexpected: false,
        }
    }

    /// From the connection to the end; gives the exit code.
    pub(super) async fn run(mut self) -> anyhow::Result<u8> {
        if !self.connect().await? {
            return Ok(2);
        }
        let mut asked = false;
        loop {
            if !asked && self.may_ask() {
                self.input.ask(Ask::Line { remember: self.remember.take() });
                asked = true;
            }
            let wake = self.wake();
            let next = tokio::select! {
                happened = heard(&mut self.session) => self.happened(happened).await?,
                told = self.input.told(), if asked => {
                    asked = false;
                    self.told(told).await?
                }
                () = sleep_until(wake) => self.woke()?,
                Ok(()) = tokio::signal::ctrl_c() => self.told(Told::Interrupted).await?,
            };
            self.follow();
            if let Next::End(code) = next {
                return self.end(code).await;
            }
        }
    }

    /// Tries every address, and shakes hands where TLS comes first. Gives whether there is a session.
    pub(super) async fn connect(&mut self) -> anyhow::Result<bool> {
        let addresses = self.place.addresses(&self.peer).await?;
        let mut tried = Vec::new();
        for to in addresses {
            self.screen.remark(&format!("connecting to {} port {}", shown_host(&self.peer, to.ip()), to.port()))?;
            let began = Instant::now();
            match self.place.connect(to, self.peer.protocol).await {
                Ok(session) => {
                    let from = session.local().map_or_else(String::new, |local| format!(", from {local}"));
                    self.screen.remark(&format!("connected after {}{from}", wait(began.elapsed())))?;
                    self.session = Some(session);
                    break;
                }
                Err(why) => {
                    self.screen.remark(&why)?;
                    tried.push(why);
                }
            }
        }
        self.sent = Instant::now();
        self.hinted = false;
        if self.session.is_none() {
            self.complain(&format!("{} cannot be talked to: {}", self.settings.server_name, tried.join("; ")));
            return Ok(false);
        }
        if self.peer.implicit_tls {
            if !self.secure().await? {
                let hint = "; where the server speaks without TLS there, add --plain";
                self.complain(&format!("TLS could not be begun with {}{hint}", self.settings.server_name));
                return Ok(false);
            }
            if let Some(session) = &mut self.session {
                session.begin_under_tls(self.peer.protocol);
            }
            self.sent = Instant::now();
        }
        Ok(true)
    }

    /// Puts TLS around the connection and shows the certificate; without success the connection is lost.
    pub(super) async fn secure(&mut self) -> anyhow::Result<bool> {
        let Some(session) = &mut self.session else { return Ok(false) };
        let began = Instant::now();
        let (view, injected) = session.secure(self.place, &self.settings.server_name).await;
        let done = view.as_ref().is_some_and(|view| view.done().is_some());
        if let Some(view) = &view {
            let now = Timestamp::now();
            for line in described(view, now) {
                self.screen.remark(&line)?;
            }
            self.verified = view.verified(now);
        }
        if done {
            self.screen.remark(&format!("TLS stands after {}", wait(began.elapsed())))?;
        } else {
            self.session = None;
        }
        if let Some(text) = injected {
            self.screen.remark(&format!("dropped what came in the clear behind the reply to STARTTLS: {text}"))?;
        }
        self.certificate = view;
        Ok(done)
    }

    /// Whether the next line may be asked for.
    fn may_ask(&self) -> bool {
        if self.leaving.is_some() || self.listens_until.is_some_and(|until| Instant::now() < until) {
            return false;
        }
        let awaits = self.session.as_ref().is_some_and(|session| session.conversation().awaits());
        !awaits || (self.settings.typed_at && self.sent.elapsed() >= GRACE)
    }

    /// When something is to be done though nothing happens.
    fn wake(&self) -> Instant {
        let awaits = self.session.as_ref().is_some_and(|session| session.conversation().awaits());
        let silent =
            !self.hinted && self.session.as_ref().is_some_and(|session| !session.conversation().heard_something());
        let grace = self.sent + GRACE;
        let candidates = [
            self.listens_until,
            self.leaving.map(|since| since + GOODBYE),
            silent.then(|| self.sent + SILENCE),
            (awaits && !self.settings.typed_at).then(|| self.sent + self.settings.limit),
            (awaits && self.settings.typed_at && grace > Instant::now()).then_some(grace),
        ];
        let never = Instant::now() + Duration::from_secs(3600);
        candidates.into_iter().flatten().min().unwrap_or(never)
    }

    fn woke(&mut self) -> anyhow::Result<Next> {
        let now = Instant::now();
        if self.leaving.is_some_and(|since| now >= since + GOODBYE) {
            self.screen.remark(&format!("no goodbye within {}", wait(GOODBYE)))?;
            return Ok(self.gone());
        }
        if self.listens_until.is_some_and(|until| now >= until) {
            self.listens_until = None;
        }
        let Some(session) = &self.session else { return Ok(Next::Go) };
        let silent = !session.conversation().heard_something();
        if silent && !self.hinted && now >= self.sent + SILENCE {
            self.hinted = true;
            let tls = if session.conversation().is_secure() { "" } else { ", or wants TLS at once (--tls)" };
            self.screen
                .remark(&format!("no banner for {} yet: the server looks something up first{tls}", wait(SILENCE)))?;
        }
        let waits = session.conversation().awaits() && !self.settings.typed_at && self.leaving.is_none();
        if waits && now >= self.sent + self.settings.limit {
            let after = self.after_what();
            return self.fail(&format!(
                "no whole reply{after} within {}; a longer --timeout waits for it",
                wait(self.settings.limit)
            ));
        }
        Ok(Next::Go)
    }

    /// What the keyboard has to know.
    fn follow(&mut self) {
        if let Some(session) = &self.session {
            self.typing.lock().unwrap_or_else(PoisonError::into_inner).follow(session.conversation());
        }
    }
}

/// The next thing that the server does; never, where there is none.
pub(super) async fn heard(session: &mut Option<Session>) -> Happened {
    match session {
        Some(session) => session.next().await,
        None => std::future::pending().await,
    }
}

/// A host and the address behind it.
fn shown_host(peer: &Peer, ip: std::net::IpAddr) -> String {
    if peer.ip.is_some() { ip.to_string() } else { format!("{} ({ip})", peer.host) }
}

/// A wait as people read it.
pub(super) fn wait(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1000.0;
    match duration.as_millis() {
        0..10 => format!("{ms:.1} ms"),
        10..1000 => format!("{ms:.0} ms"),
        _ => format!("{:.1} s", duration.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_read_well() {
        let shown = [Duration::from_micros(420), Duration::from_millis(42), Duration::from_millis(15_012)].map(wait);
        assert_eq!(shown, ["0.4 ms", "42 ms", "15.0 s"]);
    }
}
