//! What the server says, and what follows from it.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::hearing::{Ended, MAX_SHOWN_OCTETS, Piece};
use super::{Answer, Asked, Conversation, Event, Login, Mode, Protocol};
use crate::dialogue::Phase;
use crate::ehlo::Capabilities;
use crate::octets;

impl Conversation {
    /// Takes octets that arrived at `now`.
    pub fn hear(&mut self, octets: &[u8], now: Duration) -> Vec<Event> {
        let mut events = Vec::new();
        self.heard_something |= !octets.is_empty();
        self.hearing.take(octets);
        while let Some(piece) = self.hearing.next(now, &self.awaited) {
            match piece {
                Piece::Line(line) => {
                    let text = octets::escape(&self.held.taken_out(&line));
                    events.push(Event::Line { text, unasked: self.awaited.is_empty() });
                }
                Piece::Endless => {
                    events.push(Event::Endless);
                    return events;
                }
                Piece::End(ended) => {
                    let secured = self.end(ended, now, &mut events);
                    if secured {
                        events.push(Event::TlsNow);
                        return events;
                    }
                }
            }
        }
        events
    }

    /// A reply is whole. Gives whether the handshake follows.
    fn end(&mut self, ended: Ended, now: Duration, events: &mut Vec<Event>) -> bool {
        let Ended { mut reply, status, first_octet_at, of, goes_on } = ended;
        for line in &mut reply.lines {
            let octets = octets::unescape(line);
            *line = octets::escape(&self.held.taken_out(&octets));
        }
        let mut asked = of.and_then(|at| self.awaited.remove(at));
        if asked.is_none() && self.mode == Mode::Content && self.protocol == Protocol::Smtp {
            // The server has taken something else than we for the end.
            self.mode = Mode::Command;
            asked = Some(Asked { phase: Phase::Content, at: first_octet_at, tag: None, several: false, raw: true });
        }
        let answer = Answer { asked, status, reply, first_octet_at, done_at: now };
        let phase = answer.phase();
        let good = answer.reply.code == 220 || matches!(answer.status.as_str(), "OK" | "+OK");
        let secured = phase == Phase::Starttls && good && answer.asked.as_ref().is_some_and(|asked| !asked.raw);
        let challenge = answer.reply.lines.last().cloned().unwrap_or_default();
        match phase {
            Phase::Ehlo if answer.reply.code == 250 => self.capabilities = Capabilities::of(&answer.reply),
            Phase::Data if answer.reply.code == 354 => {
                self.mode = Mode::Content;
                self.at_line_start = true;
            }
            _ => {}
        }
        let challenged = phase == Phase::Auth && (answer.reply.code == 334 || goes_on);
        let tag = answer.asked.as_ref().and_then(|asked| asked.tag.clone());
        if goes_on && phase != Phase::Auth {
            // What follows is the literal of a command, or IDLE until DONE: its own reply is still to come.
            self.mode = Mode::Content;
            if let Some(asked) = &answer.asked {
                self.awaited.push_front(asked.clone());
            }
        } else if self.protocol == Protocol::Imap && self.mode == Mode::Content {
            self.mode = Mode::Command;
        }
        let accepted = good;
        events.push(Event::Answer(answer));
        if challenged {
            self.mode = Mode::Response;
            self.challenge = challenge.trim_start_matches('+').trim_start().to_owned();
            self.hearing.keep_tag(tag);
            self.go_on(now, events);
        } else if phase == Phase::Auth {
            self.mode = if self.mode == Mode::Response { Mode::Command } else { self.mode };
            self.challenge.clear();
            match self.login.take() {
                Some(Login::Pass(password)) if accepted => {
                    let line = SecretString::from(format!("PASS {}", password.expose_secret()));
                    events.push(Event::Say(self.command(line.expose_secret().as_bytes(), now)));
                }
                _ => {}
            }
        }
        secured
    }

    /// Answers a challenge, where a mechanism of ours is under way.
    fn go_on(&mut self, now: Duration, events: &mut Vec<Event>) {
        let Some(Login::Sasl(client)) = &mut self.login else { return };
        let response = match client.respond(&self.challenge) {
            Ok(response) => response,
            Err(error) => {
                events.push(Event::AuthFailed(error));
                self.login = None;
                // `*` cancels the exchange (RFC 4954 section 4).
                "*".to_owned().into()
            }
        };
        events.push(Event::Say(self.command(response.expose_secret().as_bytes(), now)));
    }

    /// TLS stands. Plaintext that came behind the server's go is dropped and handed back (RFC 3207 section 4.2),
    /// and what was learnt before is forgotten.
    pub fn secured(&mut self) -> Option<String> {
        let dropped = self.hearing.discard();
        self.tls = true;
        self.capabilities = None;
        self.awaited.clear();
        self.mode = Mode::Command;
        (!dropped.is_empty()).then(|| octets::escape(&self.held.taken_out(&dropped)))
    }

    /// What came of a reply that was cut off.
    pub fn cut(&mut self) -> Option<Event> {
        let rest = self.hearing.discard();
        let text = octets::escape(&self.held.taken_out(rest.get(..MAX_SHOWN_OCTETS).unwrap_or(&rest)));
        (!rest.is_empty()).then_some(Event::Line { text, unasked: self.awaited.is_empty() })
    }
}
