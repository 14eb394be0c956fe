//! Places to look from. All I/O of probes goes through one, and a probe cannot tell which it has.

mod dns;
mod footprints;
pub mod http;
mod polite;
mod prompt;
pub(crate) mod resolver;
mod socks;
mod sources;
mod spec;
mod ssh;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpSocket;
use tokio::time::timeout;

use self::socks::Socks;
use self::ssh::{Destination, Ssh};
use crate::options::Options;
use crate::questions::tcp::Opened;
use crate::subject::VantageId;

use prompt::Prompt;

pub use dns::{Asking, DNS_LIMIT, RETRY_AT};
pub use footprints::Footprints;
pub use polite::{MAX_PER_ADDRESS, MAX_PER_SERVICE, Permit, Polite};
pub use spec::VantageSpec;

/// The segment that every path carries: what TCP takes for granted where nothing is said (RFC 9293 section 3.7.1).
pub const SMALL_SEGMENT: u32 = 536;

/// A stream of octets to a peer.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection that stands.
pub struct Connection {
    /// The octets.
    pub stream: Box<dyn Stream>,
    /// Our own address, as far as this place knows it; port 0 where only the address is known.
    pub local: Option<SocketAddr>,
    /// Its share of what politeness allows; given back when the connection is dropped.
    _permit: Permit,
}

impl Connection {
    /// The other end is a process that we started ourselves.
    pub fn to_process(stream: Box<dyn Stream>) -> Self {
        Self { stream, local: None, _permit: Permit::unneeded() }
    }
}

enum Way {
    Direct { bind: Option<IpAddr> },
    Socks5(Socks),
    Ssh(Box<Ssh>),
}

/// A place to look from.
pub struct Vantage {
    /// Its name.
    pub id: VantageId,
    /// The resolver that was named, or the system's.
    given_resolver: SocketAddr,
    /// What we leave on the wire ourselves.
    pub footprints: Footprints,
    way: Way,
    polite: Polite,
}

impl Vantage {
    /// A place as the user named it. `resolver` is asked from there, unless the place has one of its own that we
    /// learn of.
    pub fn new(spec: &VantageSpec, options: &Options, resolver: SocketAddr) -> Self {
        let way = match spec {
            VantageSpec::Local => Way::Direct { bind: options.bind },
            VantageSpec::Socks5 { proxy, user, .. } => {
                Way::Socks5(Socks::new(proxy.clone(), user.clone().zip(options.socks_password.clone())))
            }
            VantageSpec::Ssh { user, host, port, .. } => {
                Way::Ssh(Box::new(Ssh::new(Destination { user: user.clone(), host: host.clone(), port: *port })))
            }
        };
        Self {
            id: VantageId(spec.name().to_owned()),
            given_resolver: resolver,
            way,
            footprints: Footprints::default(),
            polite: Polite::default(),
        }
    }

    /// This machine, as it is where no option says otherwise.
    pub fn here(resolver: SocketAddr) -> Self {
        Self::new(&VantageSpec::Local, &Options::default(), resolver)
    }

