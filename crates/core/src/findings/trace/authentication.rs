//! What the checks of a message's sender come to: dkim-signature-fails, dmarc-fails, arc-chain-broken. Two say it: the
//! receiving server, which saw the message as it came, and we, by the message as it lies here and the DNS as it is now.
//!
//! What the server found to hold did hold: where it does not now, this copy or the DNS has changed since, and that is no
//! fault. Where nobody tells, we do.

use maildoctor_wire::auth_results::{self, MethodResult};
use maildoctor_wire::records::dmarc::belongs;
use maildoctor_wire::records::spf::Verdict;

use super::super::records::{dmarc as policies, sender};
use super::super::{At, Basis, Found, Key, Share, State, Told};
use crate::case::{Case, Seen, Why};
use crate::questions::trace::{
    Checked, HandedOver, Message, Received, Seals, Signature, SignatureWire, domain_of, related,
};
use crate::subject::{Domain, Mail};

/// What each check comes to now, in the words of RFC 8601; empty where nothing was verified.
pub(crate) fn now(case: &Case) -> Vec<MethodResult> {
    let Some(seen) = case.every::<Received>().next() else { return Vec::new() };
    let observation = seen.observation();
    let at = At::new(case, Mail("1".to_owned()), crate::subject::VantageId(observation.vantage.0.clone()));
    let message = seen.view();
    let mut out = Vec::new();
    let result = |method: &str, result: &str, properties: Vec<(String, String)>, reason: Option<String>| MethodResult {
        method: method.to_owned(),
        result: result.to_owned(),
        properties,
        reason,
    };
    if let Ok((spf, from)) = spf(&at, message) {
        let who = vec![("smtp.mailfrom".to_owned(), from.sender.clone()), ("client".to_owned(), from.ip.to_string())];
        let by = spf.by.map(|(domain, term)| format!("`{term}` of {domain}")).or(spf.why);
        out.push(result("spf", spf.verdict.name(), who, by));
    }
    for signature in signatures(&at) {
        let who = vec![
            ("header.d".to_owned(), signature.domain.clone()),
            ("header.s".to_owned(), signature.selector.clone()),
        ];
        let part =
            signature.signed_octets.map(|octets| format!("only the first {octets} octets of the text are signed"));
        out.push(result("dkim", signature.checked.result(), who, signature.checked.reason().or(part)));
    }
    if let Ok(chain) = at.ask(&Seals) {
        out.push(result("arc", chain.checked.result(), Vec::new(), chain.checked.reason()));
    }
    if let (Some(author), Ok(dmarc)) = (message.author_domain(), dmarc_now(&at, message)) {
        out.push(result("dmarc", dmarc.name(), vec![("header.from".to_owned(), author)], dmarc.reason()));
    }
    out
}

fn signatures<'c>(at: &At<'c, Mail>) -> Vec<Seen<'c, SignatureWire>> {
    let mut all: Vec<_> = at.case.every::<Signature>().collect();
    all.sort_by_key(Seen::id);
    all
}

/// What SPF makes of the client that handed the message over (RFC 7208).
///
/// # Errors
/// The client or the envelope sender is not known, or the DNS was not asked.
fn spf(at: &At<'_, Mail>, message: &Message) -> Result<(maildoctor_wire::records::spf::Evaluated, HandedOver), Why> {
    let from = message.handed_over().ok_or(Why::NotPlanned)?;
    let domain = domain_of(&from.sender).unwrap_or_else(|| from.helo.clone());
    let domain = At::new(at.case, Domain::new(&domain), at.from.clone());
    let (evaluated, ids) = sender::evaluate(&domain, from.ip, &from.helo, &from.sender)?;
    ids.iter().for_each(|id| at.note(*id));
    Ok((evaluated, from))
}

