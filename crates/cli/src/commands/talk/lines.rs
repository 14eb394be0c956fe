//! What is typed: lines for the server, and orders.

use jiff::Timestamp;
use maildoctor_core::typed::{described, explain};
use maildoctor_wire::typed::{Mode, Protocol, Spoken};
use tokio::time::{Instant, timeout};

use super::input::Told;
use super::live::{GRACE, Live, Next};
use super::orders::{self, Line, ORDERS, Order};

impl Live<'_> {
    pub(super) async fn told(&mut self, told: Told) -> anyhow::Result<Next> {
        let interrupted = std::mem::take(&mut self.interrupted);
        match told {
            Told::Line(line) => self.line(&line).await,
            Told::Interrupted if interrupted => Ok(self.ends_here()),
            Told::Interrupted => {
                self.interrupted = true;
                self.screen.remark("Ctrl-C again, or Ctrl-D, ends the session")?;
                Ok(Next::Go)
            }
            Told::End => self.end_of_input().await,
            Told::Failed(error) => Err(error),
            Told::Open(_) | Told::Hidden(_) => Ok(Next::Go),
        }
    }

    pub(super) async fn line(&mut self, line: &[u8]) -> anyhow::Result<Next> {
        self.lines += 1;
        let in_message = self.session.as_ref().is_some_and(|s| s.conversation().mode() != Mode::Command);
        let read = orders::read(line);
        if !in_message && matches!(read, Line::Order(_)) {
            self.remember = Some(String::from_utf8_lossy(line).into_owned());
        }
        match read {
            Line::Order(order) => self.order(order).await,
            Line::Wrong(why) if self.settings.typed_at => {
                self.screen.remark(&why)?;
                Ok(Next::Go)
            }
            Line::Wrong(why) => {
                self.complain(&format!("{why} (line {})", self.lines));
                Ok(Next::End(3))
            }
            Line::Send(octets) => {
                let Some(session) = &mut self.session else { return self.nobody() };
                let now = session.now();
                let spoken = session.conversation_mut().line(&octets, now);
                if !in_message && !spoken.secret && !line.is_empty() {
                    self.remember = Some(String::from_utf8_lossy(line).into_owned());
                }
                self.type_out(spoken).await
            }
        }
    }

    /// Shows what was typed, sends it, and says what is worth saying.
    pub(super) async fn type_out(&mut self, spoken: Spoken) -> anyhow::Result<Next> {
        self.screen.typed(&spoken.shown)?;
        for note in &spoken.notes {
            self.screen.remark(&note.in_words())?;
        }
        self.send(spoken).await
    }

    pub(super) async fn send(&mut self, spoken: Spoken) -> anyhow::Result<Next> {
        self.last_line.clone_from(&spoken.shown);
        let Some(session) = &mut self.session else { return self.nobody() };
        let sent = session.send(&spoken).await;
        self.sent = Instant::now();
        match sent {
            Ok(()) => Ok(Next::Go),
            Err(ended) => {
                // The server may have said why before it hung up.
                if let Some(mut session) = self.session.take() {
                    let _ = timeout(GRACE, self.last_words(&mut session)).await;
                }
                self.over(&ended, true)
            }
        }
    }

    /// There is no connection any more.
    pub(super) fn nobody(&mut self) -> anyhow::Result<Next> {
        if self.settings.typed_at {
            self.screen.remark("not sent: there is no connection; :reconnect makes one, Ctrl-D ends")?;
            return Ok(Next::Go);
        }
        let line = self.lines;
        self.fail(&format!("the connection was over before line {line} of the script could be sent"))
    }

    /// The script or the person is at the end.
    pub(super) async fn end_of_input(&mut self) -> anyhow::Result<Next> {
        let mode = self.session.as_ref().map(|session| session.conversation().mode());
        match mode {
            Some(Mode::Content | Mode::Chunk(_)) if !self.settings.typed_at && self.peer.protocol == Protocol::Smtp => {
                self.complain("the script ends inside the message, before the line with a lone dot: the connection was cut, and nothing delivered");
                Ok(Next::End(3))
            }
            Some(Mode::Command) => {
                let Some(session) = &mut self.session else { return Ok(self.gone()) };
                let now = session.now();
                let spoken = session.conversation_mut().quit(now);
                self.screen.said(&spoken.shown)?;
                self.leaving = Some(Instant::now());
                self.send(spoken).await
            }
            _ => Ok(self.ends_here()),
        }
    }

    /// The end without a goodbye.
    pub(super) fn ends_here(&mut self) -> Next {
        self.leaving = Some(Instant::now());
        self.gone()
    }

    pub(super) async fn order(&mut self, order: Order) -> anyhow::Result<Next> {
        match order {
            Order::Help => {
                for (form, words) in ORDERS {
                    self.screen.remark(&format!("{form:<26}{words}"))?;
                }
                self.screen.remark("every other line is sent; Tab completes it")?;
            }
            Order::Explain => match &self.last {
                Some(last) => {
                    for line in explain(self.peer.protocol, last) {
                        self.screen.remark(&line)?;
                    }
                }
                None => self.screen.remark("no reply has come yet")?,
            },
            Order::Certificate => match &self.certificate {
                Some(view) => {
                    for line in described(view, Timestamp::now()) {
                        self.screen.remark(&line)?;
                    }
                }
                None => self.screen.remark("there is no TLS in this connection")?,
            },
            Order::Expect(expected) => {
                let wherefore = format!(" (line {})", self.lines);
                return self.hold_to(&expected, &wherefore);
            }
            Order::Wait(duration) => self.listens_until = Some(Instant::now() + duration),
            Order::Close => {
                self.session = None;
                return Ok(self.ends_here());
            }
            Order::Reconnect => {
                self.session = None;
                (self.certificate, self.verified, self.last) = (None, false, None);
                if !self.connect().await? && !self.settings.typed_at {
                    return Ok(Next::End(2));
                }
            }
            Order::Raw(octets) => {
                let Some(session) = &mut self.session else { return self.nobody() };
                let now = session.now();
                let spoken = session.conversation_mut().raw(&octets, now);
                if spoken.secret {
                    self.remember = None;
                }
                return self.type_out(spoken).await;
            }
            Order::Starttls => {
                let Some(session) = &mut self.session else { return self.nobody() };
                if session.conversation().is_secure() {
                    self.screen.remark("TLS stands already")?;
                    return Ok(Next::Go);
                }
                let now = session.now();
                let spoken = session.conversation_mut().starttls(now);
                self.screen.said(&spoken.shown)?;
                return self.send(spoken).await;
            }
            Order::Auth { mechanism, user } => return self.log_in(mechanism, user).await,
        }
        Ok(Next::Go)
    }
}
