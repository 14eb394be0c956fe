//! What a receiver makes of a sender: `check_host()` of RFC 7208 section 4, without I/O.
//!
//! The evaluation runs on the answers there are. Where one is missing it ends with the question, and is
//! begun anew once that is answered: at most some dozens of times, for the standard bounds what it may ask.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::macros::{self, Values};
use super::{
    Answer, Answers, Ask, AskType, DomainSpec, MAX_LOOKUPS, MAX_NAMES, MAX_VOID, Meaning, Mechanism, Prefixes,
    Qualifier, Record, Term, is_spf,
};
use crate::rdns;

/// How deep includes may nest: deeper than the lookups allow, so it only guards the stack.
const MAX_DEPTH: usize = 16;

/// Who sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The address of the client.
    pub ip: IpAddr,
    /// Its HELO or EHLO name.
    pub helo: &'a str,
    /// The envelope sender; empty for the null sender, whose domain is the HELO name.
    pub mail_from: &'a str,
}

/// What SPF says (RFC 7208 section 2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// There is no policy.
    None,
    /// The policy says nothing of this sender.
    Neutral,
    /// The sender may.
    Pass,
    /// It may not.
    Fail,
    /// It probably may not.
    SoftFail,
    /// The DNS did not answer.
    TempError,
    /// The policy cannot be used.
    PermError,
}

impl Verdict {
    /// The word of the standard.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::None => "none",
            Verdict::Neutral => "neutral",
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::SoftFail => "softfail",
            Verdict::TempError => "temperror",
            Verdict::PermError => "permerror",
        }
    }
}

impl From<Qualifier> for Verdict {
    fn from(qualifier: Qualifier) -> Self {
        match qualifier {
            Qualifier::Pass => Verdict::Pass,
            Qualifier::Fail => Verdict::Fail,
            Qualifier::SoftFail => Verdict::SoftFail,
            Qualifier::Neutral => Verdict::Neutral,
        }
    }
}

/// What came of an evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluated {
    /// What SPF says.
    pub verdict: Verdict,
    /// The domain and the term that decided, where one matched.
    pub by: Option<(String, String)>,
    /// Why it is an error, in words.
    pub why: Option<String>,
    /// The domain owner's explanation of a fail.
    pub explanation: Option<String>,
    /// The lookups it took, of [`MAX_LOOKUPS`].
    pub lookups: usize,
}

/// Why an evaluation ends early.
enum Stop {
    Needs(Ask),
    Ends(Verdict, String),
}

fn perm<T>(why: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Ends(Verdict::PermError, why.into()))
}

struct Run<'a> {
    answers: Answers<'a>,
    ip: IpAddr,
    helo: &'a str,
    sender: (&'a str, &'a str),
    lookups: usize,
    voids: usize,
}

/// One record's outcome: verdict, what decided, and where its explanation stands.
type Matched = (Verdict, Option<(String, String)>, Option<(DomainSpec, String)>);

/// Evaluates the policy of the sender's domain.
///
/// # Errors
/// The next question whose answer is needed.
pub fn evaluate(identity: &Identity<'_>, answers: Answers<'_>) -> Result<Evaluated, Ask> {
    let sender = match identity.mail_from.rsplit_once('@') {
        Some(("", domain)) => ("postmaster", domain),
        Some((local, domain)) => (local, domain),
        None if identity.mail_from.is_empty() => ("postmaster", identity.helo),
        None => ("postmaster", identity.mail_from),
    };
    let ip = match identity.ip {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(identity.ip, IpAddr::V4),
        v4 => v4,
    };
    let mut run = Run { answers, ip, helo: identity.helo, sender, lookups: 0, voids: 0 };
    let domain = sender.1.trim_end_matches('.');
    let (verdict, by, why, exp) = if !is_domain(domain) {
        (Verdict::None, None, None, None)
    } else {
        match run.check(domain, 0) {
            Ok((verdict, by, exp)) => (verdict, by, None, exp),
            Err(Stop::Ends(verdict, why)) => (verdict, None, Some(why), None),
            Err(Stop::Needs(ask)) => return Err(ask),
        }
    };
    let explanation = match exp.filter(|_| verdict == Verdict::Fail) {
        Some((spec, domain)) => run.explain(&spec, &domain)?,
        None => None,
    };
    Ok(Evaluated { verdict, by, why, explanation, lookups: run.lookups })
}

/// Whether a text is a domain of two or more labels, none empty or too long.
pub(super) fn is_domain(text: &str) -> bool {
    text.len() <= 253
        && text.contains('.')
        && text.split('.').all(|l| !l.is_empty() && l.len() <= 63)
        && !text.starts_with('[')
}

