//! A small signed tree: the root, `org`, and `example.org`, each with a key of its own, whole or broken in one place.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hickory_proto::dnssec::crypto::EcdsaSigningKey;
use hickory_proto::dnssec::rdata::sig::SigInput;
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS, NSEC, NSEC3, RRSIG};
use hickory_proto::dnssec::{Algorithm, DigestType, Nsec3HashAlgorithm, PublicKeyBuf, SigningKey, TBS};
use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, MX, NS, SOA};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType as Type, SerialNumber};
use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::case::{Case, Recorder, TargetRecord, VantageRecord};
use crate::questions::dns::walk::{Anchor, Authoritative, Ended, Walk, WalkWire};
use crate::questions::dns::{Attempt, DnsResult, DnsWire, RecordType, Transport, Via, to_hex};
use crate::subject::{Domain, VantageId};

const NOW: i64 = 1_795_600_000;
const DAY: i64 = 86_400;

/// What a zone says in the place of records that it does not have.
type Proof<'p> = &'p dyn Fn(&Tree) -> Vec<Record>;

fn name(text: &str) -> Name {
    super::message::name(text).unwrap()
}

/// A key, and the zone that it is for.
struct Zone {
    name: Name,
    key: EcdsaSigningKey,
    dnskey: DNSKEY,
}

impl Zone {
    fn new(text: &str) -> Self {
        let pkcs8 = EcdsaSigningKey::generate_pkcs8(Algorithm::ECDSAP256SHA256).unwrap();
        let key = EcdsaSigningKey::from_pkcs8(&pkcs8, Algorithm::ECDSAP256SHA256).unwrap();
        let dnskey = DNSKEY::with_flags(257, key.to_public_key().unwrap());
        Self { name: name(text), key, dnskey }
    }

    fn tag(&self) -> u16 {
        self.dnskey.calculate_key_tag().unwrap()
    }

    fn keys(&self) -> Record {
        Record::from_rdata(self.name.clone(), 60, RData::DNSSEC(DNSSECRData::DNSKEY(self.dnskey.clone())))
    }

    fn ds(&self) -> Record {
        let digest = self.dnskey.to_digest(&self.name, DigestType::SHA256).unwrap();
        let ds = DS::new(self.tag(), Algorithm::ECDSAP256SHA256, DigestType::SHA256, digest.as_ref().to_vec());
        Record::from_rdata(self.name.clone(), 60, RData::DNSSEC(DNSSECRData::DS(ds)))
    }

    /// The records, all of one set, with a signature over them that is valid from and until so many days from now.
    fn signed_for(&self, records: Vec<Record>, labels: Option<u8>, (from, until): (i64, i64)) -> Vec<Record> {
        let first = records[0].clone();
        let serial = |days: i64| SerialNumber::new(u32::try_from(NOW + days * DAY).unwrap());
        let input = SigInput {
            type_covered: first.record_type(),
            algorithm: Algorithm::ECDSAP256SHA256,
            num_labels: labels.unwrap_or(first.name.num_labels()),
            original_ttl: 60,
            sig_expiration: serial(until),
            sig_inception: serial(from),
            key_tag: self.tag(),
            signer_name: self.name.clone(),
        };
        let tbs = TBS::from_input(&first.name, DNSClass::IN, &input, records.iter()).unwrap();
        let rrsig = RRSIG::from_sig(input, self.key.sign(&tbs).unwrap());
        let signature = Record::from_rdata(first.name, 60, RData::DNSSEC(DNSSECRData::RRSIG(rrsig)));
        records.into_iter().chain([signature]).collect()
    }

    fn signed(&self, records: Vec<Record>) -> Vec<Record> {
        self.signed_for(records, None, (-1, 7))
    }

    fn soa(&self) -> Vec<Record> {
        let data = SOA::new(self.name.clone(), self.name.clone(), 1, 1, 1, 1, 1);
        self.signed(vec![Record::from_rdata(self.name.clone(), 60, RData::SOA(data))])
    }