/// What DMARC comes to (RFC 9989 section 5.4).
enum Dmarc {
    /// There is no policy.
    None,
    /// By what.
    Pass(&'static str),
    /// Neither way holds, and the policy is this.
    Fail(&'static str),
}

impl Dmarc {
    fn name(&self) -> &'static str {
        match self {
            Dmarc::None => "none",
            Dmarc::Pass(_) => "pass",
            Dmarc::Fail(_) => "fail",
        }
    }

    fn reason(&self) -> Option<String> {
        match self {
            Dmarc::None => None,
            Dmarc::Pass(by) => Some(format!("by {by}")),
            Dmarc::Fail(policy) => Some(format!("the policy is {policy}")),
        }
    }
}

fn dmarc_now(at: &At<'_, Mail>, message: &Message) -> Result<Dmarc, Why> {
    let author = message.author_domain().ok_or(Why::NotPlanned)?;
    let window = At::new(at.case, Domain::new(&author), at.from.clone());
    let Some(held) = policies::held(&window)? else { return Ok(Dmarc::None) };
    let organisation = policies::organisation(&window);
    let aligned = |domain: &str, strict: bool| {
        if strict { domain.eq_ignore_ascii_case(&author) } else { belongs(domain, &organisation) }
    };
    let signed: Vec<_> = signatures(at).into_iter().filter(|s| aligned(&s.domain, held.record.strict_dkim)).collect();
    if signed.iter().any(|s| s.checked == Checked::Pass) {
        return Ok(Dmarc::Pass("DKIM"));
    }
    let (spf, from) = spf(at, message)?;
    let sender = domain_of(&from.sender).unwrap_or(from.helo);
    let by_sender = aligned(&sender, held.record.strict_spf);
    match spf.verdict {
        Verdict::Pass if by_sender => return Ok(Dmarc::Pass("SPF")),
        Verdict::TempError if by_sender => return Err(Why::NotPlanned),
        _ => {}
    }
    // A signature that does not hold now may have held when the message came.
    match signed.first() {
        Some(signature) => Err(Why::Denied(signature.id())),
        None => Ok(Dmarc::Fail(held.effective(&window.on).name())),
    }
}

/// What the receiving server found by a method.
///
/// # Errors
/// It says nothing that can be believed.
fn told<'m>(seen: &Seen<'_, Message>, message: &'m Message, method: &'m str) -> Result<Vec<&'m MethodResult>, Why> {
    let results = message.results.as_ref().ok_or(Why::Denied(seen.id()))?;
    let of: Vec<_> = results.results.iter().filter(|result| result.method == method).collect();
    if of.is_empty() { Err(Why::Denied(seen.id())) } else { Ok(of) }
}

/// Who says it: the server that wrote the results.
fn server(message: &Message) -> &str {
    message.results.as_ref().and_then(|results| results.server.as_deref()).unwrap_or("the receiving server")
}

fn reason(result: &MethodResult) -> String {
    result.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default()
}

/// The last server on the way that says by ARC that the message's signature held.
fn found_whole_by(message: &Message) -> Option<String> {
    message.values("ARC-Authentication-Results").find_map(|value| {
        let (_, results) = value.split_once(';')?;
        let read = auth_results::parse(results)?;
        let held = read.results.iter().any(|result| result.method == "dkim" && result.result == "pass");
        held.then_some(read.server).flatten()
    })
}

pub(super) fn dkim(at: &At<'_, Mail>, found: &mut Found<'_>) -> Told {
    let seen = at.ask(&Received)?;
    let message = seen.view();
    if message.values("DKIM-Signature").next().is_none() {
        return Ok(State::NotApplicable);
    }
    let said = told(&seen, message, "dkim");
    let now = signatures(at);
    now.iter().for_each(|signature| at.note(signature.id()));
    // One good signature is what receivers ask for.
    let held_then = said.as_ref().is_ok_and(|results| results.iter().any(|result| result.result == "pass"));
    if held_then || now.iter().any(|signature| signature.checked == Checked::Pass) {
        return Ok(State::Clear);
    }
    let is_failure = |r: &&&MethodResult| matches!(r.result.as_str(), "fail" | "neutral" | "permerror");
    let failed = said.as_ref().ok().and_then(|results| results.iter().find(is_failure)).copied();
    let changed = now.iter().find(|signature| signature.checked.is_changed());
    let identity = failed.and_then(|f| f.property("header.i")?.rsplit_once('@')).map(|(_, domain)| domain);
    let domain = failed.and_then(|f| f.property("header.d")).or(identity).or(changed.map(|c| c.domain.as_str()));
    let whose = domain.map(|domain| format!(" of {domain}")).unwrap_or_default();
    let what = changed.and_then(|signature| signature.checked.reason());
    let says = match (failed, &what) {
        (Some(failed), what) => {
            let what = what.as_ref().map(|what| format!("; {what}")).unwrap_or_default();
            let (server, reason) = (server(message), reason(failed));
            format!("the DKIM signature{whose} does not verify, says {server} ({}{reason}){what}", failed.result)
        }
        (None, Some(what)) => format!("the DKIM signature{whose} does not verify: {what}{}", by_whom(message)),
        (None, None) => return Err(said.err().unwrap_or(Why::Denied(seen.id()))),
    };
    let finding = found
        .is(Key::Named(format!("dkim{whose}")))
        .says(says)
        .known("domain", domain)
        .known("reason", failed.and_then(|f| f.reason.as_deref()).or(what.as_deref()));
    if let Some(signature) = changed {
        finding.proof(signature.id(), Basis::OwnMeasure);
    }
    if failed.is_some() {
        finding.proof(seen.id(), Basis::ServerSaid);
        // A signature of another house would not have made DMARC pass.
        let author = message.author_domain();
        if domain.zip(author.as_deref()).is_some_and(|(signer, author)| related(signer, author)) {
            finding.claims(seen.id(), Share::Whole, Basis::ServerSaid);
        }
    }
    found.state()
}

