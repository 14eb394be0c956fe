//! The question for the MTA-STS policy of a domain, fetched over HTTPS as senders fetch it.

use std::net::SocketAddr;

use jiff::Timestamp;
use maildoctor_wire::octets::unescape;
use maildoctor_wire::records::mtasts::StsPolicy;
use serde::{Deserialize, Serialize};

use super::tcp::Opened;
use super::tls::{Handshake, TlsView, TlsWire};
use crate::case::Question;
use crate::subject::Domain;

/// The path of a policy (RFC 8461 section 3.3).
pub const PATH: &str = "/.well-known/mta-sts.txt";

/// The host that serves a domain's policy.
pub fn host_of(domain: &str) -> String {
    format!("mta-sts.{domain}")
}

/// `https.mta-sts/1`: the policy of a mail domain, from the host `mta-sts.` below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetch;

/// A connection that was tried in vain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Try {
    /// Where to.
    pub service: SocketAddr,
    /// What came of it.
    pub opened: Opened,
}

/// What came of the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum Fetched {
    /// No address took the connection.
    Unreachable,
    /// The handshake failed, or no client that verifies would have gone on: nothing was asked.
    Unsafe,
    /// No whole reply came.
    Failed {
        /// Why, in words.
        error: String,
    },
    /// A whole reply.
    Answered {
        /// The HTTP status.
        status: u16,
        /// The media type, as it was sent.
        content_type: Option<String>,
        /// Where a redirect points.
        location: Option<String>,
        /// When the server sent it, by its own clock.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        date: Option<String>,
        /// The body, made harmless; `None` in a case that was redacted.
        body: Option<String>,
    },
}

/// The wire facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchWire {
    /// The host that was asked.
    pub host: String,
    /// The connections that failed before one stood.
    pub tries: Vec<Try>,
    /// The handshake, where a connection stood.
    pub tls: Option<TlsWire>,
    /// What came of the request.
    #[serde(flatten)]
    pub fetched: Fetched,
}

/// How it reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchView {
    /// The host that was asked.
    pub host: String,
    /// The connections that failed.
    pub tries: Vec<Try>,
    /// The handshake, where a connection stood.
    pub tls: Option<TlsView>,
    /// What came of the request.
    pub fetched: Fetched,
    policy: Option<StsPolicy>,
}

impl FetchView {
    /// What keeps senders from having the policy at a given time, in words; `None` where they get one.
    pub fn obstacle(&self, now: Timestamp) -> Option<String> {
        if let Some(why) = self.tls.as_ref().and_then(|tls| tls.distrust(now)) {
            return Some(why);
        }
        match &self.fetched {
            Fetched::Unreachable => {
                let tries = self.tries.iter().map(|t| format!("{}: {}", t.service, t.opened));
                Some(format!("no connection to it can be had ({})", tries.collect::<Vec<_>>().join(", ")))
            }
            Fetched::Unsafe => Some("TLS with it does not come about".to_owned()),
            Fetched::Failed { error } => Some(error.clone()),
            Fetched::Answered { status, location: Some(location), .. } => {
                Some(format!("it answers {status} and points to {location}, and senders follow no redirect"))
            }
            Fetched::Answered { status, .. } if *status != 200 => Some(format!("it answers {status} in place of 200")),
            Fetched::Answered { content_type, .. } if !is_text(content_type.as_deref()) => Some(format!(
                "it answers with {}, and text/plain is wanted",
                content_type.as_ref().map_or("no content type".to_owned(), |given| format!("the content type {given}"))
            )),
            Fetched::Answered { .. } => None,
        }
    }

    /// The policy, where senders get one at a given time.
    pub fn policy(&self, now: Timestamp) -> Option<&StsPolicy> {
        self.policy.as_ref().filter(|_| self.obstacle(now).is_none())
    }

    /// Whether no try could even leave this place: that says nothing of the host.
    pub fn never_left(&self) -> bool {
        let stuck = |t: &Try| matches!(t.opened, Opened::NoRouteHere { .. } | Opened::Failed { .. });
        self.fetched == Fetched::Unreachable && self.tries.iter().all(stuck)
    }

    /// Whether nothing but silence was met: networks that let nobody out by HTTPS look the same.
    pub fn only_silence(&self) -> bool {
        self.fetched == Fetched::Unreachable && !self.tries.iter().any(|t| t.opened == Opened::Refused)
    }
}

fn is_text(content_type: Option<&str>) -> bool {
    let media = content_type.and_then(|given| given.split(';').next()).map(str::trim);
    media.is_some_and(|media| media.eq_ignore_ascii_case("text/plain"))
}

impl Question for Fetch {
    const PROBE: &'static str = "https.mta-sts/1";
    type On = Domain;
    type Wire = FetchWire;
    type View = FetchView;

    fn read(wire: FetchWire) -> Option<FetchView> {
        let policy = match &wire.fetched {
            Fetched::Answered { body: Some(body), .. } => {
                Some(StsPolicy::parse(&String::from_utf8_lossy(&unescape(body))))
            }
            // What was said is not known any more.
            Fetched::Answered { body: None, .. } => return None,
            _ => None,
        };
        let tls = wire.tls.and_then(<Handshake as Question>::read);
        if tls.as_ref().is_some_and(|tls| tls.done().is_some() && tls.leaf().is_none()) {
            // Whoever shook hands showed a certificate: it was taken out of the case.
            return None;
        }
        Some(FetchView { host: wire.host, tries: wire.tries, tls, fetched: wire.fetched, policy })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, content_type: Option<&str>, body: &str) -> FetchView {
        let fetched = Fetched::Answered {
            status,
            content_type: content_type.map(str::to_owned),
            location: (status == 301).then(|| "https://www.example.org/".to_owned()),
            date: None,
            body: Some(maildoctor_wire::octets::escape(body.as_bytes())),
        };
        Fetch::read(FetchWire { host: "mta-sts.example.org".into(), tries: Vec::new(), tls: None, fetched }).unwrap()
    }

    #[test]
    fn only_a_plain_200_is_a_policy() {
        let now = Timestamp::UNIX_EPOCH;
        let text = "version: STSv1\r\nmode: testing\r\nmx: mx.example.org\r\nmax_age: 86400\r\n";
        for given in ["text/plain", "Text/Plain; charset=utf-8"] {
            let view = answered(200, Some(given), text);
            assert!(view.policy(now).is_some_and(|policy| policy.flaws.is_empty()), "{:?}", view.obstacle(now));
        }
        for (view, said) in [
            (answered(404, Some("text/plain"), text), "404"),
            (answered(301, Some("text/plain"), text), "no redirect"),
            (answered(200, Some("text/html"), text), "text/html"),
            (answered(200, None, text), "no content type"),
        ] {
            assert!(view.policy(now).is_none() && view.obstacle(now).is_some_and(|why| why.contains(said)), "{view:?}");
        }
    }
}