    fn nsec(&self, owner: &str, next: &str, types: &[Type]) -> Vec<Record> {
        let nsec = NSEC::new(name(next), types.iter().copied());
        self.signed(vec![Record::from_rdata(name(owner), 60, RData::DNSSEC(DNSSECRData::NSEC(nsec)))])
    }

    /// The NSEC3 record that stands just before a name, or at it, with the next just after it.
    fn nsec3(&self, of: &str, at: bool, opt_out: bool, iterations: u16, types: &[Type]) -> Vec<Record> {
        let hash = Nsec3HashAlgorithm::SHA1.hash(&[], &name(of), iterations).unwrap();
        let step = |octets: &[u8], by: i16| {
            let mut octets = octets.to_vec();
            let last = octets.last_mut().unwrap();
            *last = u8::try_from(i16::from(*last).saturating_add(by).clamp(0, 255)).unwrap();
            octets
        };
        let owner = if at { hash.as_ref().to_vec() } else { step(hash.as_ref(), -1) };
        let next = step(hash.as_ref(), 1);
        let label = super::denial::base32(&owner);
        let nsec3 = NSEC3::new(Nsec3HashAlgorithm::SHA1, opt_out, iterations, vec![], next, types.iter().copied());
        let owner = self.name.prepend_label(label.as_str()).unwrap();
        self.signed(vec![Record::from_rdata(owner, 60, RData::DNSSEC(DNSSECRData::NSEC3(nsec3)))])
    }
}

fn ns(zone: &str) -> Record {
    Record::from_rdata(name(zone), 60, RData::NS(NS(name("ns.example.net"))))
}

fn mx(host: &str) -> Record {
    Record::from_rdata(name("example.org"), 60, RData::MX(MX::new(10, name(host))))
}

fn a(owner: &str) -> Record {
    Record::from_rdata(name(owner), 60, RData::A(A([192, 0, 2, 1].into())))
}

/// What was heard from the tree, told by the zone that answered.
struct Tree {
    root: Zone,
    org: Zone,
    example: Zone,
    recorder: Recorder,
    anchor: Record,
}

#[derive(Default)]
struct Said {
    answers: Vec<Record>,
    authority: Vec<Record>,
    nxdomain: bool,
    referral: bool,
}

fn answer(answers: Vec<Record>) -> Said {
    Said { answers, ..Said::default() }
}

fn referral(authority: Vec<Record>) -> Said {
    Said { authority, referral: true, ..Said::default() }
}

fn negative(authority: Vec<Record>, nxdomain: bool) -> Said {
    Said { authority, nxdomain, ..Said::default() }
}

impl Tree {
    fn new() -> Self {
        let (root, org, example) = (Zone::new("."), Zone::new("org"), Zone::new("example.org"));
        let anchor = root.ds();
        let tree = Self { root, org, example, recorder: Recorder::default(), anchor };
        tree.keys(&tree.root);
        let ds = tree.root.signed(vec![tree.org.ds()]);
        tree.hear(".", "example.org", RecordType::Ns, referral([vec![ns("org")], ds].concat()));
        tree.keys(&tree.org);
        tree
    }

    /// The same, with the delegation of `example.org` and its keys as they should be.
    fn whole() -> Self {
        let tree = Self::new();
        tree.delegate(tree.org.signed(vec![tree.example.ds()]));
        tree.keys(&tree.example);
        tree
    }

    fn keys(&self, zone: &Zone) {
        let text = super::message::text(&zone.name);
        self.hear(&text, &text, RecordType::Dnskey, answer(zone.signed(vec![zone.keys()])));
    }

    fn delegate(&self, proof: Vec<Record>) {
        self.hear("org", "example.org", RecordType::Ns, referral([vec![ns("example.org")], proof].concat()));
    }

    fn hear(&self, zone: &str, asked: &str, rtype: RecordType, said: Said) {
        let mut message = Message::response(1, OpCode::Query);
        message.metadata.authoritative = !said.referral;
        message.metadata.response_code = if said.nxdomain { ResponseCode::NXDomain } else { ResponseCode::NoError };
        message.add_answers(said.answers);
        message.add_authorities(said.authority);
        self.hear_octets(zone, asked, rtype, &message.to_vec().unwrap());
    }

