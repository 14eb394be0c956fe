//! What the server lives on: disk-full, chroot-resolv-conf-stale.

use super::super::host::{every, ours_of};
use super::super::ways::banner_wait;
use super::super::{At, Basis, Found, Key, Rule, Share, Told};
use crate::case::{Case, ObsId, Why};
use crate::questions::dns::{RecordType, Records, Via};
use crate::questions::host::exim::Exim;
use crate::questions::host::lookups::{Lookups, ResolverSeen};
use crate::questions::host::machine::{Disk, DiskWire};
use crate::questions::host::obstacle::{Obstacle, obstacle};
use crate::questions::host::postfix::{Postfix, PostfixView};
use crate::questions::host::queue::Queue;
use crate::questions::host::resolv_conf::{RESOLV_CONF, ResolvConf, ResolvConfView};
use crate::questions::smtp::{FIRST, Mail, Rcpt, StepView};
use crate::subject::{Domain, Service, Subject, VantageId};

use maildoctor_wire::wording::Meaning;

pub(super) const RULES: &[Rule] = &[
    Rule::vantage(&["disk-full"], disk_full).over_all_vantages(),
    Rule::vantage(&["chroot-resolv-conf-stale"], chroot_stale).over_all_vantages(),
];

/// With less than this no mailbox takes a message, in octets.
const FULL: u64 = 64 * 1024;

/// A banner that came sooner waited for no resolver, in milliseconds.
const WAITED_MS: u64 = 1_500;

/// What a server wants to be free before it takes mail.
struct Wanted {
    who: &'static str,
    octets: u64,
    files: u64,
    shown_by: Option<ObsId>,
}

fn disk_full(at: &At<'_, VantageId>, found: &mut Found<'_>) -> Told {
    for disk in every(at, &Disk { path: String::new() })? {
        let Ok(Disk { path }) = serde_json::from_value(disk.observation().asked.clone()) else {
            continue;
        };
        let wanted = wanted(at.case, &path);
        let Some(what) = lacks(&disk, &wanted) else {
            continue;
        };
        let finding = found.is(Key::Named(path.clone()));
        finding
            .says(format!("the file system of {path} is full: {what}"))
            .detail("path", path)
            .detail("available", disk.available)
            .detail("needed", wanted.octets)
            .witnessed(disk.id());
        if disk.files > 0 {
            finding.detail("files_available", disk.files_available);
        }
        if let Some(id) = wanted.shown_by {
            finding.witnessed(id);
        }
        for refusal in refusals(at.case) {
            finding.claims(refusal, Share::Whole, Basis::Witnessed);
        }
        for queue in at.case.every::<Queue>() {
            let no_room = |(_, reason): (&str, &str)| obstacle(reason) == Obstacle::Disk;
            if queue.messages.iter().any(|message| message.reasons().any(no_room)) {
                finding.claims(queue.id(), Share::Whole, Basis::Witnessed);
            }
        }
    }
    found.state()
}

fn lacks(disk: &DiskWire, wanted: &Wanted) -> Option<String> {
    if disk.files > 0 && disk.files_available < wanted.files {
        return Some(format!(
            "{} more files can be made, and {} wants {}",
            disk.files_available, wanted.who, wanted.files
        ));
    }
    (disk.available < wanted.octets)
        .then(|| format!("{} are free, and {} wants {}", size(disk.available), wanted.who, size(wanted.octets)))
}

/// What is wanted of the file system at a path: by the server whose queue lies there, or by anybody who delivers.
fn wanted(case: &Case, path: &str) -> Wanted {
    if let Some(postfix) = case.every::<Postfix>().find(|postfix| postfix.queue() == path) {
        let number = |name: &str| postfix.setting(name).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        // postconf(5), queue_minfree: mail is refused below one and a half times the largest message as well.
        let largest = number("message_size_limit");
        let octets = number("queue_minfree").max(largest.saturating_add(largest / 2));
        return Wanted { who: "Postfix", octets, files: 1, shown_by: Some(postfix.id()) };
    }
    if let Some(exim) = case.every::<Exim>().find(|exim| exim.setting("spool_directory") == Some(path)) {
        let number = |name: &str| exim.setting(name).and_then(octets).unwrap_or(0);
        let files = number("check_spool_inodes").max(1);
        return Wanted { who: "Exim", octets: number("check_spool_space"), files, shown_by: Some(exim.id()) };
    }
    Wanted { who: "a mailbox", octets: FULL, files: 1, shown_by: None }
}

