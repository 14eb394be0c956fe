//! The lab's mailboxes, read by IMAP and POP3: the Maildirs that the receiver delivers to.

mod folder;
mod imap;
mod pop3;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use secrecy::ExposeSecret;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::accept;
use crate::smtp::Site;

/// Clients at once at one server.
const MAX_CLIENTS: usize = 128;

/// The longest line that is read.
const MAX_LINE: usize = 8 * 1024;

/// How long a client may be silent.
const IDLE: Duration = Duration::from_secs(300);

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// IMAP4rev1 (RFC 3501), as much as reading a mailbox needs.
    Imap,
    /// POP3 (RFC 1939).
    Pop3,
}

/// How a mailbox server behaves.
#[derive(Clone)]
pub struct Behaviour {
    /// What is spoken.
    pub protocol: Protocol,
    /// TLS comes before the greeting.
    pub implicit: bool,
    /// Nothing listens.
    pub shut: bool,
    /// Every login is refused.
    pub refuses: bool,
    /// The certificate.
    pub tls: Arc<ServerConfig>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A client's lines, before TLS and under it.
struct Lines {
    stream: Box<dyn Stream>,
    held: Vec<u8>,
}

impl Lines {
    /// The next line without its end; `None` where the client is gone, silent or talks without end.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.held.iter().position(|&b| b == b'\n') {
                let line: Vec<u8> = self.held.drain(..=end).collect();
                return Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned());
            }
            if self.held.len() > MAX_LINE {
                return None;
            }
            let mut buffer = [0_u8; 4096];
            let length = timeout(IDLE, self.stream.read(&mut buffer)).await.ok()?.ok().filter(|&n| n > 0)?;
            self.held.extend_from_slice(buffer.get(..length)?);
        }
    }

    async fn say(&mut self, octets: &[u8]) -> Option<()> {
        self.stream.write_all(octets).await.ok()?;
        self.stream.write_all(b"\r\n").await.ok()?;
        self.stream.flush().await.ok()
    }

    /// Goes on under TLS; what the client sent ahead of it is dropped.
    async fn secure(&mut self, tls: &Arc<ServerConfig>) -> Option<()> {
        self.held.clear();
        let plain = std::mem::replace(&mut self.stream, Box::new(tokio::io::empty()));
        let secured =
            timeout(Duration::from_secs(30), TlsAcceptor::from(tls.clone()).accept(plain)).await.ok()?.ok()?;
        self.stream = Box::new(secured);
        Some(())
    }
}

/// Whether user and password are right.
fn right(site: &Site, behaviour: &Behaviour, user: &str, password: &str) -> bool {
    !behaviour.refuses && site.accounts.get(user).is_some_and(|held| held.expose_secret() == password)
}

/// Serves one address until the set is dropped.
///
/// # Errors
/// Where the address cannot be used.
pub async fn serve(site: Arc<Site>, behaviour: Behaviour, on: SocketAddr, tasks: &mut JoinSet<()>) -> io::Result<()> {
    if behaviour.shut {
        return Ok(());
    }
    let listener = TcpListener::bind(on).await?;
    let behaviour = Arc::new(behaviour);
    accept::each(listener, MAX_CLIENTS, tasks, move |stream, client| {
        let (site, behaviour) = (site.clone(), behaviour.clone());
        async move {
            let _ = site.events.send(format!("{:?} {client} connected", behaviour.protocol));
            let mut lines = Lines { stream: Box::new(stream), held: Vec::new() };
            if behaviour.implicit && lines.secure(&behaviour.tls).await.is_none() {
                return;
            }
            let _: Option<()> = match behaviour.protocol {
                Protocol::Imap => imap::talk(&site, &behaviour, lines).await,
                Protocol::Pop3 => pop3::talk(&site, &behaviour, lines).await,
            };
        }
    });
    Ok(())
}