    fn hear_octets(&self, zone: &str, asked: &str, rtype: RecordType, octets: &[u8]) {
        let server = ([192, 0, 2, 53], 53).into();
        let result = DnsResult::Answered {
            rcode: "NOERROR".to_owned(),
            aa: true,
            ad: false,
            ra: false,
            answers: Vec::new(),
            authority: Vec::new(),
            additional: Vec::new(),
            ede: Vec::new(),
            raw: Some(STANDARD.encode(octets)),
        };
        let attempts: Vec<Attempt> = Vec::new();
        let wire = DnsWire { name: asked.to_owned(), server, attempts, result };
        let via = Via::Authoritative(server);
        let question = Authoritative { name: asked.to_owned(), rtype, via, transport: Transport::Udp };
        let times = (Duration::ZERO, Duration::ZERO);
        self.recorder.record(&question, &Domain::new(zone), &VantageId("local".to_owned()), times, &wire);
    }

    fn case(&self) -> Case {
        let RData::DNSSEC(DNSSECRData::DS(ds)) = &self.anchor.data else { panic!("no DS") };
        let anchor =
            Anchor { tag: ds.key_tag(), algorithm: ds.algorithm().into(), digest: 2, data: to_hex(ds.digest()) };
        let walk = WalkWire { cuts: Vec::new(), ended: Ended::Reached, port: 53, questions: 1, anchors: vec![anchor] };
        let here = VantageId("local".to_owned());
        self.recorder.record(&Walk, &Domain::new("example.org"), &here, (Duration::ZERO, Duration::ZERO), &walk);
        let target = TargetRecord { domain: Some("example.org".to_owned()), ..TargetRecord::default() };
        let now = Timestamp::from_second(NOW).unwrap();
        let vantage = VantageRecord { name: here.0, kind: "local".to_owned(), source_ip: None, resolver: None };
        let mut case = Case::new(target, now, vec![vantage], crate::case::Terms::default());
        case.set_observations(self.recorder.take().0);
        case
    }

    /// What an answer of example.org's server is worth.
    fn verdict(&self, asked: &str, rtype: RecordType, said: Said) -> Verdict {
        self.hear("example.org", asked, rtype, said);
        self.last(asked, rtype)
    }

    fn last(&self, asked: &str, rtype: RecordType) -> Verdict {
        let chain = Chain::of(&self.case(), &VantageId("local".to_owned())).unwrap();
        chain.verdicts(asked, rtype).pop().unwrap().2
    }

    fn of_mx(&self, said: Said) -> Verdict {
        self.verdict("example.org", RecordType::Mx, said)
    }

    fn signed_mx(&self) -> Said {
        answer(self.example.signed(vec![mx("mx1.example.org"), mx("mx2.example.org")]))
    }
}

fn fault(verdict: Verdict) -> Fault {
    match verdict {
        Verdict::Bogus(flaw) => flaw.fault,
        other => panic!("not bogus: {other:?}"),
    }
}

#[test]
fn a_chain_of_good_signatures_is_secure_whatever_the_case_of_names() {
    let tree = Tree::whole();
    assert_eq!(tree.of_mx(tree.signed_mx()), Verdict::Secure);
    let tree = Tree::whole();
    let mut records = tree.example.signed(vec![mx("mx1.example.org")]);
    records[0].name = Name::from_ascii("EXAMPLE.org.").unwrap();
    // The same record twice is one record (RFC 4034 section 6.3).
    records.push(records[0].clone());
    assert_eq!(tree.of_mx(answer(records)), Verdict::Secure);
}

