//! DKIM keys: dkim-missing, dkim-key-broken, dkim-key-weak.
//!
//! Selectors cannot be listed. One that was named, or that signed a message we saw, must have a key; of the
//! usual ones that are only guessed, absence says nothing and a key that was taken back is as it should be.

use maildoctor_wire::records::dkim::{Algorithm, Key, is_key};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::super::{At, Found, Key as FindingKey, Rule, State, Told};
use super::{Texts, has_no_mail, texts_at};
use crate::case::{Case, Skip, Why};
use crate::catalogue::Severity;
use crate::questions::dns::Followed;
use crate::questions::mailbox::{Arrival, Arrived};
use crate::questions::signing::{USUAL_SELECTORS, selector, signers};
use crate::subject::Domain;

pub(super) const RULES: &[Rule] = &[
    Rule::domain(&["dkim-missing"], missing).over_all_vantages(),
    Rule::domain(&["dkim-key-broken"], broken).over_all_vantages(),
    Rule::domain(&["dkim-key-weak"], weak).over_all_vantages(),
];

/// RSA keys below this are void (RFC 8301 section 3.2), in bits.
const VOID_BELOW: usize = 1024;

/// RSA keys below this are weak, in bits.
const WEAK_BELOW: usize = 2048;

/// What is said of a key that no verifier takes.
const VOID: &str = "cannot be used";

/// One selector that is looked at.
pub(super) struct Looked {
    pub(super) selector: String,
    /// Somebody named it: the user, or a signature.
    pub(super) named: bool,
}

impl Looked {
    fn name(&self, domain: &Domain) -> String {
        selector(&self.selector, domain.as_str())
    }
}

/// Selectors that were named, that signed, and that were guessed, each once.
pub(super) fn selectors(case: &Case, domain: &Domain) -> Vec<Looked> {
    let signed = case.every::<Arrival>().flat_map(|seen| match &seen.arrived {
        Arrived::Found { headers, .. } => signers(headers),
        _ => Vec::new(),
    });
    let signed = signed.filter(|(_, d)| Domain::new(d) == *domain).map(|(s, _)| s);
    let named = case.terms.dkim_selectors.iter().cloned().chain(signed).map(|s| (s, true));
    let mut out: Vec<Looked> = Vec::new();
    for (selector, named) in named.chain(USUAL_SELECTORS.map(|s| (s.to_owned(), false))) {
        if !out.iter().any(|known| known.selector.eq_ignore_ascii_case(&selector)) {
            out.push(Looked { selector, named });
        }
    }
    out
}

/// What stands at a selector: keys only, where the selector is a guess.
pub(super) fn at_selector(at: &At<'_, Domain>, looked: &Looked) -> Result<Texts, Why> {
    texts_at(at, &looked.name(&at.on), is_key)
}

fn missing(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let no_such_name = texts_at(at, at.on.as_str(), |_| true).is_ok_and(|own| own.nxdomain);
    if no_such_name || has_no_mail(at) {
        return Ok(State::NotApplicable);
    }
    let all = selectors(at.case, &at.on);
    for looked in all.iter().filter(|looked| looked.named) {
        let there = match at_selector(at, looked) {
            Ok(there) => there,
            Err(why) => {
                found.missed(why);
                continue;
            }
        };
        // What stands there and is no key is broken, not missing.
        let name = looked.name(&at.on);
        if there.list.is_empty() && texts_at(at, &name, |_| true)?.list.is_empty() {
            found
                .is(FindingKey::Named(name.clone()))
                .says(format!("there is no DKIM key at {name}"))
                .detail("domain", at.on.as_str())
                .detail("selector", looked.selector.as_str())
                .detail("name", name)
                .witnessed(there.id);
        }
    }
    if all.iter().any(|looked| looked.named) {
        return found.state();
    }
    let guessed = |looked: &Looked| at_selector(at, looked).is_ok_and(|there| !there.list.is_empty());
    if all.iter().any(guessed) {
        return Ok(State::Clear);
    }
    if at.case.every::<Followed>().next().is_none() {
        return Err(Why::NotPlanned);
    }
    Err(Why::Skipped(Skip {
        because: "which selector signs the domain's mail is not known, and none of the usual ones has a key".to_owned(),
        option: "--dkim-selector NAME".to_owned(),
    }))
}

/// Length of an RSA key in bits, as published: a SubjectPublicKeyInfo, or the bare key of RFC 6376.
pub(super) fn rsa_bits(key: &Key) -> Option<usize> {
    if let Ok((_, info)) = SubjectPublicKeyInfo::from_der(&key.data) {
        return match info.parsed() {
            Ok(PublicKey::RSA(rsa)) => Some(rsa.key_size()),
            _ => None,
        };
    }
    x509_parser::public_key::RSAPublicKey::from_der(&key.data).ok().map(|(_, rsa)| rsa.key_size())
}

