//! The host that serves the domain's MTA-STS policy over HTTPS, rightly or wrongly.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::accept;

/// Connections at once.
const MAX_CONNECTIONS: usize = 32;

/// The longest head of a request, in octets.
const MAX_HEAD: usize = 16 * 1024;

/// How long a connection may last: a handshake, one request, one reply.
const LIMIT: Duration = Duration::from_secs(30);

/// The path of a policy (RFC 8461 section 3.3).
const PATH: &str = "/.well-known/mta-sts.txt";

/// How a reply comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Manner {
    /// Whole.
    #[default]
    Whole,
    /// The policy again and again, without an end.
    Endless,
    /// One octet a second.
    Drip,
    /// Only half of it.
    Cut,
    /// Not at all.
    Silent,
}

/// What is served.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The whole text, its lines separated by `\n`.
    pub text: String,
    /// The status.
    #[serde(default = "ok")]
    pub status: u16,
    /// The content type.
    #[serde(default = "plain")]
    pub content_type: String,
    /// Where a redirect points.
    #[serde(default)]
    pub location: Option<String>,
    /// How the reply comes.
    #[serde(default)]
    pub manner: Manner,
}

fn ok() -> u16 {
    200
}

fn plain() -> String {
    "text/plain".to_owned()
}

impl Policy {
    /// A policy that is served as it should be.
    pub fn plain(text: &str) -> Self {
        Self { text: text.to_owned(), status: ok(), content_type: plain(), location: None, manner: Manner::Whole }
    }

    /// Answers a request for a path.
    async fn answer(&self, path: &str, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        if path != PATH {
            return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
        }
        let body = self.text.replace('\n', "\r\n");
        let location = self.location.as_ref().map(|to| format!("Location: {to}\r\n")).unwrap_or_default();
        let length = match self.manner {
            Manner::Endless => String::new(),
            _ => format!("Content-Length: {}\r\n", body.len()),
        };
        let head =
            format!("HTTP/1.1 {} .\r\nContent-Type: {}\r\n{location}{length}\r\n", self.status, self.content_type);
        match self.manner {
            Manner::Whole => stream.write_all(format!("{head}{body}").as_bytes()).await,
            Manner::Cut => {
                let half = body.as_bytes().get(..body.len() / 2).unwrap_or_default();
                stream.write_all(&[head.as_bytes(), half].concat()).await
            }
            Manner::Silent => {
                sleep(LIMIT).await;
                Ok(())
            }
            Manner::Endless => {
                stream.write_all(head.as_bytes()).await?;
                loop {
                    stream.write_all(body.as_bytes()).await?;
                }
            }
            Manner::Drip => {
                stream.write_all(head.as_bytes()).await?;
                for octet in body.bytes() {
                    stream.write_all(&[octet]).await?;
                    stream.flush().await?;
                    sleep(Duration::from_secs(1)).await;
                }
                Ok(())
            }
        }
    }
}

/// A policy host.
#[derive(Clone)]
pub struct Web {
    /// The certificate.
    pub tls: Arc<ServerConfig>,
    /// What it serves.
    pub policy: Policy,
}

/// Serves the policy until the set is dropped.
///
/// # Errors
/// Where the address cannot be used.
pub async fn serve(web: Web, on: SocketAddr, tasks: &mut JoinSet<()>) -> io::Result<()> {
    let listener = TcpListener::bind(on).await?;
    let web = Arc::new(web);
    accept::each(listener, MAX_CONNECTIONS, tasks, move |stream, _| {
        let web = web.clone();
        async move {
            let talk = async {
                let mut stream = TlsAcceptor::from(web.tls.clone()).accept(stream).await?;
                let path = path(&mut stream).await?;
                web.policy.answer(&path, &mut stream).await?;
                stream.shutdown().await
            };
            // What a client does wrong on the wire is its own affair.
            let _ = timeout(LIMIT, talk).await;
        }
    });
    Ok(())
}

/// Reads the head of a request, and gives its path.
async fn path(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < MAX_HEAD {
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            break;
        }
        head.extend_from_slice(buffer.get(..length).unwrap_or_default());
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    Ok(head.split(' ').nth(1).unwrap_or_default().to_owned())
}