#[test]
fn each_break_of_a_signature_is_told_from_the_others() {
    let broken = |make: Proof<'_>| {
        let tree = Tree::whole();
        let said = answer(make(&tree));
        (fault(tree.of_mx(said)), tree.example.tag())
    };
    let one = || vec![mx("mx1.example.org")];
    let at = |days: i64| Timestamp::from_second(NOW + days * DAY).unwrap();
    let (fault, tag) = broken(&|t| t.example.signed_for(one(), None, (-9, -2)));
    assert_eq!(fault, Fault::Expired { tag, until: at(-2) });
    let (fault, tag) = broken(&|t| t.example.signed_for(one(), None, (1, 9)));
    assert_eq!(fault, Fault::NotYet { tag, from: at(1) });
    let (fault, tag) = broken(&|t| {
        let mut records = t.example.signed(one());
        records[0] = mx("evil.example.org");
        records
    });
    assert_eq!(fault, Fault::Invalid { tag });
    assert_eq!(broken(&|_| one()).0, Fault::Unsigned);
    // Signed by a key that the zone does not publish.
    let stranger = Zone::new("example.org");
    let (fault, tag) = broken(&|_| stranger.signed(one()));
    assert_eq!(fault, Fault::NoKey { tag: stranger.tag(), keys: vec![tag] });
    // One good signature beside a bad one is enough.
    let tree = Tree::whole();
    let both = [tree.example.signed_for(one(), None, (-9, -2)), tree.example.signed(one())].concat();
    assert_eq!(tree.of_mx(answer(both)), Verdict::Secure);
}

#[test]
fn ds_records_must_fit_a_key_that_signs_the_keys() {
    let stranger = Zone::new("example.org");
    let tree = Tree::new();
    tree.delegate(tree.org.signed(vec![stranger.ds()]));
    tree.keys(&tree.example);
    let said = tree.signed_mx();
    let expected = Fault::NoMatch { ds: vec![stranger.tag()], keys: vec![tree.example.tag()] };
    assert_eq!(fault(tree.of_mx(said)), expected);

    let tree = Tree::new();
    tree.delegate(tree.org.signed(vec![tree.example.ds()]));
    tree.hear("example.org", "example.org", RecordType::Dnskey, negative(tree.example.soa(), false));
    let said = tree.signed_mx();
    assert_eq!(fault(tree.of_mx(said)), Fault::NoKeys { ds: vec![tree.example.tag()] });

    // The key is there, and the set of keys is signed by another one alone.
    let tree = Tree::new();
    tree.delegate(tree.org.signed(vec![tree.example.ds()]));
    let keys = stranger.signed(vec![tree.example.keys(), stranger.keys()]);
    tree.hear("example.org", "example.org", RecordType::Dnskey, answer(keys));
    let said = tree.signed_mx();
    let expected = Fault::NoKey { tag: stranger.tag(), keys: vec![tree.example.tag()] };
    assert_eq!(fault(tree.of_mx(said)), expected);

    // The zone above has let the signature over its DS records run out.
    let tree = Tree::new();
    tree.delegate(tree.org.signed_for(vec![tree.example.ds()], None, (-9, -1)));
    tree.keys(&tree.example);
    let said = tree.signed_mx();
    let Verdict::Bogus(flaw) = tree.of_mx(said) else { panic!("not bogus") };
    assert_eq!((flaw.zone.as_str(), flaw.name.as_str(), flaw.rtype.as_str()), ("org", "example.org", "DS"));
    assert!(flaw.in_words(Timestamp::from_second(NOW).unwrap()).contains("expired on"), "{flaw:?}");
}

#[test]
fn a_delegation_that_is_proven_to_be_unsigned_is_no_fault() {
    let unsigned = || answer(vec![mx("mx1.example.org")]);
    let proofs: [Proof<'_>; 4] = [
        &|t| t.org.nsec("example.org", "f.org", &[Type::NS, Type::RRSIG, Type::NSEC]),
        &|t| t.org.nsec3("example.org", true, false, 0, &[Type::NS]),
        &|t| {
            [t.org.nsec3("org", true, true, 0, &[Type::SOA]), t.org.nsec3("example.org", false, true, 0, &[])].concat()
        },
        // More iterations than anybody computes.
        &|t| t.org.nsec3("example.org", false, false, 101, &[]),
    ];
    for proof in proofs {
        let tree = Tree::new();
        tree.delegate(proof(&tree));
        assert_eq!(tree.of_mx(unsigned()), Verdict::Insecure);
    }
    // An algorithm that validators do not know (RFC 4035 section 5.2).
    let tree = Tree::new();
    let ds = DS::new(7, Algorithm::Unknown(251), DigestType::SHA256, vec![0; 32]);
    let ds = Record::from_rdata(name("example.org"), 60, RData::DNSSEC(DNSSECRData::DS(ds)));
    tree.delegate(tree.org.signed(vec![ds]));
    assert_eq!(tree.of_mx(unsigned()), Verdict::Insecure);
}

