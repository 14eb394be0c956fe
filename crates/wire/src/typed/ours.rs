//! Commands that are ours: TLS in place, logins, and the end.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::{Conversation, Login, Protocol, Spoken};
use crate::sasl::{Client, Mechanism, SaslError};

/// The tag of the IMAP commands that are ours.
const OUR_TAG: &str = "doctor";

impl Conversation {
    /// STARTTLS, as the protocol has it.
    pub fn starttls(&mut self, now: Duration) -> Spoken {
        let line = match self.protocol {
            Protocol::Smtp => "STARTTLS".to_owned(),
            Protocol::Imap => format!("{OUR_TAG} STARTTLS"),
            Protocol::Pop3 => "STLS".to_owned(),
        };
        self.line(line.as_bytes(), now)
    }

    /// QUIT or LOGOUT.
    pub fn quit(&mut self, now: Duration) -> Spoken {
        let line = if self.protocol == Protocol::Imap { format!("{OUR_TAG} LOGOUT") } else { "QUIT".to_owned() };
        self.line(line.as_bytes(), now)
    }

    /// Begins AUTH with a mechanism; challenges are answered as they come.
    ///
    /// # Errors
    /// Where user name or password cannot be used with the mechanism.
    pub fn authenticate(
        &mut self,
        mechanism: Mechanism,
        user: &str,
        password: &SecretString,
        now: Duration,
    ) -> Result<Spoken, SaslError> {
        let mut client = Client::new(mechanism, user, password)?;
        // In IMAP and POP3 a server need not know initial responses: it is asked for its challenge.
        let initial = if self.protocol == Protocol::Smtp { client.initial()? } else { None };
        let start = match self.protocol {
            Protocol::Smtp | Protocol::Pop3 => format!("AUTH {}", mechanism.name()),
            Protocol::Imap => format!("{OUR_TAG} AUTHENTICATE {}", mechanism.name()),
        };
        let line: SecretString = match &initial {
            Some(initial) => format!("{start} {}", initial.expose_secret()).into(),
            None => start.into(),
        };
        self.held.hold(password.expose_secret().as_bytes(), false);
        self.login = Some(Login::Sasl(Box::new(client)));
        Ok(self.line(line.expose_secret().as_bytes(), now))
    }

    /// Logs in as the mailbox protocol itself has it: LOGIN, or USER and PASS. `None` in SMTP, and where a line break
    /// would make another command of user name or password.
    pub fn log_in(&mut self, user: &str, password: &SecretString, now: Duration) -> Option<Spoken> {
        let breaks = |text: &str| text.bytes().any(|b| matches!(b, b'\r' | b'\n' | 0));
        if breaks(user) || breaks(password.expose_secret()) {
            return None;
        }
        let line: SecretString = match self.protocol {
            Protocol::Smtp => return None,
            Protocol::Imap => format!("{OUR_TAG} LOGIN {} {}", quoted(user), quoted(password.expose_secret())).into(),
            Protocol::Pop3 => {
                self.login = Some(Login::Pass(password.clone()));
                format!("USER {user}").into()
            }
        };
        self.held.hold(password.expose_secret().as_bytes(), false);
        Some(self.line(line.expose_secret().as_bytes(), now))
    }
}

/// An IMAP quoted string (RFC 9051 section 4.3).
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
