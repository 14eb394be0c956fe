//! The server's own log as a second witness: where it was read, a finding that rests on a reply or on silence says why as well.

use super::host::{complained, ours_of};
use super::{Finding, units};
use crate::case::Case;
use crate::questions::host::complaint::Complaint::{
    self, Key, Milter, Passwords, Service, Setting, Spool, Table, Twice,
};
use crate::questions::host::complaint::message;
use crate::subject::{self, Kind as _};

/// The findings whose reason a log may tell, and what it may complain of there.
const TOLD: [(&[&str], &[Complaint]); 5] = [
    (&["server-config-error"], &[Setting, Table, Milter, Service, Passwords, Spool]),
    (&["ehlo-slow", "mail-slow", "rcpt-timeout", "data-timeout"], &[Service, Milter, Table, Spool]),
    (&["recipient-unknown"], &[Twice]),
    (&["starttls-refused", "tls-handshake-failed"], &[Key, Service]),
    (&["auth-backend-down"], &[Passwords, Milter]),
];

/// Adds to the findings about services of this machine what the log says of the reason.
pub(super) fn add(case: &Case, findings: &mut [Finding]) {
    let ours = ours_of(case);
    for finding in findings.iter_mut().filter(|finding| !finding.detail.contains_key("log")) {
        let kinds = TOLD.iter().find(|(codes, _)| codes.contains(&finding.code)).map(|(_, kinds)| *kinds);
        let here = finding.subjects.iter().filter_map(subject::Service::of).any(|service| ours.contains(service));
        let Some((id, line)) = kinds.filter(|_| here).and_then(|kinds| complained(case, kinds)) else {
            continue;
        };
        let says = format!("{}; its log says \"{}\"", finding.says, message(line));
        let (says, line) = (says, line.to_owned());
        finding.says(says).detail("log", line.as_str()).witnessed(id);
        units::stands(case, finding, |units| units.told_of(&line));
    }
}
