//! What the server does, and what is made of it.

use std::time::Duration;

use maildoctor_core::typed::{Ended, Happened, Session};
use maildoctor_wire::dialogue::Phase;
use maildoctor_wire::typed::{Answer, Event, Mode, Protocol};
use tokio::time::{Instant, timeout};

use super::expect::Expected;
use super::live::{GOODBYE, Live, Next, wait};

/// Waits that differ by less than this are told as one.
const SAME: Duration = Duration::from_millis(20);

impl Live<'_> {
    pub(super) async fn happened(&mut self, happened: Happened) -> anyhow::Result<Next> {
        match happened {
            Happened::Said(events) => {
                for event in events {
                    if let Next::End(code) = self.event(event).await? {
                        return Ok(Next::End(code));
                    }
                }
                Ok(Next::Go)
            }
            Happened::Over(cut, ended) => {
                if let Some(Event::Line { text, .. }) = cut {
                    self.screen.heard(&text)?;
                    self.screen.remark("cut off there")?;
                }
                let awaited = self.session.as_ref().is_some_and(|session| session.conversation().awaits());
                self.over(&ended, awaited)
            }
        }
    }

    pub(super) async fn event(&mut self, event: Event) -> anyhow::Result<Next> {
        match event {
            Event::Line { text, unasked } => {
                self.screen.heard(&text)?;
                if unasked && self.peer.protocol != Protocol::Smtp {
                    self.screen.remark(&format!("unasked, {} after the last line", wait(self.sent.elapsed())))?;
                }
            }
            Event::Answer(answer) => return self.answer(answer),
            Event::Say(spoken) => {
                self.screen.said(&spoken.shown)?;
                return self.send(spoken).await;
            }
            Event::TlsNow => {
                if !self.secure().await? {
                    let sentence = format!("TLS could not be begun with {}", self.settings.server_name);
                    if self.settings.typed_at {
                        self.screen.remark("the connection is of no use any more; :reconnect makes another")?;
                        return Ok(Next::Go);
                    }
                    return self.fail(&sentence);
                }
            }
            Event::AuthFailed(error) => self.screen.remark(&format!("the login is given up: {error}"))?,
            Event::Endless => {
                self.screen
                    .remark("so much without an end is no reply: the rest is not read, and the connection closed")?;
                self.session = None;
                return if self.settings.typed_at {
                    Ok(Next::Go)
                } else {
                    self.fail("the server sent a reply without an end")
                };
            }
        }
        Ok(Next::Go)
    }

    fn answer(&mut self, answer: Answer) -> anyhow::Result<Next> {
        let since = answer.asked.as_ref().map(|asked| asked.at);
        self.screen.remark(&told(&answer, since))?;
        let leaves = answer.phase() == Phase::Quit;
        let asked = answer.asked.is_some();
        self.last = Some(answer);
        if leaves && self.leaving.is_none() {
            self.leaving = Some(Instant::now());
        }
        if asked {
            self.replies += 1;
            if let Some(expected) = self.settings.expected.pop_front() {
                let nth = self.replies;
                return self.hold_to(&expected, &format!(", as reply {nth} of --expect"));
            }
        }
        Ok(Next::Go)
    }

    /// Compares the last reply with what it has to be.
    pub(super) fn hold_to(&mut self, expected: &Expected, wherefore: &str) -> anyhow::Result<Next> {
        let Some(last) = &self.last else {
            return self.fail(&format!("expected {}{wherefore}, and no reply has come", expected.in_words()));
        };
        if expected.fits(last) {
            return Ok(Next::Go);
        }
        let said = if self.peer.protocol == Protocol::Smtp { last.reply.quoted() } else { last.reply.text() };
        let after = self.after_what();
        self.fail(&format!("expected {}{after}{wherefore}, and the server said `{said}`", expected.in_words()))
    }

    /// After which line, for sentences.
    pub(super) fn after_what(&self) -> String {
        if self.last_line.is_empty() { " as banner".to_owned() } else { format!(" after `{}`", self.last_line) }
    }

    /// The connection is over; `awaited`: in the middle of a reply, or before one.
    pub(super) fn over(&mut self, ended: &Ended, awaited: bool) -> anyhow::Result<Next> {
        let through = self.place.through().map_or_else(String::new, |place| format!(" (as {place} passed it on)"));
        self.screen.remark(&format!("{ended}{through}, {} after the last line", wait(self.sent.elapsed())))?;
        self.session = None;
        if self.leaving.is_some() {
            return Ok(self.gone());
        }
        if self.settings.typed_at {
            self.screen.remark(":reconnect connects again, :explain says what the last reply meant, Ctrl-D ends")?;
            return Ok(Next::Go);
        }
        if awaited {
            let after = self.after_what();
            return self.fail(&format!("{ended} without a whole reply{after}"));
        }
        // Whether the script wanted more is seen when its next line is read.
        Ok(Next::Go)
    }

    /// The end that was wanted.
    pub(super) fn gone(&mut self) -> Next {
        if let Some(expected) = self.settings.expected.front().cloned() {
            let sentence = format!(
                "expected {} as reply {} of --expect, and the session ended before it",
                expected.in_words(),
                self.replies + 1
            );
            self.complain(&sentence);
            return Next::End(2);
        }
        Next::End(if self.unexpected { 2 } else { 0 })
    }

    /// Something is not as it has to be: a script ends there, a person goes on.
    pub(super) fn fail(&mut self, sentence: &str) -> anyhow::Result<Next> {
        self.unexpected = true;
        if self.settings.typed_at {
            self.screen.remark(sentence)?;
            return Ok(Next::Go);
        }
        self.settings.expected.clear();
        self.complain(sentence);
        Ok(Next::End(2))
    }

    pub(super) fn complain(&self, sentence: &str) {
        anstream::eprintln!("error: {sentence}");
    }

    /// Says goodbye where that is still possible, and gives the exit code.
    pub(super) async fn end(mut self, code: u8) -> anyhow::Result<u8> {
        let Some(mut session) = self.session.take() else { return Ok(code) };
        let now = session.now();
        if self.leaving.is_none() && !session.conversation().awaits() && session.conversation().mode() == Mode::Command
        {
            let spoken = session.conversation_mut().quit(now);
            self.screen.said(&spoken.shown)?;
            if session.send(&spoken).await.is_ok() {
                let _ = timeout(GOODBYE, self.last_words(&mut session)).await;
            }
        }
        session.shut().await;
        Ok(code)
    }

    /// Shows what the server says until it hangs up.
    pub(super) async fn last_words(&mut self, session: &mut Session) -> anyhow::Result<()> {
        while let Happened::Said(events) = session.next().await {
            for event in events {
                if let Event::Line { text, .. } = event {
                    self.screen.heard(&text)?;
                }
            }
        }
        Ok(())
    }
}

/// How long a reply took: to its first octet, and to its last line where that came later.
fn told(answer: &Answer, since: Option<Duration>) -> String {
    let Some(since) = since else {
        return "unasked".to_owned();
    };
    let (first, whole) = (answer.first_octet_at.saturating_sub(since), answer.done_at.saturating_sub(since));
    let what = if answer.phase() == Phase::Banner { "banner after " } else { "after " };
    if whole.saturating_sub(first) < SAME {
        format!("{what}{}", wait(whole))
    } else {
        format!("{what}{}: first octet after {}", wait(whole), wait(first))
    }
}
