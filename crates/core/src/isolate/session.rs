//! One session with a shadow, and the client it claims to come from.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use maildoctor_wire::dialogue::{Command, Phase};
use tokio::time::{Instant, sleep};

use super::waits::Waits;
use super::{ControlError, StepWait};
use crate::probe::talk::Talk;
use crate::questions::tcp::Opened;
use crate::vantage::{Connection, Vantage};

/// How long a shadow may take to listen, on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// How often is looked whether it does.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Which addresses clients come from.
#[derive(Debug)]
pub struct Clients {
    given: Option<IpAddr>,
    next: AtomicU32,
}

impl Clients {
    /// Always the given one; otherwise a fresh one of the documentation network 203.0.113.0/24 (RFC 5737) each time.
    pub fn new(given: Option<IpAddr>) -> Self {
        let start = u32::try_from(crate::chance::number() % 254).unwrap_or(0);
        Self { given, next: AtomicU32::new(start) }
    }

    pub(super) fn next(&self) -> IpAddr {
        self.given.unwrap_or_else(|| {
            let last = self.next.fetch_add(1, Ordering::Relaxed) % 254 + 1;
            IpAddr::V4(Ipv4Addr::new(203, 0, 113, u8::try_from(last).unwrap_or(1)))
        })
    }
}

/// What is said to a shadow.
#[derive(Debug)]
pub struct Session {
    /// Where clients come from.
    pub clients: Clients,
    /// The forward-path of RCPT.
    pub rcpt: String,
    /// How long one reply is waited for.
    pub limit: Duration,
}

impl Session {
    /// Connects as soon as the shadow listens, says in a PROXY header who the client is, and measures each reply up to RCPT.
    pub(super) async fn with(&self, shadow: SocketAddr) -> Result<Waits, ControlError> {
        let client = self.clients.next();
        let mut talk = Talk::new(connected(shadow).await?);
        let header = match client {
            IpAddr::V4(ip) => format!("PROXY TCP4 {ip} 127.0.0.1 50000 25\r\n"),
            IpAddr::V6(ip) => format!("PROXY TCP6 {ip} ::1 50000 25\r\n"),
        };
        if talk.send_raw(header.as_bytes()).await.is_err() {
            return Err(ControlError::unusable("the shadow closed the connection at once", "look into the mail log"));
        }
        Ok(self.measured(talk, client).await)
    }

    /// Measures each reply up to RCPT, on a connection over which the shadow knows who the client is.
    pub(super) async fn measured(&self, mut talk: Talk, client: IpAddr) -> Waits {
        let mut waits = Waits::default();
        let Some(banner) = talk.hear(self.limit).await.or_else(|| talk.give_up()) else {
            return waits;
        };
        waits.note(&banner);
        let literal = match client {
            IpAddr::V4(ip) => format!("[{ip}]"),
            IpAddr::V6(ip) => format!("[IPv6:{ip}]"),
        };
        if banner.whole().is_some_and(|reply| reply.code == 220) {
            for command in [Command::Ehlo(&literal), Command::Mail(""), Command::Rcpt(&self.rcpt)] {
                let Ok(exchange) = talk.say(&command, self.limit).await else { break };
                // A server may hang up instead of refusing the recipient: its last wait is over all the same.
                let whole = exchange.whole().is_some() || exchange.phase == Phase::Rcpt;
                waits.steps.insert(exchange.phase, StepWait { ms: exchange.wait_ms(), whole });
                if exchange.whole().is_none_or(|reply| reply.class() != 2) {
                    break;
                }
            }
        }
        talk.quit().await;
        waits
    }
}

async fn connected(to: SocketAddr) -> Result<Connection, ControlError> {
    let vantage = Vantage::here(to);
    let until = Instant::now() + READY_WITHIN;
    loop {
        match vantage.connect(to, READY_WITHIN).await {
            Ok(connection) => return Ok(connection),
            Err(Opened::Refused) if Instant::now() < until => sleep(LOOK_EVERY).await,
            Err(_) => {
                return Err(ControlError::unusable(
                    format!("the copy of the server does not listen on {to}"),
                    "see whether the server itself starts with these settings",
                ));
            }
        }
    }
}
