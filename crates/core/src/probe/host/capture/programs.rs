//! What the server asks other programs over TCP, policy services and milters: when it asked, about whom, and when it was
//! answered. Of what it says only the client's address is kept.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::packet::Segment;

/// The most questions that are kept.
const MAX_ASKED: usize = 10_000;

/// The most connections that are followed at once.
const MAX_TALKS: usize = 4_096;

/// Answers that come sooner keep nobody waiting.
const QUICK: Duration = Duration::from_millis(200);

/// A question to a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) server: SocketAddr,
    /// The client of the mail server that it is about.
    pub(crate) about: Option<IpAddr>,
    pub(crate) at: Duration,
    pub(crate) answered: Option<Duration>,
}

/// A connection to a program.
#[derive(Debug, Default)]
struct Talk {
    about: Option<IpAddr>,
    /// Since when it is waited for.
    open: Option<Duration>,
}

/// All questions to programs.
#[derive(Debug, Default)]
pub(super) struct Programs {
    talks: HashMap<(SocketAddr, SocketAddr), Talk>,
    all: Vec<Asked>,
    /// More came than is kept.
    pub(super) full: bool,
}

impl Programs {
    /// A segment from this machine to a program.
    pub(super) fn host_sent(&mut self, (host, server): (SocketAddr, SocketAddr), segment: &Segment<'_>, at: Duration) {
        let asks = segment.length > 0 || (segment.syn && !segment.ack);
        let key = (host, server);
        if asks && self.talks.len() >= MAX_TALKS && !self.talks.contains_key(&key) {
            self.full = true;
            return;
        }
        if asks {
            let talk = self.talks.entry(key).or_default();
            talk.about = client_of(segment.octets).or(talk.about);
            talk.open.get_or_insert(at);
        }
        if segment.fin || segment.reset {
            self.end(key, at);
        }
    }

    /// A segment from a program to this machine: that it takes the connection is an answer as well.
    pub(super) fn server_sent(
        &mut self,
        (server, host): (SocketAddr, SocketAddr),
        segment: &Segment<'_>,
        at: Duration,
    ) {
        let key = (host, server);
        if segment.fin || segment.reset {
            self.end(key, at);
        } else if segment.length > 0 || segment.syn {
            let asked = self.talks.get_mut(&key).and_then(|talk| Some((talk.about, talk.open.take()?)));
            if let Some((about, from)) = asked {
                self.keep(Asked { server, about, at: from, answered: Some(at) });
            }
        }
    }

    fn end(&mut self, key: (SocketAddr, SocketAddr), at: Duration) {
        if let Some(Talk { about, open: Some(from) }) = self.talks.remove(&key) {
            self.keep(Asked { server: key.1, about, at: from, answered: Some(at) });
        }
    }

    fn keep(&mut self, asked: Asked) {
        if asked.answered.is_some_and(|at| at.saturating_sub(asked.at) < QUICK) {
            return;
        }
        if self.all.len() >= MAX_ASKED {
            self.full = true;
        } else {
            self.all.push(asked);
        }
    }

    /// Everything that was waited for, what is still open too.
    pub(super) fn close(mut self) -> Vec<Asked> {
        let open: Vec<Asked> = self
            .talks
            .drain()
            .filter_map(|((_, server), talk)| Some(Asked { server, about: talk.about, at: talk.open?, answered: None }))
            .collect();
        open.into_iter().for_each(|asked| self.keep(asked));
        self.all.sort_by_key(|asked| asked.at);
        self.all
    }
}

/// The client that a question is about: Postfix names it to a policy service, and each mail server to a milter.
fn client_of(octets: &[u8]) -> Option<IpAddr> {
    policy_client(octets).or_else(|| milter_client(octets))
}

/// The attribute `client_address` of a request (Postfix SMTPD_POLICY_README).
fn policy_client(octets: &[u8]) -> Option<IpAddr> {
    let line = octets.split(|o| *o == b'\n').find_map(|line| line.strip_prefix(b"client_address="))?;
    std::str::from_utf8(line).ok()?.parse().ok()
}

/// The address in a milter's SMFIC_CONNECT: behind the length and `C` come the host's name, NUL, the family, the port,
/// the address, NUL. Others, such as macros, may stand before it.
fn milter_client(octets: &[u8]) -> Option<IpAddr> {
    let mut rest = octets;
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let body = after.get(..length)?;
        if let Some((b'C', said)) = body.split_first() {
            let name = said.iter().position(|o| *o == 0)?;
            let (family, end) = said.get(name + 1..)?.split_first()?;
            let address = end.get(2..)?.split(|o| *o == 0).next()?;
            let text = std::str::from_utf8(address).ok().filter(|_| matches!(family, b'4' | b'6'))?;
            return text.strip_prefix("IPv6:").unwrap_or(text).parse().ok();
        }
        rest = after.get(length..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn segment(octets: &[u8], syn: bool, ack: bool) -> Segment<'_> {
        Segment { sequence: 1, syn, ack, fin: false, reset: false, length: octets.len(), octets }
    }

    fn ends() -> (SocketAddr, SocketAddr) {
        ("127.0.0.1:40000".parse().unwrap(), "127.0.0.1:10023".parse().unwrap())
    }

    fn turned((a, b): (SocketAddr, SocketAddr)) -> (SocketAddr, SocketAddr) {
        (b, a)
    }

    #[test]
    fn a_late_answer_of_a_policy_service_is_laid_at_its_client() {
        let mut all = Programs::default();
        all.host_sent(ends(), &segment(b"", true, false), ms(0));
        all.server_sent(turned(ends()), &segment(b"", true, true), ms(1));
        let request = b"request=smtpd_access_policy\nclient_address=198.51.100.9\n\n";
        all.host_sent(ends(), &segment(request, false, true), ms(10));
        all.server_sent(turned(ends()), &segment(b"action=DUNNO\n\n", false, true), ms(3010));
        all.host_sent(ends(), &segment(request, false, true), ms(4000));
        all.server_sent(turned(ends()), &segment(b"action=DUNNO\n\n", false, true), ms(4005));
        let about = Some("198.51.100.9".parse().unwrap());
        let server = ends().1;
        assert_eq!(all.close(), [Asked { server, about, at: ms(10), answered: Some(ms(3010)) }]);
    }

    #[test]
    fn a_milter_is_told_the_client_once_and_waited_for_at_each_step() {
        let mut all = Programs::default();
        let mut right = b"\x00\x00\x00\x05DCxy\x00".to_vec();
        let body = b"Cmx.example\x004\x9c\x40198.51.100.9\x00";
        right.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
        right.extend(body);
        assert_eq!(milter_client(right.get(..right.len() - 1).unwrap()), None, "a packet that was cut tells nothing");
        all.host_sent(ends(), &segment(&right, false, true), ms(0));
        all.server_sent(turned(ends()), &segment(b"\x00\x00\x00\x01c", false, true), ms(5));
        all.host_sent(ends(), &segment(b"\x00\x00\x00\x02Hx", false, true), ms(1000));
        let [asked] = all.close().try_into().unwrap();
        assert_eq!((asked.about, asked.at, asked.answered), (Some("198.51.100.9".parse().unwrap()), ms(1000), None));
    }

    proptest! {
        #[test]
        fn any_octets_are_taken(octets in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = client_of(&octets);
            let mut milter = vec![0, 0, 0, u8::try_from(octets.len()).unwrap()];
            milter.extend(&octets);
            let _ = client_of(&milter);
        }
    }
}
