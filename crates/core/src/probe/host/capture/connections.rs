//! Connections to the SMTP port, and to the ident port of its clients: when each asked, and when it was answered.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::packet::Segment;

/// The most connections of one kind that are kept.
const MAX_CONNECTIONS: usize = 10_000;

/// The most of a greeting that is read, in octets.
const MAX_GREETING: usize = 2048;

/// A connection to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Connection {
    pub(crate) client: SocketAddr,
    pub(crate) server: SocketAddr,
    /// When it was asked for.
    pub(crate) at: Duration,
    /// When the first octet of the greeting came.
    pub(crate) first: Option<Duration>,
    /// When the greeting's last line was whole.
    pub(crate) greeted: Option<Duration>,
    /// When either side ended it.
    pub(crate) ended: Option<Duration>,
    /// The request came in to this machine: the server stands here.
    pub(crate) here: bool,
    greeting: Vec<u8>,
}

/// A question for the user of a connection, to port 113 of the client (RFC 1413).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ident {
    pub(crate) host: SocketAddr,
    pub(crate) client: SocketAddr,
    pub(crate) at: Duration,
    /// When the client refused, ended, or said something.
    pub(crate) answered: Option<Duration>,
    /// When the host closed a connection on which nothing was said.
    pub(crate) given_up: Option<Duration>,
}

/// All connections of a capture, by client and server.
#[derive(Debug, Default)]
pub(super) struct Connections {
    open: HashMap<(SocketAddr, SocketAddr), usize>,
    all: Vec<Connection>,
    idents: Vec<Ident>,
    /// More came than are kept.
    pub(super) full: bool,
}

impl Connections {
    /// A segment from a client to the server's SMTP port.
    pub(super) fn client_sent(
        &mut self,
        (client, server): (SocketAddr, SocketAddr),
        segment: &Segment<'_>,
        at: Duration,
        outgoing: bool,
    ) {
        let key = (client, server);
        let full = self.all.len() >= MAX_CONNECTIONS;
        let held = self.open.get(&key).and_then(|place| self.all.get_mut(*place));
        if segment.syn && !segment.ack {
            match held.filter(|c| c.ended.is_none() && c.first.is_none()) {
                // Sent again, or seen on another interface: the wait began with the first.
                Some(known) => known.here |= !outgoing,
                None if full => self.full = true,
                None => {
                    self.open.insert(key, self.all.len());
                    self.all.push(Connection {
                        client,
                        server,
                        at,
                        first: None,
                        greeted: None,
                        ended: None,
                        here: !outgoing,
                        greeting: Vec::new(),
                    });
                }
            }
        } else if let Some(known) = held.filter(|_| segment.fin || segment.reset) {
            known.ended.get_or_insert(at);
        }
    }

    /// A segment from the server's SMTP port to a client.
    pub(super) fn server_sent(
        &mut self,
        (server, client): (SocketAddr, SocketAddr),
        segment: &Segment<'_>,
        at: Duration,
    ) {
        let place = self.open.get(&(client, server)).copied();
        let Some(known) = place.and_then(|place| self.all.get_mut(place)) else { return };
        if segment.length > 0 && known.greeted.is_none() {
            known.first.get_or_insert(at);
            let room = MAX_GREETING.saturating_sub(known.greeting.len());
            known.greeting.extend(segment.octets.iter().take(room));
            if ends_reply(&known.greeting) || room == 0 {
                known.greeted = Some(at);
                known.greeting = Vec::new();
            }
        }
        if segment.fin || segment.reset {
            known.ended.get_or_insert(at);
        }
    }

