//! What spam filters write into a message: SpamAssassin, Rspamd, Exchange, Gmail, and those of providers and appliances.
//!
//! Several fields may tell of one filter; what they say is put together, and the tests that weighed most come first.

mod microsoft;
mod others;
mod spamassassin;
#[cfg(test)]
mod tests;

use maildoctor_wire::auth_results::AuthResults;

/// The most reasons of one filter that are kept.
const MAX_REASONS: usize = 40;

/// Who writes `X-Spam-Flag` alone.
const UNNAMED: &str = "The spam filter";

/// What a filter says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filtered {
    /// The filter.
    pub filter: &'static str,
    /// Whether it takes the message for junk; `None` where it does not say.
    pub junk: Option<bool>,
    /// Its score, as it is written.
    pub score: Option<String>,
    /// The score from which on it is junk.
    pub limit: Option<String>,
    /// The reasons: the names of tests, with their scores where they stand there.
    pub reasons: Vec<String>,
    /// Whether it wrote that before the receiving house had the message.
    pub earlier: bool,
}

impl Filtered {
    /// Score and limit, as a person writes them.
    pub fn scored(&self) -> String {
        match (&self.score, &self.limit) {
            (Some(score), Some(limit)) => format!("{score} of {limit}"),
            (Some(score), None) => score.clone(),
            _ => String::new(),
        }
    }
}

/// What one field says.
#[derive(Debug, Default)]
struct Said {
    filter: &'static str,
    junk: Option<bool>,
    /// Where the message was put in the end, which outweighs what the filter thought.
    put: Option<bool>,
    score: Option<String>,
    limit: Option<String>,
    tests: Vec<(String, Option<f64>)>,
    reasons: Vec<String>,
    earlier: bool,
}

/// Reads what filters say in a header, the topmost first; each filter once, and apart what stood there before. `house` is
/// how many hops are those of the receiving house.
pub(super) fn read(fields: &[(String, String)], results: Option<&AuthResults>, house: usize) -> Vec<Filtered> {
    let is_hop = |name: &str| name.eq_ignore_ascii_case("Received");
    let hops = fields.iter().filter(|(name, _)| is_hop(name)).count();
    let (mut all, mut above): (Vec<Said>, usize) = (Vec::new(), 0);
    for (name, value) in fields {
        above += usize::from(is_hop(name));
        if let Some(mut said) = of(&name.to_ascii_lowercase().replace('_', "-"), value) {
            // Fields that are added at the end stand below all hops, whoever adds them.
            said.earlier = (house + 1..hops).contains(&above);
            add(&mut all, said);
        }
    }
    share(&mut all);
    if let (Some(said), Some(reason)) =
        (all.iter_mut().find(|said| said.filter == microsoft::NAME), results.and_then(microsoft::composite))
    {
        said.reasons.push(reason);
    }
    all.into_iter().map(Said::told).collect()
}

fn of(name: &str, value: &str) -> Option<Said> {
    match name {
        "x-spam-status" => spamassassin::status(value),
        "x-spam-report" | "x-spam-hits" => spamassassin::report(value),
        "x-spam-flag" | "x-spam" | "x-spam-tag" => spamassassin::flag(value),
        "x-spam-score" => spamassassin::score(value),
        "x-forefront-antispam-report" => microsoft::report(value),
        "x-ms-exchange-organization-scl" => microsoft::level(value),
        "x-microsoft-antispam" => microsoft::bulk(value),
        "x-microsoft-antispam-mailbox-delivery" => microsoft::delivery(value),
        _ => others::of(name, value),
    }
}

fn add(all: &mut Vec<Said>, new: Said) {
    let Some(held) = all.iter_mut().find(|held| held.filter == new.filter && held.earlier == new.earlier) else {
        all.push(new);
        return;
    };
    held.junk = held.junk.or(new.junk);
    held.put = held.put.or(new.put);
    held.score = held.score.take().or(new.score);
    held.limit = held.limit.take().or(new.limit);
    for (test, weight) in new.tests {
        let room = held.tests.len() < MAX_REASONS;
        match held.tests.iter_mut().find(|(name, _)| *name == test) {
            Some((_, known)) => *known = known.or(weight),
            None if room => held.tests.push((test, weight)),
            None => {}
        }
    }
    let room = MAX_REASONS.saturating_sub(held.reasons.len());
    held.reasons.extend(new.reasons.into_iter().filter(|reason| !reason.is_empty()).take(room));
}

/// Gives fields that several filters write to the one that wrote its own beside them.
fn share(all: &mut Vec<Said>) {
    for (name, owners) in
        [(UNNAMED, &[others::RSPAMD, spamassassin::NAME][..]), (spamassassin::NAME, &[others::RSPAMD])]
    {
        let is_bare = |said: &Said| said.filter == name && said.tests.is_empty() && said.limit.is_none();
        let Some(at) = all.iter().position(is_bare) else { continue };
        let mut bare = all.remove(at);
        let owner =
            owners.iter().find(|owner| all.iter().any(|said| said.filter == **owner && said.earlier == bare.earlier));
        bare.filter = owner.unwrap_or(&bare.filter);
        if owner.is_some() { add(all, bare) } else { all.insert(at, bare) }
    }
}

impl Said {
    fn told(mut self) -> Filtered {
        let weight = |(_, weight): &(String, Option<f64>)| weight.unwrap_or(0.0);
        self.tests.sort_by(|one, other| weight(other).total_cmp(&weight(one)));
        let with_weight = |(test, weight): &(String, Option<f64>)| match weight {
            Some(weight) => format!("{test} {weight}"),
            None => test.clone(),
        };
        // What counts for nothing is no reason.
        let tests = self.tests.iter().filter(|(_, weight)| *weight != Some(0.0)).map(with_weight);
        Filtered {
            filter: self.filter,
            junk: self.put.or(self.junk),
            score: self.score,
            limit: self.limit,
            reasons: tests.chain(self.reasons).take(MAX_REASONS).collect(),
            earlier: self.earlier,
        }
    }
}
