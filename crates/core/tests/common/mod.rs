//! What cases that are built in tests are made of: an exchanger that takes our connection and greets us, seen from this machine.

use std::net::{IpAddr, SocketAddr};

use jiff::Timestamp;
use maildoctor_core::case::{Case, Recorder, TargetRecord, Terms, VantageRecord};
use maildoctor_core::questions::dns::DnsResult;
use maildoctor_core::questions::smtp::BannerWire;
use maildoctor_core::questions::tcp::{ConnectWire, Opened, Role};
use maildoctor_wire::dialogue::{End, Exchange, Phase};
use maildoctor_wire::reply::Reply;

/// The exchanger takes a connection from `us`.
pub(crate) fn opened(us: IpAddr) -> ConnectWire {
    ConnectWire {
        role: Role::Smtp,
        host: Some("mx.example.org".to_owned()),
        ipv6: false,
        opened: Opened::Open { local: Some(SocketAddr::new(us, 40_000)) },
    }
}

/// It greets after so many milliseconds.
pub(crate) fn greeted(after_ms: u64) -> BannerWire {
    let exchange = Exchange {
        phase: Phase::Banner,
        command: None,
        sent_ms: 0,
        first_octet_ms: Some(after_ms),
        done_ms: after_ms,
        reply: Some(Reply::line(220, "mx.example.org ESMTP")),
        end: End::Complete,
    };
    BannerWire { exchange, early: None, answers_tls: false, source: None }
}

/// A resolver says that there is no such name.
pub(crate) fn no_such_name() -> DnsResult {
    DnsResult::Answered {
        rcode: "NXDOMAIN".to_owned(),
        aa: false,
        ad: false,
        ra: true,
        answers: Vec::new(),
        authority: Vec::new(),
        additional: Vec::new(),
        ede: Vec::new(),
        raw: None,
    }
}

/// The case of what was recorded on this machine.
pub(crate) fn case_of(recorder: &Recorder, us: IpAddr, resolver: SocketAddr) -> Case {
    let place = VantageRecord {
        name: "local".to_owned(),
        kind: "local".to_owned(),
        source_ip: Some(us),
        resolver: Some(resolver),
    };
    let mut case = Case::new(TargetRecord::default(), Timestamp::now(), vec![place], Terms::default());
    case.set_observations(recorder.take().0);
    case
}