    /// A segment from this machine to a client's ident port.
    pub(super) fn ident_asked(
        &mut self,
        (host, client): (SocketAddr, SocketAddr),
        segment: &Segment<'_>,
        at: Duration,
    ) {
        let room = self.idents.len() < MAX_CONNECTIONS;
        let known = self.idents.iter_mut().rev().find(|i| (i.host, i.client) == (host, client));
        match known {
            Some(asked) if segment.fin || segment.reset => {
                asked.given_up.get_or_insert(at);
            }
            // Sent again: the wait began with the first.
            Some(asked) if asked.answered.is_none() && asked.given_up.is_none() => {}
            _ if segment.syn && !segment.ack && room => {
                self.idents.push(Ident { host, client, at, answered: None, given_up: None });
            }
            _ => {}
        }
    }

    /// A segment from a client's ident port. That it takes the connection is no answer yet; a refusal is one.
    pub(super) fn ident_answered(
        &mut self,
        (client, host): (SocketAddr, SocketAddr),
        segment: &Segment<'_>,
        at: Duration,
    ) {
        let known = self.idents.iter_mut().rev().find(|i| (i.host, i.client) == (host, client));
        if let Some(asked) =
            known.filter(|i| i.given_up.is_none() && (segment.fin || segment.reset || segment.length > 0))
        {
            asked.answered.get_or_insert(at);
        }
    }

    /// All that was seen.
    pub(super) fn close(self) -> (Vec<Connection>, Vec<Ident>) {
        (self.all, self.idents)
    }
}

/// Whether a reply is whole: its last line has no hyphen behind the code (RFC 5321 section 4.2.1).
fn ends_reply(octets: &[u8]) -> bool {
    octets.ends_with(b"\n")
        && octets.split_inclusive(|o| *o == b'\n').next_back().is_some_and(|line| line.get(3) != Some(&b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn segment(octets: &[u8], syn: bool) -> Segment<'_> {
        Segment { sequence: 1, syn, ack: !syn, fin: false, reset: false, length: octets.len(), octets }
    }

    #[test]
    fn a_greeting_in_two_parts_has_a_first_octet_and_an_end() {
        let (client, server) = ("198.51.100.9:40000".parse().unwrap(), "192.0.2.7:25".parse().unwrap());
        let mut all = Connections::default();
        all.client_sent((client, server), &segment(b"", true), ms(0), false);
        all.client_sent((client, server), &segment(b"", true), ms(1000), false);
        all.server_sent((server, client), &segment(b"", false), ms(1001));
        all.server_sent((server, client), &segment(b"220-mx.example\r\n", false), ms(1010));
        all.server_sent((server, client), &segment(b"220 mx.example\r\n", false), ms(7000));
        all.server_sent((server, client), &segment(b"250 later\r\n", false), ms(8000));
        let (seen, _) = all.close();
        assert_eq!(
            (seen.len(), seen[0].at, seen[0].first, seen[0].greeted),
            (1, ms(0), Some(ms(1010)), Some(ms(7000)))
        );
        assert!(seen[0].here);
    }

    #[test]
    fn an_ident_question_is_answered_by_a_refusal_and_not_by_taking_the_connection() {
        let (host, client) = ("192.0.2.7:40001".parse().unwrap(), "198.51.100.9:113".parse().unwrap());
        let mut all = Connections::default();
        all.ident_asked((host, client), &segment(b"", true), ms(5));
        all.ident_asked((host, client), &segment(b"", true), ms(1005));
        let refused = Segment { reset: true, ..segment(b"", false) };
        all.ident_answered((client, host), &refused, ms(1006));
        let other = "192.0.2.7:40002".parse().unwrap();
        all.ident_asked((other, client), &segment(b"", true), ms(2000));
        all.ident_answered((client, other), &segment(b"", false), ms(2001));
        let closed = Segment { fin: true, ..segment(b"", false) };
        all.ident_asked((other, client), &closed, ms(7000));
        all.ident_answered((client, other), &closed, ms(7001));
        let asked = |host, at, answered, given_up| Ident { host, client, at: ms(at), answered, given_up };
        assert_eq!(all.close().1, [asked(host, 5, Some(ms(1006)), None), asked(other, 2000, None, Some(ms(7000)))]);
    }
}
