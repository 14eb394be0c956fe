//! A mailbox read by POP3.

use maildoctor_wire::pop3::{Answer, AnswerParser};
use secrecy::ExposeSecret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Fetched, MAX_MESSAGE_OCTETS, carries};
use crate::options::Login;
use crate::questions::mailbox::LoginResult;
use crate::vantage::Stream;

/// The most messages that are looked at, the newest first.
const MAX_MESSAGES: u32 = 50;

/// A POP3 dialogue.
pub(super) struct Session {
    stream: Box<dyn Stream>,
    parser: AnswerParser,
}

/// Reads the greeting.
pub(super) async fn greet(stream: Box<dyn Stream>) -> Result<Session, String> {
    let mut session = Session { stream, parser: AnswerParser::default() };
    let answer = session.hear(false).await?;
    if answer.ok { Ok(session) } else { Err(format!("the server greets with -ERR {}", answer.text)) }
}

/// The dialogue goes on under TLS, where there is no second greeting.
pub(super) fn after_stls(stream: Box<dyn Stream>) -> Session {
    Session { stream, parser: AnswerParser::default() }
}

impl Session {
    async fn hear(&mut self, multi: bool) -> Result<Answer, String> {
        let mut buffer = [0_u8; 4096];
        let mut heard = self.parser.feed(b"", multi).map_err(|e| e.to_string())?;
        loop {
            if let Some(answer) = heard {
                return Ok(answer);
            }
            let length = self.stream.read(&mut buffer).await.map_err(|e| e.to_string())?;
            if length == 0 {
                return Err("the server closed the connection".to_owned());
            }
            heard = self.parser.feed(buffer.get(..length).unwrap_or_default(), multi).map_err(|e| e.to_string())?;
        }
    }

    async fn say(&mut self, line: &str, multi: bool) -> Result<Answer, String> {
        if line.contains(['\r', '\n']) {
            return Err("a user name or password with a line break cannot be sent by POP3".to_owned());
        }
        self.stream.write_all(format!("{line}\r\n").as_bytes()).await.map_err(|e| e.to_string())?;
        self.stream.flush().await.map_err(|e| e.to_string())?;
        self.hear(multi).await
    }

    /// Whether CAPA lists a capability.
    pub(super) async fn offers(&mut self, capability: &str) -> Result<bool, String> {
        let answer = self.say("CAPA", true).await?;
        Ok(answer.lines.iter().any(|line| line.eq_ignore_ascii_case(capability.as_bytes())))
    }

    /// STLS; gives the stream to be wrapped.
    pub(super) async fn stls(mut self) -> Result<Box<dyn Stream>, String> {
        let answer = self.say("STLS", false).await?;
        if answer.ok { Ok(self.stream) } else { Err(format!("STLS was refused: {}", answer.text)) }
    }

    /// USER and PASS.
    pub(super) async fn login(mut self, login: &Login) -> Result<Self, LoginResult> {
        let failed = |error| LoginResult::Failed { error };
        let user = self.say(&format!("USER {}", login.user), false).await.map_err(failed)?;
        if !user.ok {
            return Err(LoginResult::Refused { answer: user.text });
        }
        let pass = self.say(&format!("PASS {}", login.password.expose_secret()), false).await.map_err(failed)?;
        if pass.ok { Ok(self) } else { Err(LoginResult::Refused { answer: pass.text }) }
    }

    /// Looks for a marked message among the newest.
    pub(super) async fn find(&mut self, mark: &str, remove: bool) -> Result<Option<Fetched>, String> {
        let stat = self.say("STAT", false).await?;
        let count: Option<u32> = stat.text.split_whitespace().next().and_then(|n| n.parse().ok());
        let count = count
            .filter(|_| stat.ok)
            .ok_or_else(|| format!("to STAT the server answers \"{}\", which counts no messages", stat.text))?;
        for number in (count.saturating_sub(MAX_MESSAGES) + 1..=count).rev() {
            let head = self.say(&format!("TOP {number} 0"), true).await?;
            if !head.ok || !carries(&joined(&head), mark) {
                continue;
            }
            let whole = self.say(&format!("RETR {number}"), true).await?;
            let mut octets = joined(&whole);
            octets.truncate(MAX_MESSAGE_OCTETS);
            let removed = remove && self.say(&format!("DELE {number}"), false).await?.ok;
            return Ok(Some(Fetched { folder: "INBOX".to_owned(), octets, removed }));
        }
        Ok(None)
    }

    /// QUIT, which also carries out what was deleted.
    pub(super) async fn leave(mut self) {
        let _ = tokio::time::timeout(std::time::Duration::from_secs(2), self.say("QUIT", false)).await;
    }
}

fn joined(answer: &Answer) -> Vec<u8> {
    let mut out = Vec::new();
    for line in &answer.lines {
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
    }
    out
}
