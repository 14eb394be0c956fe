//! Questions and answers, matched: what was asked of whom, how often, and what came back when.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use super::dns::Message;
use crate::vantage::Footprints;

/// The most lookups that are kept; with more, what is said of the rest is not proven.
pub(super) const MAX_LOOKUPS: usize = 50_000;

/// The most resolvers that are counted.
const MAX_RESOLVERS: usize = 64;

/// The most times that one question is written down as sent.
const MAX_TRIES: usize = 16;

/// A question that comes twice within this time came by two interfaces: no resolver's client asks again so soon.
const SAME_PACKET: Duration = Duration::from_millis(40);

/// A question with the same id, name and type within this time is the same lookup tried again.
const SAME_LOOKUP: Duration = Duration::from_secs(45);

/// One sending of a question, to one resolver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Try {
    pub(crate) client: SocketAddr,
    pub(crate) server: SocketAddr,
    pub(crate) tcp: bool,
    pub(crate) at: Duration,
    /// When the answer to it came, and with which code.
    pub(crate) answer: Option<(Duration, u16)>,
}

/// One question with all its sendings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lookup {
    pub(crate) id: u16,
    pub(crate) name: String,
    pub(crate) rtype: String,
    pub(crate) tries: Vec<Try>,
}

impl Lookup {
    fn first(&self) -> Duration {
        self.tries.first().map(|t| t.at).unwrap_or_default()
    }

    fn last(&self) -> Duration {
        self.tries.last().map(|t| t.at).unwrap_or_default()
    }
}

/// How often a resolver was asked, and how often it answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) asked: u32,
    pub(crate) answered: u32,
}

/// Everything that was asked and answered.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    lookups: Vec<Lookup>,
    latest: HashMap<(u16, String, String), usize>,
    /// More lookups came than are kept.
    pub(super) full: bool,
}

impl Ledger {
    /// Takes a message that went from `from` to `to`.
    pub(super) fn take(&mut self, message: Message, (from, to): (SocketAddr, SocketAddr), tcp: bool, at: Duration) {
        let key = (message.id, message.name, message.rtype);
        let known = self.latest.get(&key).copied();
        if message.response {
            if let Some(lookup) = known.and_then(|place| self.lookups.get_mut(place)) {
                answer(lookup, (from, to), at, message.rcode, message.truncated);
            }
        } else if message.recursion {
            self.ask(key, known, Try { client: from, server: to, tcp, at, answer: None });
        }
    }

    fn ask(&mut self, key: (u16, String, String), known: Option<usize>, sent: Try) {
        if let Some(lookup) = known
            .and_then(|place| self.lookups.get_mut(place))
            .filter(|lookup| sent.at.saturating_sub(lookup.last()) < SAME_LOOKUP)
        {
            let twin = |t: &Try| t.server == sent.server && t.tcp == sent.tcp && sent.at.abs_diff(t.at) < SAME_PACKET;
            if lookup.tries.len() < MAX_TRIES && !lookup.tries.iter().any(twin) {
                lookup.tries.push(sent);
            }
            return;
        }
        if self.lookups.len() >= MAX_LOOKUPS {
            self.full = true;
            return;
        }
        let (id, name, rtype) = key.clone();
        self.latest.insert(key, self.lookups.len());
        self.lookups.push(Lookup { id, name, rtype, tries: vec![sent] });
    }

    /// What was asked by others than this program, in the order in which it was first asked; and how each resolver
    /// fared. `configured` are the resolvers that the server was told to ask: a question to anybody else while the
    /// same is being asked of one of them is a forwarder passing it on.
    pub(super) fn close(
        self,
        own: &Footprints,
        configured: &[SocketAddr],
    ) -> (Vec<Lookup>, BTreeMap<SocketAddr, Tally>) {
        let mut lookups: Vec<Lookup> = self.lookups;
        for lookup in &mut lookups {
            lookup.tries.retain(|t| !own.asked(t.client.port(), lookup.id));
        }
        lookups.retain(|lookup| !lookup.tries.is_empty());
        let told = |lookup: &Lookup| lookup.tries.iter().any(|t| configured.contains(&t.server));
        let asked: BTreeSet<(String, String)> =
            lookups.iter().filter(|l| told(l)).map(|l| (l.name.clone(), l.rtype.clone())).collect();
        lookups.retain(|l| told(l) || !asked.contains(&(l.name.clone(), l.rtype.clone())));
        lookups.sort_by_key(Lookup::first);
        let mut resolvers: BTreeMap<SocketAddr, Tally> = BTreeMap::new();
        for sent in lookups.iter().flat_map(|lookup| &lookup.tries) {
            if resolvers.len() < MAX_RESOLVERS || resolvers.contains_key(&sent.server) {
                let tally = resolvers.entry(sent.server).or_default();
                tally.asked += 1;
                tally.answered += u32::from(sent.answer.is_some());
            }
        }
        (lookups, resolvers)
    }
}