/// Who may have changed it: what stands in the header of servers that still found it whole, and of those that often
/// change messages.
fn by_whom(message: &Message) -> String {
    if let Some(server) = found_whole_by(message) {
        return format!(
            "; it still held when {server} looked, as its ARC-Authentication-Results say, so it was changed behind that"
        );
    }
    match message.list().filter(|list| list.passes_on) {
        Some(list) => {
            format!("; the mailing list {} passed it on, and lists change subjects and add footers", list.id)
        }
        None => ", on the way or by the program that saved this copy".to_owned(),
    }
}

pub(super) fn dmarc(at: &At<'_, Mail>, found: &mut Found<'_>) -> Told {
    let seen = at.ask(&Received)?;
    let message = seen.view();
    let results = match told(&seen, message, "dmarc") {
        Ok(results) => results,
        Err(why) => return unsaid_dmarc(at, found, &seen, why),
    };
    let Some(failed) = results.iter().find(|result| result.result == "fail") else {
        return if results.iter().any(|r| matches!(r.result.as_str(), "pass" | "bestguesspass" | "none")) {
            Ok(State::Clear)
        } else {
            Err(Why::Denied(seen.id()))
        };
    };
    let author = message.author_domain();
    let domain = failed.property("header.from").or(author.as_deref());
    let other = |method: &str| {
        let results = told(&seen, message, method).unwrap_or_default();
        results.first().map_or_else(|| format!("{method} not told"), |first| format!("{method} {}", first.result))
    };
    found
        .is(Key::Named(format!("dmarc {}", domain.unwrap_or_default())))
        .says(format!(
            "DMARC fails for {}, says {}{} ({}, {})",
            domain.unwrap_or("the author's domain"),
            server(message),
            reason(failed),
            other("spf"),
            other("dkim")
        ))
        .known("domain", domain)
        .proof(seen.id(), Basis::ServerSaid)
        .owes_step(seen.id());
    found.state()
}

/// The same where no server that can be believed says it.
fn unsaid_dmarc(at: &At<'_, Mail>, found: &mut Found<'_>, seen: &Seen<'_, Message>, why: Why) -> Told {
    let message = seen.view();
    let (Some(author), Ok(Dmarc::Fail(policy))) = (message.author_domain(), dmarc_now(at, message)) else {
        return match dmarc_now(at, message) {
            Ok(_) => Ok(State::Clear),
            Err(_) => Err(why),
        };
    };
    let spf = spf(at, message).map_or("not told", |(spf, _)| spf.verdict.name());
    found
        .is(Key::Named(format!("dmarc {author}")))
        .says(format!(
            "DMARC fails for {author}: it is not signed in that name, and SPF of the envelope sender is {spf} (the policy is {policy})"
        ))
        .detail("domain", author)
        .proof(seen.id(), Basis::OwnMeasure)
        .owes_step(seen.id());
    found.state()
}

pub(super) fn arc(at: &At<'_, Mail>, found: &mut Found<'_>) -> Told {
    let seen = at.ask(&Received)?;
    let message = seen.view();
    let seals: Vec<_> = message.values("ARC-Seal").collect();
    if seals.is_empty() {
        return Ok(State::NotApplicable);
    }
    let tag = |seal: &str, name: &str| {
        let tags = seal.split(';').filter_map(|tag| tag.trim().split_once('='));
        tags.map(|(key, value)| (key.trim(), value.trim())).find(|(key, _)| *key == name).map(|(_, v)| v.to_owned())
    };
    let failed = seals.iter().find(|seal| tag(seal, "cv").is_some_and(|cv| cv.eq_ignore_ascii_case("fail")));
    let result = told(&seen, message, "arc").ok().and_then(|results| results.first().copied());
    if let Some(seal) = failed {
        let domain = tag(seal, "d").unwrap_or_else(|| "a server on the way".to_owned());
        found
            .is(Key::Named(format!("arc {domain}")))
            .says(format!("the ARC chain was broken before it came to {domain}, whose seal says cv=fail"))
            .detail("domain", domain)
            .proof(seen.id(), Basis::ServerSaid);
    } else if let Some(result) = result.filter(|result| result.result == "fail") {
        found
            .is(Key::Named("arc".to_owned()))
            .says(format!("the ARC chain does not verify, says {}{}", server(message), reason(result)))
            .proof(seen.id(), Basis::ServerSaid);
    } else if result.is_none_or(|result| result.result != "pass") {
        let chain = at.ask(&Seals).map_err(|_| Why::Denied(seen.id()))?;
        match &chain.checked {
            Checked::Pass => {}
            checked if checked.is_changed() => {
                let last = chain.by.last().map_or("the last server", String::as_str);
                let what = checked.reason().unwrap_or_default();
                found
                    .is(Key::Named(format!("arc {last}")))
                    .says(format!("the ARC chain does not verify behind {last}: {what}{}", by_whom(message)))
                    .detail("domain", last)
                    .proof(chain.id(), Basis::OwnMeasure);
            }
            _ => return Err(Why::Denied(chain.id())),
        }
    }
    found.state()
}
