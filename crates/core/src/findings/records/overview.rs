//! The records of the domain as a person wants to see them: each in a line or two, and SPF as a tree.

use maildoctor_wire::records::dkim::{Algorithm, Key, is_key};
use maildoctor_wire::records::mtasts::Mode;
use maildoctor_wire::records::spf::{MAX_LOOKUPS, Node, Tree};

use super::super::At;
use super::super::ways::{exchangers, own_mx};
use super::{dkim, dmarc, others, spf, sts, tlsa};
use crate::case::Case;
use crate::questions::dane::name_of;
use crate::subject::Domain;

/// The lines of a policy's tree that are shown.
const MAX_LINES: usize = 24;

/// One record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Line {
    /// `SPF`, `DKIM` …
    pub(crate) kind: &'static str,
    /// The name at which it stands.
    pub(crate) name: String,
    /// Its text, or what is there in place of it.
    pub(crate) text: String,
    /// What is to be known besides, a line each.
    pub(crate) notes: Vec<String>,
}

/// The records that were seen from the first vantage.
pub(crate) fn of(case: &Case) -> Vec<Line> {
    let (Some(domain), Some(from)) = (case.records_domain(), case.vantage_ids().next()) else { return Vec::new() };
    let at = At::new(case, domain, from);
    if own_mx(&at).is_ok_and(|own| own.definite().is_some_and(|answer| answer.nxdomain)) {
        return Vec::new();
    }
    let mut out: Vec<Line> = Vec::new();
    out.extend(of_spf(&at));
    out.extend(of_dkim(&at));
    out.extend(of_dmarc(&at));
    out.extend(of_sts(&at));
    out.extend(of_dane(&at));
    let others = [("TLS-RPT", others::reporting(&at)), ("BIMI", others::indicator(&at))];
    for (kind, there) in others {
        for text in there.map(|there| there.list).unwrap_or_default() {
            let label = if kind == "BIMI" { "default._bimi" } else { "_smtp._tls" };
            out.push(Line { kind, name: format!("{label}.{}", at.on), text, notes: Vec::new() });
        }
    }
    out
}

fn of_spf(at: &At<'_, Domain>) -> Vec<Line> {
    let Ok(policy) = spf::policies(at) else { return Vec::new() };
    let line = |text: String, notes| Line { kind: "SPF", name: at.on.as_str().to_owned(), text, notes };
    let Some(text) = policy.only() else {
        let none = if policy.list.is_empty() { vec!["no record".to_owned()] } else { policy.list };
        return none.into_iter().map(|text| line(text, Vec::new())).collect();
    };
    let notes = spf::tree(at).map(|(tree, _)| spf_notes(&tree)).unwrap_or_default();
    vec![line(text.to_owned(), notes)]
}

fn spf_notes(tree: &Tree) -> Vec<String> {
    let voids = match tree.voids.len() {
        0 => String::new(),
        n => format!(", {n} of them for nothing"),
    };
    let mut out = vec![format!("{} of {MAX_LOOKUPS} lookups{voids}", tree.lookups())];
    if !tree.root.below.is_empty() {
        branch(&tree.root, 0, &mut out);
    }
    if out.len() > MAX_LINES {
        let more = out.len() - MAX_LINES;
        out.truncate(MAX_LINES);
        out.push(format!("and {more} more"));
    }
    out
}

/// Each record below, with what it and all below it cost, the term that leads there included.
fn branch(node: &Node, depth: usize, out: &mut Vec<String>) {
    for inner in &node.below {
        let term = inner.term.as_deref().unwrap_or(&inner.domain);
        out.push(format!("{}{term} ({})", "  ".repeat(depth), inner.lookups + 1));
        branch(inner, depth + 1, out);
    }
}

fn of_dkim(at: &At<'_, Domain>) -> Vec<Line> {
    let mut out = Vec::new();
    for looked in dkim::selectors(at.case, &at.on) {
        let Ok(there) = dkim::at_selector(at, &looked) else { continue };
        let name = crate::questions::signing::selector(&looked.selector, at.on.as_str());
        let alias = there.alias.as_ref().map(|target| format!("an alias of {target}"));
        for text in there.list.iter().filter(|text| is_key(text)) {
            let key = Key::parse(text);
            let what = match key.algorithm {
                _ if key.revoked => "a key that was taken back".to_owned(),
                Some(Algorithm::Rsa) => match dkim::rsa_bits(&key) {
                    Some(bits) => format!("an RSA key of {bits} bits"),
                    None => "no usable key".to_owned(),
                },
                Some(Algorithm::Ed25519) if key.flaws.is_empty() => "an Ed25519 key".to_owned(),
                _ => "no usable key".to_owned(),
            };
            let testing = key.testing.then(|| "only being tested (t=y)".to_owned());
            let notes = alias.clone().into_iter().chain(testing).collect();
            out.push(Line { kind: "DKIM", name: name.clone(), text: what, notes });
        }
        if there.list.is_empty() && looked.named {
            out.push(Line { kind: "DKIM", name, text: "no key".to_owned(), notes: Vec::new() });
        }
    }
    out
}

fn of_dmarc(at: &At<'_, Domain>) -> Vec<Line> {
    let line = |name: String, text: String, notes| Line { kind: "DMARC", name, text, notes };
    match dmarc::held(at) {
        Ok(Some(held)) => {
            let inherited = held.domain != at.on.as_str();
            let note = inherited.then(|| format!("holds for {} with {}", at.on, held.effective(&at.on).name()));
            vec![line(format!("_dmarc.{}", held.domain), held.text, note.into_iter().collect())]
        }
        Ok(None) => vec![line(format!("_dmarc.{}", at.on), "no record".to_owned(), Vec::new())],
        Err(_) => Vec::new(),
    }
}

fn of_sts(at: &At<'_, Domain>) -> Vec<Line> {
    let list = sts::record(at).map(|there| there.list).unwrap_or_default();
    let policy = sts::fetched(at, &at.on).ok().map(|seen| match seen.policy(at.case.as_of()) {
        Some(policy) => format!(
            "policy: {}, kept for {} h, mx {}",
            policy.mode.map_or("no mode", Mode::name),
            policy.max_age.unwrap_or_default() / 3600,
            if policy.mx.is_empty() { "nobody".to_owned() } else { policy.mx.join(" ") }
        ),
        None => "no policy that senders can use".to_owned(),
    });
    let line = |text| Line {
        kind: "MTA-STS",
        name: format!("_mta-sts.{}", at.on),
        text,
        notes: policy.clone().into_iter().collect(),
    };
    list.into_iter().map(line).collect()
}

fn of_dane(at: &At<'_, Domain>) -> Vec<Line> {
    let mut out = Vec::new();
    for (_, host) in exchangers(at).unwrap_or_default() {
        let Ok(Some(published)) = tlsa::published(at, host.as_str()) else { continue };
        let standing = match published.standing {
            tlsa::Standing::Secure(_) => None,
            tlsa::Standing::Insecure(_) => Some("not signed: no sender acts on it".to_owned()),
            tlsa::Standing::Untold(_) => Some("whether it is signed is not known".to_owned()),
        };
        for record in &published.records {
            let unusable = record.unusable().map(|why| format!("passed over: {why}"));
            let notes = standing.clone().into_iter().chain(unusable).collect();
            out.push(Line { kind: "DANE", name: name_of(&published.base), text: record.to_string(), notes });
        }
    }
    out
}