#[test]
fn a_delegation_without_ds_records_wants_a_proof() {
    let of = |proof: Proof<'_>| {
        let tree = Tree::new();
        tree.delegate(proof(&tree));
        fault(tree.of_mx(answer(vec![mx("mx1.example.org")])))
    };
    assert_eq!(of(&|_| Vec::new()), Fault::NoProof);
    // Proof of something else: of a name beside it, that there is a DS, or that the name is no delegation.
    assert_eq!(of(&|t| t.org.nsec("f.org", "g.org", &[Type::NS])), Fault::NoProof);
    assert_eq!(of(&|t| t.org.nsec("example.org", "f.org", &[Type::NS, Type::DS])), Fault::NoProof);
    assert_eq!(of(&|t| t.org.nsec("example.org", "f.org", &[Type::A])), Fault::NoProof);
    // A hole between hashes without opt-out, which leaves no room for a delegation.
    assert_eq!(of(&|t| t.org.nsec3("example.org", false, false, 0, &[])), Fault::NoProof);
}

#[test]
fn what_is_not_there_must_be_proven_not_to_be() {
    let types = [Type::SOA, Type::NS, Type::DNSKEY];
    let with = |proof: Proof<'_>, asked: &str, nxdomain: bool| {
        let tree = Tree::whole();
        let authority = [tree.example.soa(), proof(&tree)].concat();
        tree.verdict(asked, RecordType::Mx, negative(authority, nxdomain))
    };
    let apex = |t: &Tree| t.example.nsec("example.org", "b.example.org", &types);
    assert_eq!(with(&apex, "example.org", false), Verdict::Secure);
    assert_eq!(
        with(&|t| t.example.nsec3("example.org", true, false, 0, &types), "example.org", false),
        Verdict::Secure
    );
    let there = |t: &Tree| t.example.nsec("example.org", "b.example.org", &[Type::SOA, Type::NS, Type::MX]);
    assert_eq!(fault(with(&there, "example.org", false)), Fault::NoProof);
    assert_eq!(fault(with(&|_| Vec::new(), "example.org", false)), Fault::NoProof);
    // No such name, and no wildcard above it.
    assert_eq!(with(&apex, "a.example.org", true), Verdict::Secure);
    let hashed = |t: &Tree| {
        [
            t.example.nsec3("example.org", true, false, 0, &types),
            t.example.nsec3("a.example.org", false, false, 0, &[]),
            t.example.nsec3("*.example.org", false, false, 0, &[]),
        ]
        .concat()
    };
    assert_eq!(with(&hashed, "a.example.org", true), Verdict::Secure);
    // An empty name that others lie below.
    let between = |t: &Tree| t.example.nsec("example.org", "c.b.example.org", &types);
    assert_eq!(with(&between, "b.example.org", false), Verdict::Secure);
    // Below the zone's own name what lacks a proof may be another zone's, and is not called bogus.
    assert!(matches!(with(&|_| Vec::new(), "a.example.org", true), Verdict::Unknown(_)));
}

#[test]
fn a_wildcard_counts_where_nothing_closer_is_proven_to_be_there() {
    let with = |proof: Proof<'_>| {
        let tree = Tree::whole();
        let answers = tree.example.signed_for(vec![a("mx.example.org")], Some(2), (-1, 1));
        let authority = proof(&tree);
        tree.verdict("mx.example.org", RecordType::A, Said { answers, authority, ..Said::default() })
    };
    assert_eq!(with(&|t| t.example.nsec("*.example.org", "z.example.org", &[Type::A])), Verdict::Secure);
    assert_eq!(with(&|t| t.example.nsec3("mx.example.org", false, false, 0, &[])), Verdict::Secure);
    assert_ne!(with(&|_| Vec::new()), Verdict::Secure);
}

