//! A connection with an SMTP dialogue on it: the sans-I/O machine of `wire`, given octets and a clock.

use std::time::{Duration, Instant};

use maildoctor_wire::dialogue::{Command, Dialogue, End, Exchange, Refusal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::vantage::{Connection, Stream};

/// How long QUIT may take: it is a courtesy, and nobody waits for its reply.
const QUIT_LIMIT: Duration = Duration::from_secs(2);

/// A dialogue under way.
pub struct Talk {
    connection: Connection,
    dialogue: Dialogue,
    since: Instant,
}

impl Talk {
    /// A dialogue on a connection that stands since now.
    pub fn new(connection: Connection) -> Self {
        Self { connection, dialogue: Dialogue::new(), since: Instant::now() }
    }

    /// Our own address on this connection.
    pub fn local(&self) -> Option<std::net::SocketAddr> {
        self.connection.local
    }

    /// The dialogue so far.
    pub fn dialogue(&self) -> &Dialogue {
        &self.dialogue
    }

    /// Waits for the banner, or for any reply that is still awaited. `None` where the limit came first:
    /// the wait can be taken up again.
    pub async fn hear(&mut self, limit: Duration) -> Option<Exchange> {
        let until = tokio::time::Instant::now() + limit;
        let mut buffer = [0_u8; 4096];
        // What came behind the last reply is read first: the peer may have hung up after it.
        let held = self.dialogue.hear(b"", self.since.elapsed()).into_iter().next();
        if held.is_some() {
            return held;
        }
        loop {
            let read = tokio::time::timeout_at(until, self.connection.stream.read(&mut buffer)).await.ok()?;
            let now = self.since.elapsed();
            let ended = match read {
                Ok(0) => self.dialogue.give_up(End::Closed, now),
                Ok(length) => self.dialogue.hear(buffer.get(..length).unwrap_or_default(), now).into_iter().next(),
                Err(_) => self.dialogue.give_up(End::Reset, now),
            };
            if ended.is_some() {
                return ended;
            }
        }
    }

    /// Ends the wait for the reply that is still awaited.
    pub fn give_up(&mut self) -> Option<Exchange> {
        self.dialogue.give_up(End::TimedOut, self.since.elapsed())
    }

    /// Sends a command and waits for its reply; a step that runs into its limit ends the dialogue.
    ///
    /// # Errors
    /// [`Refusal`] where the dialogue's own rules forbid the command.
    pub async fn say(&mut self, command: &Command<'_>, limit: Duration) -> Result<Exchange, Refusal> {
        let octets = self.dialogue.say(command, self.since.elapsed())?;
        let sent = timeout(limit, async {
            self.connection.stream.write_all(&octets).await?;
            self.connection.stream.flush().await
        })
        .await;
        let gone = match sent {
            Ok(Ok(())) => None,
            Ok(Err(_)) => {
                // The peer may have said why before it hung up.
                self.hear(Duration::from_millis(200))
                    .await
                    .or_else(|| self.dialogue.give_up(End::Reset, self.since.elapsed()))
            }
            Err(_) => self.give_up(),
        };
        if let Some(exchange) = gone {
            return Ok(exchange);
        }
        match self.hear(limit).await.or_else(|| self.give_up()) {
            Some(exchange) => Ok(exchange),
            None => Err(Refusal::Over),
        }
    }

    /// Sends octets as they are, outside the dialogue: for probes that break its rules on purpose.
    ///
    /// # Errors
    /// The stream's own error.
    pub async fn send_raw(&mut self, octets: &[u8]) -> std::io::Result<()> {
        self.connection.stream.write_all(octets).await?;
        self.connection.stream.flush().await
    }

    /// Whatever the peer says within `limit`, up to 18 KiB; `enough` tells when to stop early.
    pub async fn read_raw(&mut self, limit: Duration, mut enough: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
        let mut octets = Vec::new();
        let mut buffer = [0_u8; 4096];
        let until = tokio::time::Instant::now() + limit;
        while octets.len() < maildoctor_wire::hello::MAX_ANSWER_OCTETS {
            match tokio::time::timeout_at(until, self.connection.stream.read(&mut buffer)).await {
                Ok(Ok(length)) if length > 0 => octets.extend_from_slice(buffer.get(..length).unwrap_or_default()),
                _ => break,
            }
            if enough(&octets) {
                break;
            }
        }
        octets
    }

    /// Replaces the stream by what `wrap` makes of it, keeping the dialogue; gives back plaintext that was
    /// dropped.
    ///
    /// # Errors
    /// What `wrap` says.
    pub async fn wrap<E>(
        self,
        wrap: impl AsyncFnOnce(Box<dyn Stream>) -> Result<Box<dyn Stream>, E>,
    ) -> Result<(Self, Option<String>), E> {
        let Self { mut connection, mut dialogue, since } = self;
        let injected = dialogue.tls_begins();
        let plain = std::mem::replace(&mut connection.stream, Box::new(tokio::io::empty()));
        connection.stream = wrap(plain).await?;
        Ok((Self { connection, dialogue, since }, injected))
    }

    /// Says goodbye, and does not wait long for the answer. `None` where there was nobody to say it to.
    pub async fn quit(mut self) -> Option<Exchange> {
        if self.dialogue.is_over() || self.dialogue.awaits() {
            return None;
        }
        let said = timeout(QUIT_LIMIT, self.say(&Command::Quit, QUIT_LIMIT)).await;
        let _ = timeout(QUIT_LIMIT, self.connection.stream.shutdown()).await;
        said.ok()?.ok()
    }
}
