//! Disks on which no more mail fits: disk-full.

use super::super::host::{complained, every, ours_of};
use super::super::{At, Basis, Finding, Found, Key, Rule, Share, Told};
use super::queue::{explains_what_is_missed, queues};
use crate::case::{Case, ObsId};
use crate::questions::host::complaint::{Complaint, message};
use crate::questions::host::exim::Exim;
use crate::questions::host::machine::{Disk, DiskWire};
use crate::questions::host::obstacle::{Obstacle, obstacle};
use crate::questions::host::postfix::Postfix;
use crate::questions::host::queue::Queued;
use crate::questions::smtp::{Mail, Rcpt, StepView};
use crate::subject::{Subject, VantageId};

use maildoctor_wire::wording::Meaning;

pub(super) const RULES: &[Rule] = &[Rule::vantage(&["disk-full"], disk_full).over_all_vantages()];

/// With less than this no mailbox takes a message, in octets.
const FULL: u64 = 64 * 1024;

/// What a server wants to be free before it takes mail.
struct Wanted {
    who: &'static str,
    octets: u64,
    files: u64,
    shown_by: Option<ObsId>,
}

fn disk_full(at: &At<'_, VantageId>, found: &mut Found<'_>) -> Told {
    let told = told(at);
    let mut full = false;
    let disks = match every(at, &Disk { path: String::new() }) {
        Err(why) if told.is_none() => return Err(why),
        looked_at => looked_at.unwrap_or_default(),
    };
    for disk in disks {
        let Ok(Disk { path }) = serde_json::from_value(disk.observation().asked.clone()) else {
            continue;
        };
        let wanted = wanted(at.case, &path);
        let Some(what) = lacks(&disk, &wanted) else {
            continue;
        };
        full = true;
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
        explain(at, finding, told.as_ref());
    }
    if let Some(told) = told.filter(|_| !full) {
        let finding = found.is(Key::Named("told".to_owned()));
        finding
            .says(format!("there is no room for mail: {} says \"{}\"", told.by, told.words))
            .known("path", folder_in(told.words));
        explain(at, finding, Some(&told));
    }
    found.state()
}

/// Somebody who delivers says that there is no room.
struct NoRoom<'c> {
    by: &'static str,
    words: &'c str,
    shown_by: ObsId,
}

/// Dovecot in its log, or the queue's reason.
fn told<'c>(at: &At<'c, VantageId>) -> Option<NoRoom<'c>> {
    if let Some((shown_by, line)) = no_room_by_log(at.case) {
        return Some(NoRoom { by: "Dovecot's log", words: message(line), shown_by });
    }
    queues(at).ok()?.into_iter().find_map(|looked| {
        let waiting = looked.queue.view().messages.iter().filter(|message| looked.waits_too_long(at, message));
        let (_, words) = waiting.flat_map(Queued::reasons).find(|(_, why)| obstacle(why) == Obstacle::Disk)?;
        Some(NoRoom { by: "the queue", words, shown_by: looked.queue.id() })
    })
}

/// The folder of the first file that a complaint names.
fn folder_in(words: &str) -> Option<&str> {
    let path = words.get(words.find('/')?..)?;
    let end = path.find(|c: char| c.is_whitespace() || "):,;'\"".contains(c)).unwrap_or(path.len());
    path.get(..end)?.rsplit_once('/').map(|(folder, _)| folder).filter(|folder| !folder.is_empty())
}

/// Dovecot's complaint that it could not write down a message, for there is no room.
pub(super) fn no_room_by_log(case: &Case) -> Option<(ObsId, &str)> {
    complained(case, &[Complaint::Delivery]).filter(|(_, line)| obstacle(line) == Obstacle::Disk)
}

/// Who is refused for it, and what waits and is missed.
fn explain(at: &At<'_, VantageId>, finding: &mut Finding, told: Option<&NoRoom<'_>>) {
    for refusal in refusals(at.case) {
        finding.claims(refusal, Share::Whole, Basis::Witnessed);
    }
    if let Some(told) = told {
        finding.detail("log", told.words).witnessed(told.shown_by);
    }
    let by_log = no_room_by_log(at.case).is_some();
    for looked in queues(at).into_iter().flatten() {
        let no_room = |why: &str| match obstacle(why) {
            Obstacle::Disk => true,
            // Dovecot tells its clients nothing but that something went wrong.
            Obstacle::Agent => by_log,
            _ => false,
        };
        let messages = looked.queue.view().messages.iter();
        let waiting: Vec<&Queued> = messages.filter(|one| one.reasons().any(|(_, why)| no_room(why))).collect();
        if !waiting.is_empty() {
            finding.claims(looked.queue.id(), Share::Whole, Basis::Witnessed);
            explains_what_is_missed(at, finding, &waiting);
        }
    }
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
    fn the_folder_that_a_complaint_names() {
        assert_eq!(folder_in("write(/var/vmail/anna/tmp/1) failed: No space left"), Some("/var/vmail/anna/tmp"));
        assert_eq!(folder_in("cannot update mailbox /var/mail/anna: No space left"), Some("/var/mail"));
        assert_eq!((folder_in("No space left on device"), folder_in("/"), folder_in("")), (None, None, None));
    }

    #[test]
    fn numbers_of_exim() {
        assert_eq!((octets("10M"), octets("100"), octets("x"), octets("")), (Some(10 << 20), Some(100), None, None));
    }
}