#[test]
fn an_alias_counts_with_what_it_stands_for() {
    let with = |target: &str, signed: bool| {
        let tree = Tree::whole();
        let alias = Record::from_rdata(name("mx.example.org"), 60, RData::CNAME(CNAME(name(target))));
        let there = if signed { tree.example.signed(vec![a(target)]) } else { vec![a(target)] };
        tree.verdict("mx.example.org", RecordType::A, answer([tree.example.signed(vec![alias]), there].concat()))
    };
    assert_eq!(with("real.example.org", true), Verdict::Secure);
    assert_ne!(with("real.example.org", false), Verdict::Secure);
    // Elsewhere another zone's keys would have to be known.
    assert!(matches!(with("real.example.net", true), Verdict::Unknown(_)));
}

#[test]
fn what_does_not_fit_at_the_root_is_not_the_domains_fault() {
    let mut tree = Tree::whole();
    tree.anchor = Zone::new(".").ds();
    let said = tree.signed_mx();
    assert!(matches!(tree.of_mx(said), Verdict::Unknown(_)));
    // Nor can anything be said of a zone whose keys nobody told.
    let tree = Tree::new();
    tree.delegate(tree.org.signed(vec![tree.example.ds()]));
    let said = tree.signed_mx();
    assert!(matches!(tree.of_mx(said), Verdict::Unknown(_)));
}

#[test]
fn a_short_rsa_key_and_an_unknown_algorithm_prove_nothing() {
    let tree = Tree::new();
    // 512 bits: the library refuses whatever such a key has signed, and others may not.
    let key =
        DNSKEY::with_flags(257, PublicKeyBuf::new([&[3, 1, 0, 1][..], &[0x91; 64]].concat(), Algorithm::RSASHA256));
    let tag = key.calculate_key_tag().unwrap();
    let digest = key.to_digest(&name("example.org"), DigestType::SHA256).unwrap();
    let ds = DS::new(tag, Algorithm::RSASHA256, DigestType::SHA256, digest.as_ref().to_vec());
    tree.delegate(tree.org.signed(vec![Record::from_rdata(
        name("example.org"),
        60,
        RData::DNSSEC(DNSSECRData::DS(ds)),
    )]));
    let mut signed =
        tree.example.signed(vec![Record::from_rdata(name("example.org"), 60, RData::DNSSEC(DNSSECRData::DNSKEY(key)))]);
    let RData::DNSSEC(DNSSECRData::RRSIG(sig)) = &signed[1].data else { panic!("no signature") };
    let input = SigInput { algorithm: Algorithm::RSASHA256, key_tag: tag, ..sig.input().clone() };
    signed[1].data = RData::DNSSEC(DNSSECRData::RRSIG(RRSIG::from_sig(input, vec![0; 64])));
    tree.hear("example.org", "example.org", RecordType::Dnskey, answer(signed));
    let said = tree.signed_mx();
    assert!(matches!(tree.of_mx(said), Verdict::Unknown(_)));
}

#[test]
fn keys_and_signatures_are_tried_only_so_often() {
    // KeyTrap: very many signatures that all name one tag, over very many answers.
    let tree = Tree::whole();
    let good = tree.example.signed(vec![mx("mx1.example.org")]);
    let RData::DNSSEC(DNSSECRData::RRSIG(sig)) = &good[1].data else { panic!("no signature") };
    let forged = (0..200_u32).map(|turn| {
        let octets = [&turn.to_be_bytes()[..], &sig.sig()[4..]].concat();
        let rrsig = RRSIG::from_sig(sig.input().clone(), octets);
        Record::from_rdata(name("example.org"), 60, RData::DNSSEC(DNSSECRData::RRSIG(rrsig)))
    });
    let trap: Vec<Record> = [mx("mx1.example.org")].into_iter().chain(forged).collect();
    for _ in 0..300 {
        tree.hear("example.org", "example.org", RecordType::Mx, answer(trap.clone()));
    }
    let chain = Chain::of(&tree.case(), &VantageId("local".to_owned())).unwrap();
    let verdicts = chain.verdicts("example.org", RecordType::Mx);
    assert_eq!(verdicts.len(), 300);
    assert!(matches!(verdicts[0].2, Verdict::Bogus(_)), "{:?}", verdicts[0]);
    assert!(matches!(verdicts[299].2, Verdict::Unknown(_)), "{:?}", verdicts[299]);
}