impl<'a> Run<'a> {
    fn ask(&self, name: &str, rtype: AskType) -> Result<Answer, Stop> {
        if name.is_empty() || name.split('.').any(|l| l.is_empty() || l.len() > 63) {
            // No such name can be put into a question: it has no records.
            return Ok(Answer::Names(Vec::new()));
        }
        let ask = Ask::new(name, rtype);
        (self.answers)(&ask).ok_or(Stop::Needs(ask))
    }

    fn failed<T>(&self, name: &str) -> Result<T, Stop> {
        Err(Stop::Ends(Verdict::TempError, format!("the DNS gives no answer for {name}")))
    }

    fn check(&mut self, domain: &str, depth: usize) -> Result<Matched, Stop> {
        if depth > MAX_DEPTH {
            return perm("includes nest too deep");
        }
        let texts = match self.ask(domain, AskType::Txt)? {
            Answer::Failed => return self.failed(domain),
            Answer::Texts(texts) => texts,
            _ => Vec::new(),
        };
        let mut policies = texts.iter().filter(|text| is_spf(text));
        let Some(text) = policies.next() else { return Ok((Verdict::None, None, None)) };
        if policies.next().is_some() {
            return perm(format!("{domain} has more than one SPF record"));
        }
        let record = Record::parse(text);
        if let Some(flaw) = record.flaws.first() {
            return perm(format!("the SPF record of {domain} cannot be read: {flaw}"));
        }
        for (term, qualifier, mechanism) in record.directives() {
            self.count(term)?;
            if self.matches(mechanism, domain, depth)? {
                let by = Some((domain.to_owned(), term.text.clone()));
                let exp = record.exp().map(|spec| (spec.clone(), domain.to_owned()));
                return Ok((qualifier.into(), by, exp));
            }
        }
        let Some((term, spec)) = redirect(&record) else { return Ok((Verdict::Neutral, None, None)) };
        self.count(term)?;
        let target = self.name(spec, domain)?;
        if !is_domain(&target) {
            return perm(format!("redirect= of {domain} leads to `{target}`, which is no domain"));
        }
        match self.check(&target, depth + 1)? {
            (Verdict::None, ..) => perm(format!("redirect= of {domain} leads to {target}, which has no SPF record")),
            matched => Ok(matched),
        }
    }

    fn count(&mut self, term: &Term) -> Result<(), Stop> {
        self.lookups += usize::from(term.looks_up());
        if self.lookups > MAX_LOOKUPS {
            return perm(format!("more than {MAX_LOOKUPS} lookups are needed"));
        }
        Ok(())
    }

    fn void(&mut self) -> Result<(), Stop> {
        self.voids += 1;
        if self.voids > MAX_VOID {
            return perm(format!("more than {MAX_VOID} lookups come back with nothing"));
        }
        Ok(())
    }

    fn matches(&mut self, mechanism: &Mechanism, domain: &str, depth: usize) -> Result<bool, Stop> {
        Ok(match mechanism {
            Mechanism::All => true,
            Mechanism::Ip4(net, length) => within(self.ip, IpAddr::V4(*net), *length),
            Mechanism::Ip6(net, length) => within(self.ip, IpAddr::V6(*net), *length),
            Mechanism::A(spec, prefixes) => {
                let name = self.name_or(spec.as_ref(), domain)?;
                let found = self.addresses(&name)?;
                if found.is_empty() {
                    self.void()?;
                }
                self.among(&found, *prefixes)
            }
            Mechanism::Mx(spec, prefixes) => {
                let name = self.name_or(spec.as_ref(), domain)?;
                let hosts = match self.ask(&name, AskType::Mx)? {
                    Answer::Failed => return self.failed(&name),
                    Answer::Names(hosts) => hosts,
                    _ => Vec::new(),
                };
                if hosts.is_empty() {
                    self.void()?;
                }
                if hosts.len() > MAX_NAMES {
                    return perm(format!("{name} has more than {MAX_NAMES} exchangers"));
                }
                for host in hosts.iter().filter(|host| !host.is_empty()) {
                    if self.among(&self.addresses(host)?, *prefixes) {
                        return Ok(true);
                    }
                }
                false
            }
            Mechanism::Include(spec) => {
                let target = self.name(spec, domain)?;
                if !is_domain(&target) {
                    return perm(format!("include: of {domain} leads to `{target}`, which is no domain"));
                }
                match self.check(&target, depth + 1)?.0 {
                    Verdict::Pass => true,
                    Verdict::None => return perm(format!("include:{target} of {domain} finds no SPF record")),
                    _ => false,
                }
            }
            Mechanism::Exists(spec) => {
                let name = self.name(spec, domain)?;
                match self.ask(&name, AskType::A)? {
                    Answer::Failed => return self.failed(&name),
                    Answer::Addresses(found) if !found.is_empty() => true,
                    _ => {
                        self.void()?;
                        false
                    }
                }
            }
            Mechanism::Ptr(spec) => {
                let target = self.name_or(spec.as_ref(), domain)?;
                let (named, validated) = self.validated()?;
                if !named {
                    self.void()?;
                }
                validated.iter().any(|name| is_at_or_below(name, &target))
            }
        })
    }