/// Writes an answer to the try it belongs to: the last one of that client to that server, or, where an address was
/// translated on the way, to that server.
fn answer(lookup: &mut Lookup, (server, client): (SocketAddr, SocketAddr), at: Duration, rcode: u16, truncated: bool) {
    let open = |t: &&mut Try| t.server == server && t.answer.is_none();
    let exact = lookup.tries.iter().any(|t| t.server == server && t.client == client && t.answer.is_none());
    // A cut answer is no answer: the same question follows over TCP, and its try is answered.
    let taken = lookup.tries.iter_mut().rev().filter(open).find(|t| !exact || t.client == client);
    if let Some(sent) = taken.filter(|_| !truncated) {
        sent.answer = Some((at, rcode));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::host::capture::dns::{read, tests::message};
    use hickory_proto::op::ResponseCode;
    use proptest::prelude::*;

    const CLIENT: &str = "192.0.2.7:40000";

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn ledger(steps: &[(u64, u16, &str, &str, Option<ResponseCode>)]) -> (Vec<Lookup>, BTreeMap<SocketAddr, Tally>) {
        let mut ledger = Ledger::default();
        let client: SocketAddr = CLIENT.parse().unwrap();
        for (at, id, name, server, rcode) in steps {
            let server: SocketAddr = format!("{server}:53").parse().unwrap();
            let way = if rcode.is_some() { (server, client) } else { (client, server) };
            ledger.take(read(&message(*id, name, *rcode)).unwrap(), way, false, ms(*at));
        }
        ledger.close(&Footprints::default(), &["192.0.2.53:53".parse().unwrap()])
    }

    #[test]
    fn a_question_tried_again_elsewhere_is_one_lookup() {
        let (lookups, resolvers) = ledger(&[
            (0, 7, "a.example", "192.0.2.53", None),
            (10, 7, "a.example", "192.0.2.53", None),
            (1000, 7, "a.example", "192.0.2.54", None),
            (1020, 7, "A.Example", "192.0.2.54", Some(ResponseCode::NXDomain)),
        ]);
        let [lookup] = lookups.as_slice() else { panic!("{lookups:?}") };
        let seen: Vec<_> = lookup.tries.iter().map(|t| (t.at, t.answer)).collect();
        assert_eq!(seen, [(ms(0), None), (ms(1000), Some((ms(1020), 3)))]);
        assert_eq!(resolvers.values().map(|t| (t.asked, t.answered)).collect::<Vec<_>>(), [(1, 0), (1, 1)]);
    }

    #[test]
    fn an_answer_to_another_question_answers_nothing() {
        let (lookups, _) = ledger(&[
            (0, 7, "a.example", "192.0.2.53", None),
            (5, 8, "a.example", "192.0.2.53", Some(ResponseCode::NoError)),
            (5, 7, "b.example", "192.0.2.53", Some(ResponseCode::NoError)),
            (5, 7, "a.example", "192.0.2.99", Some(ResponseCode::NoError)),
        ]);
        assert!(lookups.iter().flat_map(|l| &l.tries).all(|t| t.answer.is_none()));
    }

    #[test]
    fn what_a_forwarder_passes_on_is_not_the_servers_question() {
        let (lookups, _) = ledger(&[
            (0, 7, "a.example", "192.0.2.53", None),
            (1, 90, "a.example", "198.51.100.1", None),
            (500, 91, "other.example", "198.51.100.1", None),
        ]);
        assert_eq!(lookups.iter().map(|l| l.id).collect::<Vec<_>>(), [7, 91]);
    }

    #[test]
    fn our_own_questions_are_left_out() {
        let mut ledger = Ledger::default();
        let way = (CLIENT.parse().unwrap(), "192.0.2.53:53".parse().unwrap());
        ledger.take(read(&message(7, "a.example", None)).unwrap(), way, false, ms(0));
        let own = Footprints::default();
        own.note_question(way.0.port(), 7);
        assert!(ledger.close(&own, &[]).0.is_empty());
    }

    proptest! {
        #[test]
        fn any_order_of_messages_is_taken(steps in proptest::collection::vec((0_u64..90_000, 0_u16..3, 0_u8..3, any::<bool>()), 0..40)) {
            let steps: Vec<_> = steps.iter().map(|(at, id, server, answers)| {
                let server = ["192.0.2.53", "192.0.2.54", "2001:db8::53"][usize::from(*server)];
                (*at, *id, server.to_owned(), answers.then_some(ResponseCode::ServFail))
            }).collect();
            let mut ledger = Ledger::default();
            for (at, id, server, rcode) in &steps {
                let server = SocketAddr::new(server.parse().unwrap(), 53);
                ledger.take(read(&message(*id, "a.example", *rcode)).unwrap(), (server, server), false, ms(*at));
            }
            let (lookups, tallies) = ledger.close(&Footprints::default(), &[]);
            prop_assert!(lookups.iter().all(|l| l.tries.len() <= MAX_TRIES));
            prop_assert!(tallies.values().all(|t| t.answered <= t.asked));
        }
    }
}
