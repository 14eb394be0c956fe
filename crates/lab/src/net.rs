//! Addresses and ports of one lab: a loopback network of its own, and the same port on every address.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

/// How often another network or port is tried before giving up.
const TRIES: usize = 50;

/// The first of the ports that a lab may take, and how many there are.
const FIRST_PORT: u16 = 10_240;
const PORTS: u16 = 20_000;

/// The places of a lab.
#[derive(Debug, Clone)]
pub struct Plan {
    network: [u8; 2],
    /// The port of mail exchange on every address.
    pub smtp: u16,
    /// The port of submission.
    pub submission: u16,
    /// The port of submission with implicit TLS.
    pub smtps: u16,
    /// The port of IMAP.
    pub imap: u16,
    /// The port of IMAP with implicit TLS.
    pub imaps: u16,
    /// The port of POP3.
    pub pop3: u16,
    /// The port of POP3 with implicit TLS.
    pub pop3s: u16,
    /// The port of DNS.
    pub dns: u16,
    /// The port of the console.
    pub console: u16,
    /// The port of HTTPS: but for the host of the MTA-STS policy, nothing listens there.
    pub https: u16,
}

impl Plan {
    /// Finds a network and ports that are free.
    ///
    /// # Errors
    /// Where loopback has only one address, or no ports are left.
    pub fn find() -> io::Result<Self> {
        for _ in 0..TRIES {
            let seed = crate::random().to_be_bytes();
            let network = [seed[0].clamp(1, 254), seed[1]];
            let mut plan = Self {
                network,
                smtp: 0,
                submission: 0,
                smtps: 0,
                imap: 0,
                imaps: 0,
                pop3: 0,
                pop3s: 0,
                dns: 0,
                console: 0,
                https: 0,
            };
            let first = plan.mx(1);
            // The first address tells whether this network is anybody's.
            if let Err(e) = TcpListener::bind(SocketAddr::new(first, 0)) {
                return Err(io::Error::new(
                    e.kind(),
                    format!("the lab needs loopback addresses beyond 127.0.0.1, and {first} cannot be used: {e}"),
                ));
            }
            let ports: Option<Vec<u16>> = (0..10).map(|_| plan.free_port()).collect();
            let distinct = ports.as_ref().map(|p| p.iter().collect::<std::collections::BTreeSet<_>>().len());
            if distinct != Some(10) {
                continue;
            }
            if let Some([smtp, submission, smtps, imap, imaps, pop3, pop3s, dns, console, https]) = ports.as_deref() {
                (plan.smtp, plan.submission, plan.smtps, plan.imap, plan.imaps) =
                    (*smtp, *submission, *smtps, *imap, *imaps);
                (plan.pop3, plan.pop3s, plan.dns) = (*pop3, *pop3s, *dns);
                (plan.console, plan.https) = (*console, *https);
                return Ok(plan);
            }
        }
        Err(io::Error::new(io::ErrorKind::AddrInUse, "no free loopback ports were found for the lab"))
    }

    /// A port that is free for TCP and UDP on all addresses of the lab. Below the range from which systems
    /// give out ports by themselves: there a client's socket may take it before the server does.
    fn free_port(&self) -> Option<u16> {
        (0..TRIES).find_map(|_| {
            let port = FIRST_PORT + u16::try_from(crate::random() % u64::from(PORTS)).ok()?;
            let servers = [self.root(), self.authoritative(1), self.authoritative(2), self.resolver(), self.outside()];
            let all = [self.mx(1), self.mx(2), self.mail(), self.web()].into_iter().chain(servers);
            let free = |ip: &IpAddr| {
                let on = SocketAddr::new(*ip, port);
                TcpListener::bind(on).is_ok() && UdpSocket::bind(on).is_ok()
            };
            all.clone().all(|ip| free(&ip)).then_some(port)
        })
    }

    fn address(&self, last: u8) -> IpAddr {
        Ipv4Addr::new(127, self.network[0], self.network[1], last).into()
    }

    /// The address of a mail exchanger, 1 or 2.
    pub fn mx(&self, number: u8) -> IpAddr {
        self.address(10 + number)
    }

    /// The address of submission and mailboxes.
    pub fn mail(&self) -> IpAddr {
        self.address(20)
    }

    /// The address of the host that serves the MTA-STS policy.
    pub fn web(&self) -> IpAddr {
        self.address(30)
    }

    /// The resolver inside.
    pub fn resolver(&self) -> IpAddr {
        self.address(53)
    }

    /// The resolver outside.
    pub fn outside(&self) -> IpAddr {
        self.address(54)
    }

    /// The root server of the lab.
    pub fn root(&self) -> IpAddr {
        self.address(50)
    }

    /// An authoritative server of the domain, 1 or 2.
    pub fn authoritative(&self, number: u8) -> IpAddr {
        self.address(50 + number)
    }

    /// The address from which another domain sends to the lab.
    pub fn sender(&self) -> IpAddr {
        self.address(30)
    }

    /// An address of the lab at which nothing lives.
    pub fn nobody(&self) -> IpAddr {
        self.address(99)
    }
}