/// Whether `p=` is what the text of RFC 6376 section 3.6.1 asks for, an RSAPublicKey, and not what its examples hold and
/// nearly everybody publishes, a SubjectPublicKeyInfo around it (erratum 3017). OpenDKIM reads the second alone.
fn is_bare(key: &Key) -> bool {
    key.algorithm == Some(Algorithm::Rsa)
        && key.flaws.is_empty()
        && SubjectPublicKeyInfo::from_der(&key.data).is_err()
        && rsa_bits(key).is_some()
}

/// What keeps a key from being used.
fn fault(text: &str, key: &Key) -> Option<String> {
    if !is_key(text) && key.flaws.is_empty() {
        return Some("what stands there is no DKIM key".to_owned());
    }
    if let Some(flaw) = key.flaws.first() {
        return Some(flaw.to_string());
    }
    let unreadable = key.algorithm == Some(Algorithm::Rsa) && !key.revoked && rsa_bits(key).is_none();
    unreadable.then(|| "p= is Base64, and no RSA key: a part of it is missing".to_owned())
}

fn broken(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let mut seen_any = false;
    for looked in selectors(at.case, &at.on) {
        let name = looked.name(&at.on);
        let there = match texts_at(at, &name, |text| looked.named || is_key(text)) {
            Ok(there) => there,
            // Of a guess nobody expects an answer.
            Err(_) if !looked.named => continue,
            Err(why) => {
                found.missed(why);
                continue;
            }
        };
        seen_any |= !there.list.is_empty();
        let said = match there.list.as_slice() {
            [] => None,
            [text] => {
                let key = Key::parse(text);
                if key.revoked && key.flaws.is_empty() {
                    looked.named.then(|| (VOID, "it was taken back: p= is empty".to_owned()))
                } else if is_bare(&key) {
                    Some((
                        "is not read by every verifier",
                        "p= is a bare RSAPublicKey, no SubjectPublicKeyInfo".to_owned(),
                    ))
                } else {
                    fault(text, &key).map(|said| (VOID, said))
                }
            }
            several => Some((VOID, format!("there are {} records, and verifiers may take any of them", several.len()))),
        };
        if let Some((what, said)) = said {
            found
                .is(FindingKey::Named(name.clone()))
                .says(format!("the DKIM key {name} {what}: {said}"))
                .severity(if looked.named { Severity::Risk } else { Severity::Advice })
                .detail("domain", at.on.as_str())
                .detail("selector", looked.selector.as_str())
                .detail("name", name)
                .detail("flaw", said)
                .witnessed(there.id);
        }
    }
    untold(found, seen_any)
}

/// Without any key there is nothing to say of keys.
fn untold(found: &mut Found<'_>, seen_any: bool) -> Told {
    match found.state() {
        Ok(State::Clear) if !seen_any => Err(Why::NotPlanned),
        told => told,
    }
}

fn weak(at: &At<'_, Domain>, found: &mut Found<'_>) -> Told {
    let mut seen_any = false;
    for looked in selectors(at.case, &at.on) {
        let Ok(there) = at_selector(at, &looked) else { continue };
        let Some(text) = there.only() else { continue };
        seen_any = true;
        let key = Key::parse(text);
        if key.algorithm != Some(Algorithm::Rsa) || fault(text, &key).is_some() {
            continue;
        }
        let name = looked.name(&at.on);
        let bits = rsa_bits(&key).unwrap_or(usize::MAX);
        let (says, severity) = if bits < VOID_BELOW {
            (format!("the DKIM key {name} has {bits} bits, and verifiers take none below {VOID_BELOW}"), Severity::Risk)
        } else if bits < WEAK_BELOW {
            let severity = if looked.named { Severity::Risk } else { Severity::Advice };
            (format!("the DKIM key {name} has only {bits} bits; {WEAK_BELOW} are wanted today"), severity)
        } else if key.testing && looked.named && !key.revoked {
            let says =
                format!("the DKIM key {name} says that it is only being tested (t=y), so a failure counts as unsigned");
            (says, Severity::Advice)
        } else {
            continue;
        };
        found
            .is(FindingKey::Named(name.clone()))
            .says(says)
            .severity(severity)
            .detail("domain", at.on.as_str())
            .detail("selector", looked.selector.as_str())
            .detail("name", name)
            .detail("bits", bits)
            .witnessed(there.id);
    }
    untold(found, seen_any)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_published_keys() {
        // RFC 8463 appendix A.3.
        let key = Key::parse(
            "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB",
        );
        assert_eq!(rsa_bits(&key), Some(1024));
        let bare = Key { data: key.data.get(22..).unwrap().to_vec(), ..key.clone() };
        assert_eq!(rsa_bits(&bare), Some(1024));
        assert!(is_bare(&bare) && !is_bare(&key));
        let cut = Key { data: key.data.get(..50).unwrap().to_vec(), ..key };
        assert!(!is_bare(&cut));
    }
}
