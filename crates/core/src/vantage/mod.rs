//! Places to look from. All I/O of probes goes through one, and a probe cannot tell which it has.

mod dns;
mod footprints;
pub mod http;
mod polite;
mod prompt;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::options::VantageSpec;
use crate::questions::tcp::Opened;
use crate::subject::VantageId;

use prompt::Prompt;

pub use dns::{Asking, DNS_LIMIT, RETRY_AT};
pub use footprints::Footprints;
pub use polite::{MAX_PER_ADDRESS, MAX_PER_SERVICE, Permit, Polite};

/// A stream of octets to a peer.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection that stands.
pub struct Connection {
    /// The octets.
    pub stream: Box<dyn Stream>,
    /// Our own address, as far as this place knows it.
    pub local: Option<SocketAddr>,
    /// Its share of what politeness allows; given back when the connection is dropped.
    _permit: Permit,
}

enum Way {
    Direct { bind: Option<IpAddr> },
    Socks5 { proxy: String },
}

/// A place to look from.
pub struct Vantage {
    /// Its name.
    pub id: VantageId,
    /// The resolver of this place.
    pub resolver: SocketAddr,
    /// What we leave on the wire ourselves.
    pub footprints: Footprints,
    way: Way,
    polite: Polite,
}

impl Vantage {
    /// A place as the user named it, with its resolver.
    pub fn new(spec: &VantageSpec, bind: Option<IpAddr>, resolver: SocketAddr) -> Self {
        let (id, way) = match spec {
            VantageSpec::Local => (VantageId::local(), Way::Direct { bind }),
            VantageSpec::Socks5 { name, proxy } => (VantageId(name.clone()), Way::Socks5 { proxy: proxy.clone() }),
        };
        Self { id, resolver, way, footprints: Footprints::default(), polite: Polite::default() }
    }

    /// `local` or `socks5`.
    pub fn kind(&self) -> &'static str {
        match self.way {
            Way::Direct { .. } => "local",
            Way::Socks5 { .. } => "socks5",
        }
    }

    /// The source address that a connection would have, where this place decides it itself. Connecting a
    /// datagram socket sends nothing.
    pub fn source_for(&self, to: SocketAddr) -> Option<IpAddr> {
        let Way::Direct { bind } = self.way else { return None };
        let any: SocketAddr = if to.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
        let from = bind.filter(|ip| ip.is_ipv4() == to.is_ipv4()).map_or(any, |ip| SocketAddr::new(ip, 0));
        let socket = std::net::UdpSocket::bind(from).ok()?;
        socket.connect(to).ok()?;
        socket.local_addr().ok().map(|local| local.ip())
    }

    /// Opens a connection within `limit`; waits before that for what politeness allows.
    ///
    /// # Errors
    /// What came of it instead.
    pub async fn connect(&self, to: SocketAddr, limit: Duration) -> Result<Connection, Opened> {
        let permit = self.polite.permit(to).await;
        let opened = match &self.way {
            Way::Direct { bind } => timeout(limit, direct(to, *bind)).await,
            Way::Socks5 { proxy } => timeout(limit, through_socks(proxy, to)).await,
        };
        let (stream, local) = opened.unwrap_or(Err(Opened::TimedOut))?;
        if let Some(local) = local {
            self.footprints.note_connection(local);
        }
        Ok(Connection { stream, local, _permit: permit })
    }
}

type Opening = Result<(Box<dyn Stream>, Option<SocketAddr>), Opened>;

async fn direct(to: SocketAddr, bind: Option<IpAddr>) -> Opening {
    let failed = |e: io::Error| Opened::Failed { error: e.to_string() };
    let socket = if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.map_err(failed)?;
    if let Some(ip) = bind.filter(|ip| ip.is_ipv4() == to.is_ipv4()) {
        socket.bind(SocketAddr::new(ip, 0)).map_err(failed)?;
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

async fn through_socks(proxy: &str, to: SocketAddr) -> Opening {
    use tokio_socks::Error;
    let stream = TcpStream::connect(proxy)
        .await
        .map_err(|e| Opened::Failed { error: format!("the proxy {proxy} cannot be reached: {e}") })?;
    let _ = stream.set_nodelay(true);
    let socks = tokio_socks::tcp::Socks5Stream::connect_with_socket(stream, to).await.map_err(|e| match e {
        Error::ConnectionRefused => Opened::Refused,
        Error::HostUnreachable => Opened::Unreachable { what: "host".to_owned() },
        Error::NetworkUnreachable => Opened::Unreachable { what: "network".to_owned() },
        Error::TtlExpired => Opened::TimedOut,
        Error::ConnectionNotAllowedByRuleset => Opened::Unreachable { what: "prohibited".to_owned() },
        other => Opened::Failed { error: format!("the proxy {proxy} failed: {other}") },
    })?;
    // The address that peers see is the proxy's, and the proxy's answer need not tell it.
    Ok((Box::new(socks), None))
}
