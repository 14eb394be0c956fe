//! Looking through a machine that we can log in to: one ssh connection of ours (the master), and over it
//! `ssh -W ADDRESS:PORT` for each connection, which ends where the far machine's connect() ends. `ssh -D` would say
//! "connected" before it is.
//!
//! Keys, host names and known hosts are those of the user's ssh. Nothing is asked (BatchMode), and nothing outlives
//! the run: the master is a child of ours and never a daemon, and a guard ends it should we be killed.

mod log;
mod master;

use std::net::{IpAddr, SocketAddr};
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Child;
use tokio::time::timeout;

use self::master::Master;
use super::Opening;
use crate::questions::host::resolv_conf::nameservers;
use crate::questions::tcp::Opened;

/// How long the far machine may take to tell us its resolver.
const FACTS_LIMIT: Duration = Duration::from_secs(10);

/// The most of what it tells that is read, in octets.
const MAX_FACTS: u64 = 64 * 1024;

/// The longest line of ssh that is read, in octets.
const MAX_LINE: u64 = 4096;

/// Asks the far machine for its resolver and for the address by which we reached it. Needs a shell there; an account
/// that may only forward goes without.
const ASK_FACTS: &str = r#"cat /etc/resolv.conf; echo; echo "maildoctor: $SSH_CONNECTION""#;

/// Where the ssh connection leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Destination {
    /// The user, where not ssh's own configuration decides.
    pub(super) user: Option<String>,
    /// The host, as ssh knows it.
    pub(super) host: String,
    /// The port, where not ssh's own configuration decides.
    pub(super) port: Option<u16>,
}

/// What the far machine told about itself.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    /// Its first resolver.
    pub(super) resolver: Option<SocketAddr>,
    /// The address that its connections come from.
    pub(super) source: Option<IpAddr>,
}

/// A way through ssh.
pub(super) struct Ssh {
    destination: Destination,
    master: OnceLock<Master>,
    facts: OnceLock<Facts>,
}

impl Ssh {
    /// A way that is not open yet.
    pub(super) fn new(destination: Destination) -> Self {
        Self { destination, master: OnceLock::new(), facts: OnceLock::new() }
    }

    /// Logs in, within `limit`.
    ///
    /// # Errors
    /// Why that did not come about, and what to do, in a sentence.
    pub(super) async fn open(&self, limit: Duration) -> Result<(), String> {
        let master = Master::start(&self.destination, limit).await?;
        let facts = timeout(FACTS_LIMIT.min(limit), facts(&master)).await.unwrap_or_default();
        let _ = self.facts.set(facts);
        let _ = self.master.set(master);
        Ok(())
    }

    /// What the far machine told.
    pub(super) fn facts(&self) -> Facts {
        self.facts.get().copied().unwrap_or_default()
    }

    /// Opens a connection from the far machine.
    pub(super) async fn connect(&self, to: SocketAddr) -> Opening {
        let failed = |error: String| Opened::Failed { error: format!("ssh to {}: {error}", self.destination.host) };
        let master = self.master.get().ok_or_else(|| failed("the connection does not stand".to_owned()))?;
        let since = master.log().requests();
        let mut client = master
            .client()
            .args(["-o", "LogLevel=DEBUG1", "-W", &to.to_string(), "--", "maildoctor"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| failed(e.to_string()))?;
        if !channel_opens(&mut client).await {
            let target = format!("{}:{}", to.ip(), to.port());
            let opened = match master.why_not(&target, since).await {
                Some(reason) => log::outcome(&reason),
                None => failed(master.last_words()),
            };
            return Err(match opened {
                Opened::Failed { error } => failed(error),
                other => other,
            });
        }
        let (Some(stdout), Some(stdin)) = (client.stdout.take(), client.stdin.take()) else {
            return Err(failed("a pipe is missing".to_owned()));
        };
        let stream = Channel { octets: tokio::io::join(stdout, stdin), _client: client };
        // The port there is not known, and nobody needs it.
        Ok((Box::new(stream), self.facts().source.map(|ip| SocketAddr::new(ip, 0))))
    }

    /// Logs out and waits until nothing is left.
    pub(super) async fn close(&self) {
        if let Some(master) = self.master.get() {
            master.end().await;
        }
    }
}

/// Whether the client says that its channel stands; it says it on standard error, and nothing where it does not.
async fn channel_opens(client: &mut Child) -> bool {
    let Some(stderr) = client.stderr.take() else { return false };
    let mut lines = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut lines).take(MAX_LINE).read_until(b'\n', &mut line).await {
            Ok(length) if length > 0 => {}
            _ => return false,
        }
        if String::from_utf8_lossy(&line).contains("master session id") {
            // Read on to the end, so that ssh never waits for a reader.
            tokio::spawn(async move { tokio::io::copy(&mut lines, &mut tokio::io::sink()).await });
            return true;
        }
    }
}

async fn facts(master: &Master) -> Facts {
    let command = master
        .client()
        .args(["-T", "--", "maildoctor", ASK_FACTS])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut client) = command else { return Facts::default() };
    let mut text = Vec::new();
    if let Some(stdout) = client.stdout.take() {
        let _ = stdout.take(MAX_FACTS).read_to_end(&mut text).await;
    }
    read_facts(&String::from_utf8_lossy(&text))
}

/// The first resolver of its resolv.conf, and the server's address of `SSH_CONNECTION` (client, its port, server, its
/// port) where peers can see that address: behind a NAT they see another.
fn read_facts(text: &str) -> Facts {
    let reached = text
        .lines()
        .find_map(|line| line.strip_prefix("maildoctor: "))
        .and_then(|line| line.split_whitespace().nth(2)?.parse::<IpAddr>().ok())
        .filter(|ip| !maildoctor_wire::rdns::is_private(*ip) && !ip.is_loopback());
    Facts { resolver: nameservers(text).next(), source: reached }
}

/// A channel's octets, and the process that carries them.
struct Channel {
    octets: tokio::io::Join<tokio::process::ChildStdout, tokio::process::ChildStdin>,
    /// Killed when the channel is dropped.
    _client: Child,
}

impl tokio::io::AsyncRead for Channel {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.octets).poll_read(context, buffer)
    }
}

impl tokio::io::AsyncWrite for Channel {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        octets: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::pin::Pin::new(&mut self.octets).poll_write(context, octets)
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.octets).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.octets).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_and_their_absence_too() {
        let text = "nameserver 192.0.2.53\n\nmaildoctor: 203.0.113.5 40000 8.8.4.4 22\n";
        let facts = read_facts(text);
        assert_eq!(facts.resolver, Some("192.0.2.53:53".parse().unwrap()));
        assert_eq!(facts.source, Some("8.8.4.4".parse().unwrap()));
        let hidden = read_facts("maildoctor: 203.0.113.5 40000 10.0.0.3 22");
        assert_eq!(hidden, Facts::default());
        assert_eq!(read_facts("This account is not available.\n"), Facts::default());
    }
}