proptest! {
    #[test]
    fn no_answer_is_too_odd(
        octets in proptest::collection::vec(any::<u8>(), 0..300),
        place in 0..4_usize,
        cut in any::<proptest::sample::Index>(),
        flip in any::<u8>(),
    ) {
        let tree = Tree::whole();
        let (zone, rtype) = [(".", RecordType::Dnskey), ("org", RecordType::Ns), ("example.org", RecordType::Dnskey), ("example.org", RecordType::Mx)][place];
        tree.hear_octets(zone, "example.org", rtype, &octets);
        // And a real one with an octet changed.
        let mut message = Message::response(1, OpCode::Query);
        message.metadata.authoritative = true;
        message.add_answers(tree.example.signed(vec![mx("mx1.example.org")]));
        message.add_authorities(tree.example.nsec3("a.example.org", false, false, 0, &[Type::A]));
        let mut real = message.to_vec().unwrap();
        let at = cut.index(real.len());
        real[at] ^= flip;
        tree.hear_octets("example.org", "example.org", RecordType::Mx, &real);
        let chain = Chain::of(&tree.case(), &VantageId("local".to_owned())).unwrap();
        for (_, _, verdict) in chain.verdicts("example.org", RecordType::Mx) {
            if let Verdict::Bogus(flaw) = verdict {
                prop_assert!(!flaw.in_words(Timestamp::UNIX_EPOCH).is_empty());
            }
        }
    }
}

#[test]
fn an_alias_into_another_zone_is_worth_what_both_are() {
    let alias = || Record::from_rdata(name("mx1.example.org"), 60, RData::CNAME(CNAME(name("mx.provider.org"))));
    // Whether the other zone is signed, whether the alias's signature holds, and what that makes of the whole.
    for (signed, holds, expected) in [
        (Some(true), true, "secure"),
        (Some(false), true, "insecure"),
        (None, true, "unknown"),
        (Some(true), false, "bogus"),
    ] {
        let tree = Tree::whole();
        let provider = Zone::new("provider.org");
        let address = vec![a("mx.provider.org")];
        if let Some(signed) = signed {
            let proof = match signed {
                true => tree.org.signed(vec![provider.ds()]),
                false => tree.org.nsec("provider.org", "q.org", &[Type::NS]),
            };
            tree.hear("org", "provider.org", RecordType::Ns, referral([vec![ns("provider.org")], proof].concat()));
            tree.keys(&provider);
            let there = if signed { provider.signed(address) } else { address };
            tree.hear("provider.org", "mx.provider.org", RecordType::A, answer(there));
        }
        let until = if holds { 7 } else { -2 };
        let here = tree.example.signed_for(vec![alias()], None, (-9, until));
        let verdict = tree.verdict("mx1.example.org", RecordType::A, answer(here));
        let told = match verdict {
            Verdict::Secure => "secure",
            Verdict::Insecure => "insecure",
            Verdict::Bogus(_) => "bogus",
            Verdict::Unknown(_) => "unknown",
        };
        assert_eq!(told, expected, "{signed:?}, {holds}");
    }
}

#[test]
fn a_circle_of_aliases_through_two_zones_ends() {
    let tree = Tree::whole();
    let provider = Zone::new("provider.org");
    let alias = |from, to| vec![Record::from_rdata(name(from), 60, RData::CNAME(CNAME(name(to))))];
    let ds = tree.org.signed(vec![provider.ds()]);
    tree.hear("org", "provider.org", RecordType::Ns, referral([vec![ns("provider.org")], ds].concat()));
    tree.keys(&provider);
    let back = provider.signed(alias("mx.provider.org", "mx1.example.org"));
    tree.hear("provider.org", "mx.provider.org", RecordType::A, answer(back));
    let there = answer(tree.example.signed(alias("mx1.example.org", "mx.provider.org")));
    assert!(matches!(tree.verdict("mx1.example.org", RecordType::A, there), Verdict::Unknown(_)));
}