/// A number of Exim's, with `K`, `M` or `G` behind it.
fn octets(text: &str) -> Option<u64> {
    let (digits, factor) = match text.split_at_checked(text.len().checked_sub(1)?)? {
        (digits, "K" | "k") => (digits, 1 << 10),
        (digits, "M" | "m") => (digits, 1 << 20),
        (digits, "G" | "g") => (digits, 1 << 30),
        _ => (text, 1),
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// The replies of this machine's servers that say that there is no room.
fn refusals(case: &Case) -> Vec<ObsId> {
    let ours: Vec<Subject> = ours_of(case).into_iter().map(Subject::from).collect();
    let full = |view: &StepView, on: &Subject| view.meaning == Some(Meaning::StorageFull) && ours.contains(on);
    let mails =
        case.every::<Mail>().filter(|seen| full(seen.view(), &seen.observation().subject)).map(|seen| seen.id());
    let rcpts =
        case.every::<Rcpt>().filter(|seen| full(seen.view(), &seen.observation().subject)).map(|seen| seen.id());
    mails.chain(rcpts).collect()
}

fn chroot_stale(at: &At<'_, VantageId>, found: &mut Found<'_>) -> Told {
    let here = VantageId::local();
    for postfix in every(at, &Postfix { folder: String::new() })? {
        let Some(path) = postfix.chrooted_resolv_conf() else {
            continue;
        };
        let copy = at.ask_from(&ResolvConf { path: path.clone() }, &here, &here)?;
        let system = at.ask_from(&ResolvConf { path: RESOLV_CONF.to_owned() }, &here, &here)?;
        if copy.servers == system.servers {
            continue;
        }
        // Another resolver than the system's is a choice, as long as one answers.
        let Some(silence) = all_silent(at, &copy)? else {
            continue;
        };
        let named = |view: &ResolvConfView| {
            let addresses: Vec<String> = view.servers.iter().map(|server| server.ip().to_string()).collect();
            addresses.join(" and ")
        };
        let what = if copy.is_there { "names" } else { "is missing, which stands for" };
        let finding = found.is(Key::Named(path.clone()));
        finding
            .says(format!(
                "{path}, which Postfix reads in its chroot, {what} {}, where nobody answers; the system asks {}",
                named(&copy),
                named(&system)
            ))
            .detail("path", path)
            .detail("resolvers", named(&copy))
            .detail("system", named(&system))
            .detail("services", chrooted(&postfix))
            .detail("file", postfix.file("master.cf"))
            .witnessed(copy.id())
            .witnessed(system.id());
        for id in silence {
            finding.witnessed(id);
        }
        // Whoever reads this copy asks the dead, and nobody else.
        let dead = |server: &ResolverSeen| server.dead() && copy.servers.contains(&server.server);
        for lookups in at.case.every::<Lookups>().filter(|lookups| lookups.resolvers.iter().any(dead)) {
            finding.claims(lookups.id(), Share::Whole, Basis::Captured);
        }
        for service in ours_of(at.case) {
            explain_wait(at, finding, service);
        }
    }
    found.state()
}

/// Lays it over a wait for the banner: whoever asks nobody but the dead waits for them.
fn explain_wait(at: &At<'_, VantageId>, finding: &mut super::super::Finding, service: Service) {
    if let Ok(banner) = at.ask_of(&FIRST, &service)
        && banner_wait(&banner).length_ms() >= WAITED_MS
    {
        finding.also(service).claims(banner.id(), Share::Whole, Basis::OwnMeasure);
    }
}

/// The services of master.cf that run in the chroot and look names up.
fn chrooted(postfix: &PostfixView) -> String {
    let asks = |command: &str| matches!(command, "smtpd" | "dnsblog" | "smtp");
    let names = postfix.wire.services.iter().filter(|service| service.chroot && asks(&service.command));
    names.map(|service| service.name.as_str()).collect::<Vec<_>>().join(" ")
}

/// The lookups that show that no resolver of a resolv.conf answers; `None` where one does.
fn all_silent(at: &At<'_, VantageId>, copy: &ResolvConfView) -> Result<Option<Vec<ObsId>>, Why> {
    let domain = at.case.target.domain.clone().or_else(|| at.case.target.host.clone()).ok_or(Why::NotPlanned)?;
    let mut silence = Vec::new();
    for server in &copy.servers {
        let question = Records { rtype: RecordType::Soa, via: Via::Server(*server) };
        let seen = at.ask_from(&question, &Domain::new(&domain), &VantageId::local())?;
        if !seen.unanswered() {
            return Ok(None);
        }
        silence.push(seen.id());
    }
    Ok(Some(silence))
}

fn size(octets: u64) -> String {
    match octets {
        0..10_240 => format!("{octets} octets"),
        10_240..10_485_760 => format!("{} KiB", octets / 1024),
        _ => format!("{} MiB", octets / 1_048_576),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_exim() {
        assert_eq!((octets("10M"), octets("100"), octets("x"), octets("")), (Some(10 << 20), Some(100), None, None));
    }
}
