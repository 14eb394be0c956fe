//! The connection under a typed session: opened through a place, read whenever something comes, TLS put around it.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use maildoctor_wire::typed::{Conversation, Event, Protocol, Spoken};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::Peer;
use crate::case::Question;
use crate::options::Options;
use crate::probe::tls::{Trusted, shake};
use crate::questions::dns::{Dns, RecordType};
use crate::questions::tcp::Opened;
use crate::questions::tls::{Handshake, TlsView};
use crate::vantage::{Asking, Connection, Vantage, VantageSpec, resolver};

/// The most addresses of a host that are tried.
const MAX_ADDRESSES: usize = 16;

/// Where a resolver is taken to be when none is needed or known.
const LOCAL_RESOLVER: ([u8; 4], u16) = ([127, 0, 0, 1], 53);

/// Why there is nobody to talk to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The place cannot be used: our affair.
    #[error("{0}")]
    Place(String),
    /// The name has no address.
    #[error("{host} has no address ({why}); give another name, an IP address, or --resolver ADDR")]
    Name {
        /// The name.
        host: String,
        /// What was answered.
        why: String,
    },
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The server closed it.
    Closed,
    /// The server closed it without TLS' own goodbye.
    ClosedUnderTls,
    /// It was reset.
    Reset,
    /// Something else, in words.
    Failed(String),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::Closed => f.write_str("the server closed the connection (FIN)"),
            Ended::ClosedUnderTls => f.write_str("the server closed the connection (FIN) without ending TLS first"),
            Ended::Reset => f.write_str("the connection was reset (RST), by the server or by something on the way"),
            Ended::Failed(error) => write!(f, "the connection failed: {error}"),
        }
    }
}

/// What happened on the connection.
#[derive(Debug)]
pub enum Happened {
    /// The server said something.
    Said(Vec<Event>),
    /// It is over; what was cut off in the middle of a line comes with it.
    Over(Option<Event>, Ended),
}

/// A place to talk from, and how its names are looked up.
pub struct Place {
    vantage: Vantage,
    trusted: Trusted,
    by_dns: bool,
    bind: Option<IpAddr>,
    limit: Duration,
}

impl Place {
    /// Makes a place ready. The system looks names up, as for every other program, unless the place is another
    /// machine or `--resolver` names who is asked.
    ///
    /// # Errors
    /// [`OpenError::Place`] where it cannot be used.
    pub async fn open(spec: &VantageSpec, options: &Options, trusted: Trusted) -> Result<Self, OpenError> {
        let here = options.resolver.or_else(|| resolver::of_the_system().ok()).unwrap_or_else(|| LOCAL_RESOLVER.into());
        let vantage = Vantage::new(spec, options, here);
        vantage.open(options.timeout).await.map_err(OpenError::Place)?;
        let by_dns = options.resolver.is_some() || *spec != VantageSpec::Local;
        Ok(Self { vantage, trusted, by_dns, bind: options.bind, limit: options.timeout })
    }

    /// Ends what was opened.
    pub async fn close(&self) {
        self.vantage.close().await;
    }

    /// Through what a connection leads, where it is not one of this machine's own: how such a one ends is what that
    /// makes of it.
    pub fn through(&self) -> Option<&'static str> {
        Some(self.vantage.kind()).filter(|kind| *kind != "local")
    }

    /// The addresses of a peer, in the order in which they are to be tried.
    ///
    /// # Errors
    /// [`OpenError::Name`] where there are none.
    pub async fn addresses(&self, peer: &Peer) -> Result<Vec<SocketAddr>, OpenError> {
        let failed = |why: String| OpenError::Name { host: peer.host.clone(), why };
        let found: Vec<IpAddr> = match peer.ip {
            Some(ip) => vec![ip],
            None if self.by_dns => self.by_dns(&peer.host).await.map_err(failed)?,
            None => {
                let looked_up = timeout(self.limit, tokio::net::lookup_host((peer.host.as_str(), peer.port))).await;
                let all = looked_up.map_err(|_| failed(format!("no answer within {} s", self.limit.as_secs())))?;
                all.map_err(|e| failed(e.to_string()))?.map(|at| at.ip()).collect()
            }
        };
        let fits = |ip: &IpAddr| self.bind.is_none_or(|bind| bind.is_ipv4() == ip.is_ipv4());
        let fitting: Vec<SocketAddr> =
            found.iter().filter(|ip| fits(ip)).take(MAX_ADDRESSES).map(|ip| SocketAddr::new(*ip, peer.port)).collect();
        if fitting.is_empty() { Err(failed("none of the family of --bind".to_owned())) } else { Ok(fitting) }
    }

    async fn by_dns(&self, host: &str) -> Result<Vec<IpAddr>, String> {
        let asking = Asking { limit: self.limit.min(Asking::default().limit), ..Asking::default() };
        let ask = |rtype| self.vantage.lookup(self.vantage.resolver(), host, rtype, asking);
        let (v4, v6) = futures::future::join(ask(RecordType::A), ask(RecordType::Aaaa)).await;
        let mut found = Vec::new();
        let mut why = "the resolver gave no answer".to_owned();
        for wire in [v4, v6] {
            let view = Dns { wire };
            match view.definite() {
                Some(answer) if answer.nxdomain => "no such name".clone_into(&mut why),
                Some(answer) => {
                    found.extend(answer.addresses());
                    "no A or AAAA record".clone_into(&mut why);
                }
                None => {}
            }
        }
        if found.is_empty() { Err(why) } else { Ok(found) }
    }

    /// Connects, and shakes hands where TLS comes first.
    ///
    /// # Errors
    /// What came of it instead, in words.
    pub async fn connect(&self, to: SocketAddr, protocol: Protocol) -> Result<Session, String> {
        let connection = self.vantage.connect(to, self.limit).await.map_err(|opened| in_words(&opened, self.limit))?;
        let since = Instant::now();
        Ok(Session { connection, since, conversation: Conversation::new(protocol, false), limit: self.limit })
    }
}

