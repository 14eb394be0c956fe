//! The faults, by catalogue code: how each is made, and what `check` must name first.

mod account;
mod delivery;
mod dns;
mod envelope;
mod outbound;
mod part;
mod records;
mod reputation;
mod session;
mod tls;

use std::net::IpAddr;
use std::time::Duration;

use hickory_proto::rr::RecordType;

pub use part::{Part, Place};

use crate::dns::{View, data};
use crate::scenario::Rule;
use crate::smtp::Behaviour;
use crate::{DOMAIN, LabError, Setup};

/// A fault.
#[derive(Debug)]
pub struct Fault {
    /// The catalogue's code.
    pub code: &'static str,
    /// The code that must stand first in the diagnosis: itself, or the root that causes it.
    pub expect: &'static str,
    /// Where it is, and what it hides.
    pub place: Place,
    /// How it is made.
    pub apply: fn(&mut Setup) -> Result<(), LabError>,
}

/// A fault of the lab as a receiver by its code.
pub fn find(code: &str) -> Option<&'static Fault> {
    all().find(|fault| fault.code == code)
}

/// A fault of a sender by its code.
pub fn find_of_sender(code: &str) -> Option<&'static Fault> {
    of_sender().find(|fault| fault.code == code)
}

/// Every fault of a sender, to be seen by `check --outbound`.
pub fn of_sender() -> impl Iterator<Item = &'static Fault> {
    outbound::FAULTS.iter()
}

/// Every fault of the lab as a receiver.
pub fn all() -> impl Iterator<Item = &'static Fault> {
    [
        dns::FAULTS,
        session::FAULTS,
        tls::FAULTS,
        account::FAULTS,
        envelope::FAULTS,
        delivery::FAULTS,
        reputation::FAULTS,
        records::FAULTS,
    ]
    .into_iter()
    .flatten()
}

type Apply = fn(&mut Setup) -> Result<(), LabError>;

const fn fault(code: &'static str, place: Place, apply: Apply) -> Fault {
    Fault { code, expect: code, place, apply }
}

const fn symptom(code: &'static str, expect: &'static str, place: Place, apply: Apply) -> Fault {
    Fault { code, expect, place, apply }
}

/// Long enough to count as slow.
const SLOW: Duration = Duration::from_millis(6500);

fn at_mx(setup: &mut Setup, change: impl Fn(&mut Behaviour)) -> Result<(), LabError> {
    setup.mx.iter_mut().for_each(change);
    Ok(())
}

fn at_senders(setup: &mut Setup, change: impl Fn(&mut Behaviour)) -> Result<(), LabError> {
    change(&mut setup.submission);
    change(&mut setup.smtps);
    Ok(())
}

fn late(setup: &mut Setup, rule: &Rule) -> Result<(), LabError> {
    setup.pace.waits(rule.delay);
    at_mx(setup, |mx| mx.rules.push(rule.clone()))
}

fn reply(setup: &mut Setup, on: &str, text: &str) -> Result<(), LabError> {
    at_mx(setup, |mx| mx.rules.push(Rule::reply(on, text)))
}

fn to_target(setup: &mut Setup, text: &str) -> Result<(), LabError> {
    at_mx(setup, |mx| mx.rules.push(Rule::reply("RCPT", text).matching("anna@")))
}

fn one_exchanger(setup: &mut Setup, host: &str) {
    for view in [View::Here, View::Outside] {
        setup.zones.remove(view, DOMAIN, RecordType::MX);
    }
    setup.zones.add(DOMAIN, data::mx(10, host));
}

fn auth_reply(setup: &mut Setup, text: &str) -> Result<(), LabError> {
    at_senders(setup, |s| s.rules.push(Rule::reply("AUTH", text)))
}

fn content(setup: &mut Setup, text: &str) -> Result<(), LabError> {
    setup.send = true;
    for server in setup.servers() {
        server.rules.push(Rule::reply("CONTENT", text));
    }
    Ok(())
}

fn sends(setup: &mut Setup, change: impl Fn(&mut Behaviour)) -> Result<(), LabError> {
    setup.send = true;
    setup.servers().for_each(change);
    Ok(())
}

fn token(setup: &mut Setup, octets: &str) -> Result<(), LabError> {
    use base64::Engine;
    setup.token = Some(base64::engine::general_purpose::STANDARD.encode(octets));
    setup.wrong_password = true;
    Ok(())
}

fn source() -> IpAddr {
    [127, 0, 0, 1].into()
}