    /// `local`, `socks5` or `ssh`.
    pub fn kind(&self) -> &'static str {
        match self.way {
            Way::Direct { .. } => "local",
            Way::Socks5(_) => "socks5",
            Way::Ssh(_) => "ssh",
        }
    }

    /// Makes the place ready within `limit`: logs in, finds its resolver. Nothing can be asked from a place that
    /// did not become ready.
    ///
    /// # Errors
    /// Why it cannot be used, and what to do, in a sentence. That is our affair and never the target's.
    pub async fn open(&self, limit: Duration) -> Result<(), String> {
        let opened = match &self.way {
            Way::Direct { .. } => return Ok(()),
            Way::Socks5(socks) => timeout(limit, socks.open(self.given_resolver)).await,
            Way::Ssh(ssh) => Ok(ssh.open(limit).await),
        };
        // A proxy that is slow with this one connection may serve the next.
        opened.unwrap_or(Ok(()))
    }

    /// Ends what was opened, and waits until it is gone.
    pub async fn close(&self) {
        if let Way::Ssh(ssh) = &self.way {
            ssh.close().await;
        }
    }

    /// The resolver of this place: its own where it told us, otherwise the one that was named, asked from there.
    pub fn resolver(&self) -> SocketAddr {
        self.own_resolver().unwrap_or(self.given_resolver)
    }

    /// The resolver that the place itself told us.
    pub fn own_resolver(&self) -> Option<SocketAddr> {
        match &self.way {
            Way::Ssh(ssh) => ssh.facts().resolver,
            Way::Direct { .. } | Way::Socks5(_) => None,
        }
    }

    /// The source address that the place itself told us.
    pub fn own_source(&self) -> Option<IpAddr> {
        match &self.way {
            Way::Ssh(ssh) => ssh.facts().source,
            Way::Direct { .. } | Way::Socks5(_) => None,
        }
    }

    /// The source address that a connection would have, where this place knows. Connecting a datagram socket
    /// sends nothing.
    pub fn source_for(&self, to: SocketAddr) -> Option<IpAddr> {
        match &self.way {
            Way::Direct { bind } => {
                let any: SocketAddr = if to.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
                let from = bind.filter(|ip| ip.is_ipv4() == to.is_ipv4()).map_or(any, |ip| SocketAddr::new(ip, 0));
                let socket = std::net::UdpSocket::bind(from).ok()?;
                socket.connect(to).ok()?;
                socket.local_addr().ok().map(|local| local.ip())
            }
            Way::Socks5(_) => None,
            Way::Ssh(_) => self.own_source().filter(|ip| ip.is_ipv4() == to.is_ipv4()),
        }
    }

    /// Opens a connection within `limit`; waits before that for what politeness allows.
    ///
    /// # Errors
    /// What came of it instead.
    pub async fn connect(&self, to: SocketAddr, limit: Duration) -> Result<Connection, Opened> {
        self.open_connection(to, Manner::default(), limit).await
    }

    /// The same when no other connection of ours to that address has stood for as long as `settles`: a server may count one for a
    /// moment after its end. `None` where that does not come within `limit`.
    ///
    /// # Errors
    /// What came of it instead.
    pub async fn connect_alone(
        &self,
        to: SocketAddr,
        limit: Duration,
        settles: Duration,
    ) -> Option<Result<Connection, Opened>> {
        let permit = timeout(limit, self.polite.permit_alone(to)).await.ok()?;
        tokio::time::sleep(settles).await;
        Some(self.open_with(permit, to, Manner::default(), limit).await)
    }

    /// The same from another address of this place, such as [`Vantage::fresh_source`] gives.
    ///
    /// # Errors
    /// What came of it instead.
    pub async fn connect_from(&self, source: IpAddr, to: SocketAddr, limit: Duration) -> Result<Connection, Opened> {
        self.open_connection(to, Manner { source: Some(source), ..Manner::default() }, limit).await
    }

    /// The same in segments of at most [`SMALL_SEGMENT`] octets in both directions; `None` where this place does not let us
    /// choose that.
    ///
    /// # Errors
    /// What came of it instead.
    pub async fn connect_in_small_segments(
        &self,
        to: SocketAddr,
        limit: Duration,
    ) -> Option<Result<Connection, Opened>> {
        let manner = Manner { segment: Some(SMALL_SEGMENT), ..Manner::default() };
        match &self.way {
            Way::Direct { .. } => Some(self.open_connection(to, manner, limit).await),
            Way::Socks5(_) | Way::Ssh(_) => None,
        }
    }

    /// Another address that connections of this place could come from, and that peers would take for another client;
    /// `None` where there is none, or the place does not let us choose.
    pub fn fresh_source(&self, to: SocketAddr) -> Option<IpAddr> {
        match &self.way {
            Way::Direct { .. } => sources::fresh(self.source_for(to)?, to.ip()),
            Way::Socks5(_) | Way::Ssh(_) => None,
        }
    }

    async fn open_connection(&self, to: SocketAddr, manner: Manner, limit: Duration) -> Result<Connection, Opened> {
        let permit = self.polite.permit(to).await;
        self.open_with(permit, to, manner, limit).await
    }

    async fn open_with(
        &self,
        permit: Permit,
        to: SocketAddr,
        manner: Manner,
        limit: Duration,
    ) -> Result<Connection, Opened> {
        let opened = match &self.way {
            Way::Direct { bind } => {
                timeout(limit, direct(to, Manner { source: manner.source.or(*bind), ..manner })).await
            }
            Way::Socks5(socks) => timeout(limit, socks.connect(to)).await,
            Way::Ssh(ssh) => timeout(limit, ssh.connect(to)).await,
        };
        let (stream, local) = opened.unwrap_or(Err(Opened::TimedOut))?;
        // Behind ssh only the address is known, and it is none of this machine's.
        if let Some(local) = local.filter(|local| local.port() != 0) {
            self.footprints.note_connection(local);
        }
        Ok(Connection { stream, local, _permit: permit })
    }
}

type Opening = Result<(Box<dyn Stream>, Option<SocketAddr>), Opened>;

/// What a connection of this machine is told before it is opened.
#[derive(Debug, Clone, Copy, Default)]
struct Manner {
    /// The address it comes from.
    source: Option<IpAddr>,
    /// The largest segment, in octets, that is sent and asked for.
    segment: Option<u32>,
}

async fn direct(to: SocketAddr, manner: Manner) -> Opening {
    let failed = |e: io::Error| Opened::Failed { error: e.to_string() };
    let socket = if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.map_err(failed)?;
    if let Some(ip) = manner.source.filter(|ip| ip.is_ipv4() == to.is_ipv4()) {
        socket.bind(SocketAddr::new(ip, 0)).map_err(failed)?;
    }
    if let Some(octets) = manner.segment {
        socket2::SockRef::from(&socket).set_tcp_mss(octets).map_err(failed)?;
    }
    match socket.connect(to).await {
        Ok(stream) => {
            let local = stream.local_addr().ok();
            Ok((Box::new(Prompt::new(stream)), local))
        }
        Err(error) => Err(why_not(&error, to)),
    }
}

fn why_not(error: &io::Error, to: SocketAddr) -> Opened {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Opened::Refused,
        io::ErrorKind::TimedOut => Opened::TimedOut,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Opened::Reset,
        io::ErrorKind::HostUnreachable => Opened::Unreachable { what: "host".to_owned() },
        io::ErrorKind::NetworkUnreachable if has_route(to) => Opened::Unreachable { what: "network".to_owned() },
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::AddrNotAvailable => {
            Opened::NoRouteHere { error: error.to_string() }
        }
        io::ErrorKind::PermissionDenied => Opened::Unreachable { what: "prohibited".to_owned() },
        _ => Opened::Failed { error: error.to_string() },
    }
}

/// Whether this machine has a way out for the family at all: connecting a datagram socket sends nothing,
/// and only looks for a route.
fn has_route(to: SocketAddr) -> bool {
    let (any, out): (SocketAddr, SocketAddr) = if to.is_ipv4() {
        (([0, 0, 0, 0], 0).into(), ([198, 41, 0, 4], 53).into())
    } else {
        (([0_u16; 8], 0).into(), ([0x2001, 0x503, 0xba3e, 0, 0, 0, 2, 0x30], 53).into())
    };
    std::net::UdpSocket::bind(any).and_then(|socket| socket.connect(out)).is_ok()
}