    fn name_or(&self, spec: Option<&DomainSpec>, domain: &str) -> Result<String, Stop> {
        spec.map_or_else(|| Ok(domain.to_owned()), |spec| self.name(spec, domain))
    }

    fn name(&self, spec: &DomainSpec, domain: &str) -> Result<String, Stop> {
        let validated = if spec.needs_reverse_name() { self.reverse_name(domain)? } else { String::new() };
        Ok(spec.expand(&self.values(domain, &validated)))
    }

    fn values<'v>(&'v self, domain: &'v str, validated: &'v str) -> Values<'v> {
        Values { ip: self.ip, helo: self.helo, sender: self.sender, domain, validated }
    }

    /// The addresses of a name in the family of the client.
    fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, Stop> {
        let rtype = if self.ip.is_ipv4() { AskType::A } else { AskType::Aaaa };
        match self.ask(name, rtype)? {
            Answer::Failed => self.failed(name),
            Answer::Addresses(found) => Ok(found),
            _ => Ok(Vec::new()),
        }
    }

    fn among(&self, found: &[IpAddr], prefixes: Prefixes) -> bool {
        let length = if self.ip.is_ipv4() { prefixes.v4 } else { prefixes.v6 };
        found.iter().any(|net| within(self.ip, *net, length))
    }

    /// Whether the client's address has any name, and those that lead back to it.
    fn validated(&self) -> Result<(bool, Vec<String>), Stop> {
        let names = match self.ask(&rdns::ptr_name(self.ip), AskType::Ptr)? {
            Answer::Names(names) => names,
            // A reverse zone that does not answer is no match, and no error (RFC 7208 section 5.5).
            _ => return Ok((true, Vec::new())),
        };
        let mut out = Vec::new();
        for name in names.iter().take(MAX_NAMES) {
            match self.addresses(name) {
                Ok(found) if found.contains(&self.ip) => out.push(name.trim_end_matches('.').to_owned()),
                Err(needs @ Stop::Needs(_)) => return Err(needs),
                _ => {}
            }
        }
        Ok((!names.is_empty(), out))
    }

    /// What `%{p}` stands for: the domain itself where it is validated, a name below it, any other, or `unknown`.
    fn reverse_name(&self, domain: &str) -> Result<String, Stop> {
        let (_, names) = self.validated()?;
        let itself = names.iter().find(|name| name.eq_ignore_ascii_case(domain));
        let below = || names.iter().find(|name| is_at_or_below(name, domain));
        Ok(itself.or_else(below).or(names.first()).cloned().unwrap_or_else(|| "unknown".to_owned()))
    }

    /// The domain owner's words; what goes wrong on the way to them leaves them out (RFC 7208 section 6.2).
    fn explain(&self, spec: &DomainSpec, domain: &str) -> Result<Option<String>, Ask> {
        let words = || -> Result<Option<String>, Stop> {
            let name = self.name(spec, domain)?;
            let Answer::Texts(texts) = self.ask(&name, AskType::Txt)? else { return Ok(None) };
            let [text] = texts.as_slice() else { return Ok(None) };
            let validated =
                if text.contains("%{p") || text.contains("%{P") { self.reverse_name(domain)? } else { String::new() };
            Ok(macros::explanation(text, &self.values(domain, &validated)))
        };
        match words() {
            Ok(words) => Ok(words),
            Err(Stop::Needs(ask)) => Err(ask),
            Err(Stop::Ends(..)) => Ok(None),
        }
    }
}

fn redirect(record: &Record) -> Option<(&Term, &DomainSpec)> {
    record.terms.iter().find_map(|term| match &term.meaning {
        Meaning::Redirect(spec) => Some((term, spec)),
        _ => None,
    })
}

/// Whether a name is a domain or lies below it.
fn is_at_or_below(name: &str, domain: &str) -> bool {
    let (name, domain) =
        (name.trim_end_matches('.').to_ascii_lowercase(), domain.trim_end_matches('.').to_ascii_lowercase());
    name.strip_suffix(&domain).is_some_and(|head| head.is_empty() || head.ends_with('.'))
}

/// Whether an address lies in a network.
pub(super) fn within(ip: IpAddr, net: IpAddr, length: u8) -> bool {
    let shifted = |a: u128, b: u128, bits: u32| {
        let drop = bits.saturating_sub(u32::from(length));
        drop >= bits || (a >> drop) == (b >> drop)
    };
    match (ip, net) {
        (IpAddr::V4(a), IpAddr::V4(b)) => shifted(u32::from(a).into(), u32::from(b).into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => shifted(u128::from(a), u128::from(b), 128),
        _ => false,
    }
}
