//! autoconfig-srv-wrong: what SRV records tell mail programs leads nowhere.

use std::net::SocketAddr;

use super::super::ways::{address_answers, senders_shut};
use super::super::{At, Found, Key, Rule, State, Told, services};
use crate::case::{ObsId, Why};
use crate::questions::autoconfig::{READING, SENDING, targets};
use crate::questions::dns::{RecordType, Records, Via};
use crate::questions::tcp::{Connect, Opened, Role};
use crate::subject::{Domain, Host, Service};

pub(super) const RULES: &[Rule] = &[Rule::domain(&["autoconfig-srv-wrong"], srv)];

/// What the service of a mailbox under test may be.
const MAILBOX: &[Role] = &[Role::Imap, Role::Imaps, Role::Pop3, Role::Pop3s];

/// Where a record leads.
enum Leads {
    /// To a service, or to one that is down and is spoken of elsewhere.
    Somewhere,
    /// To a host without an address.
    NoAddress(Vec<ObsId>),
    /// To a port that nothing listens on.
    NobodyThere(Vec<ObsId>),
}

fn srv(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let mut named = false;
    for service in SENDING.iter().chain(&READING) {
        let name = Domain::new(&format!("{service}.{}", at.on));
        let answer = match at.ask_of(&Records { rtype: RecordType::Srv, via: Via::Own }, &name) {
            Ok(answer) if answer.definite().is_some() => answer,
            Ok(answer) => {
                found.missed(Why::Denied(answer.id()));
                continue;
            }
            Err(why) => {
                found.missed(why);
                continue;
            }
        };
        for (host, port) in targets(&answer) {
            named = true;
            let (shown, why) = match leads(at, &host, port) {
                Ok(Leads::Somewhere) => continue,
                Ok(Leads::NoAddress(shown)) => (shown, "which has no address"),
                Ok(Leads::NobodyThere(shown)) => (shown, "where nothing listens"),
                Err(why) => {
                    found.missed(why);
                    continue;
                }
            };
            let finding = found
                .is(Key::Named(format!("{name} {host} {port}")))
                .says(format!("the SRV record {name} sends mail programs to {host} port {port}, {why}"))
                .detail("name", name.as_str())
                .detail("host", host.as_str())
                .detail("port", port)
                .witnessed(answer.id());
            for id in shown {
                finding.witnessed(id);
            }
        }
    }
    match found.state() {
        Ok(State::Clear) if !named => Ok(State::NotApplicable),
        told => told,
    }
}

fn leads(at: &At<'_, Domain>, host: &str, port: u16) -> Result<Leads, Why> {
    let [v4, v6] = address_answers(at, &Host::new(host))?;
    let (four, six) = (v4.need(|d| d.definite())?, v6.need(|d| d.definite())?);
    let addresses = [four.addresses(), six.addresses()].concat();
    if addresses.is_empty() {
        return Ok(Leads::NoAddress(vec![v4.id(), v6.id()]));
    }
    let (mut refused, mut unsure) = (Vec::new(), None);
    let read_from = services(at.case, MAILBOX, &at.from, true);
    for ip in addresses {
        let service = Service(SocketAddr::new(ip, port));
        // That users can send by no port at all, or that their mailbox cannot be reached, is said as such.
        if senders_shut(at.case, &service, &at.from) || read_from.contains(&service) {
            return Ok(Leads::Somewhere);
        }
        match at.ask_of(&Connect, &service) {
            Ok(connect) if connect.open().is_some() => return Ok(Leads::Somewhere),
            Ok(connect) if connect.opened == Opened::Refused => refused.push(connect.id()),
            // A packet that vanishes may be lost on our side of the way.
            Ok(connect) => unsure = Some(Why::Denied(connect.id())),
            Err(why) => unsure = Some(why),
        }
    }
    match unsure {
        Some(why) => Err(why),
        None => Ok(Leads::NobodyThere(refused)),
    }
}