/// Why there is no connection.
fn in_words(opened: &Opened, limit: Duration) -> String {
    match opened {
        Opened::Open { .. } => "it is open".to_owned(),
        Opened::Refused => "refused: nothing listens there (connect-refused)".to_owned(),
        Opened::TimedOut => format!(
            "no answer within {} s: a firewall, or nobody at that address (connect-timeout)",
            limit.as_secs_f32()
        ),
        Opened::Unreachable { what } if what == "prohibited" => "a firewall on the way prohibits it".to_owned(),
        Opened::Unreachable { what } => format!("the {what} cannot be reached"),
        Opened::Reset => "the connection was reset at once (connect-reset)".to_owned(),
        Opened::NoRouteHere { error } => format!("this machine has no way there: {error}"),
        Opened::Failed { error } => error.clone(),
    }
}

/// A typed session on a connection that stands.
pub struct Session {
    connection: Connection,
    since: Instant,
    conversation: Conversation,
    limit: Duration,
}

impl Session {
    /// The machine.
    pub fn conversation(&self) -> &Conversation {
        &self.conversation
    }

    /// The machine, to give it a line; what it gives back goes to [`Session::send`].
    pub fn conversation_mut(&mut self) -> &mut Conversation {
        &mut self.conversation
    }

    /// Our own address, where it is known.
    pub fn local(&self) -> Option<SocketAddr> {
        self.connection.local
    }

    /// The session's clock.
    pub fn now(&self) -> Duration {
        self.since.elapsed()
    }

    /// Waits until something happens. Nothing is lost where the wait is dropped.
    pub async fn next(&mut self) -> Happened {
        let mut buffer = [0_u8; 8192];
        let read = self.connection.stream.read(&mut buffer).await;
        let now = self.since.elapsed();
        match read {
            Ok(0) => Happened::Over(self.conversation.cut(), Ended::Closed),
            Ok(length) => Happened::Said(self.conversation.hear(buffer.get(..length).unwrap_or_default(), now)),
            Err(error) => Happened::Over(self.conversation.cut(), why_over(&error)),
        }
    }

    /// Sends what was said.
    ///
    /// # Errors
    /// How the connection ended, or that the server takes nothing any more.
    pub async fn send(&mut self, spoken: &Spoken) -> Result<(), Ended> {
        let sent = timeout(self.limit, async {
            self.connection.stream.write_all(&spoken.octets).await?;
            self.connection.stream.flush().await
        });
        match sent.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(why_over(&error)),
            Err(_) => Err(Ended::Failed(format!("the server took nothing for {} s", self.limit.as_secs_f32()))),
        }
    }

    /// Puts TLS around the connection. Gives what was seen, and plaintext that was dropped; the connection is lost
    /// where the handshake did not succeed.
    pub async fn secure(&mut self, place: &Place, server_name: &str) -> (Option<TlsView>, Option<String>) {
        let plain = std::mem::replace(&mut self.connection.stream, Box::new(tokio::io::empty()));
        let (wire, secured) = shake(&place.trusted, plain, Some(server_name), self.limit).await;
        let mut injected = None;
        if let Some(stream) = secured {
            self.connection.stream = stream;
            injected = self.conversation.secured();
        }
        (<Handshake as Question>::read(wire), injected)
    }

    /// TLS came first: the banner is awaited under it, since now.
    pub fn begin_under_tls(&mut self, protocol: Protocol) {
        self.conversation = Conversation::new(protocol, true);
        self.since = Instant::now();
    }

    /// Ends our half of the connection.
    pub async fn shut(&mut self) {
        let _ = timeout(Duration::from_secs(1), self.connection.stream.shutdown()).await;
    }
}

fn why_over(error: &io::Error) -> Ended {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Ended::ClosedUnderTls,
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => Ended::Reset,
        _ => Ended::Failed(error.to_string()),
    }
}
