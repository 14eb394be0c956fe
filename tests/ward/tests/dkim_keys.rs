//! Published DKIM keys as `check` judges them, beside OpenDKIM's `opendkim-testkey`, which holds the same records against
//! the private key. `docs/AGREEMENT.md` says of each difference who is right.

use std::{collections::BTreeSet, fs, process::Command};

use maildoctor_ward::{MailSystem, Plan, RESOLVER, WardError, output_of, trial};
use serde_json::Value;

/// Where the private keys lie on the machine of a trial.
const KEY: &str = "/run/rsa.pem";

/// What `opendkim-testkey` ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Testkey {
    /// 0: the record can be read, and the private key fits it.
    Fits,
    /// 65: the private key does not fit it.
    Misfits,
    /// 69: there is no such record, or it cannot be used; or the private key is none that it can use.
    Unusable,
}

use Testkey::{Fits, Misfits, Unusable};

/// What stands at a selector, the private key that signs there, what we name, and what `opendkim-testkey` says.
struct Case {
    selector: &'static str,
    texts: Vec<String>,
    key: &'static str,
    ours: &'static str,
    testkey: Testkey,
}

fn shell(script: &str) -> Result<String, WardError> {
    Ok(output_of(Command::new("sh").args(["-euc", script]))?.trim().to_owned())
}

/// A new private key, and its public half in Base64.
fn made(path: &str, algorithm: &str) -> Result<String, WardError> {
    shell(&format!("umask 77; openssl genpkey -quiet -algorithm {algorithm} -out {path}"))?;
    shell(&format!("openssl pkey -in {path} -pubout -outform der | base64 -w 0"))
}

/// A TXT record of a zone file, its text in strings of at most 255 octets.
fn line(selector: &str, text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let strings: Vec<String> =
        letters.chunks(200).map(|part| format!("\"{}\"", part.iter().collect::<String>())).collect();
    format!("{selector}._domainkey TXT {}", strings.join(" "))
}

fn cases() -> Result<Vec<Case>, WardError> {
    let rsa = |path, bits| made(path, &format!("RSA -pkeyopt rsa_keygen_bits:{bits}"));
    let (key, other) = (rsa(KEY, 2048)?, rsa("/run/other.pem", 2048)?);
    let (weak, void) = (rsa("/run/weak.pem", 1024)?, rsa("/run/void.pem", 512)?);
    let in_der = made("/run/ed25519.pem", "ED25519")?;
    let bare = shell("openssl pkey -in /run/ed25519.pem -pubout -outform der | tail -c 32 | base64 -w 0")?;
    let pkcs1 = shell(&format!("openssl rsa -in {KEY} -RSAPublicKey_out -outform der 2>/dev/null | base64 -w 0"))?;
    let (start, end) = key.split_at(60);
    let case = |selector, text: String, ours, testkey| Case { selector, texts: vec![text], key: KEY, ours, testkey };
    let (none, broken, weak_key) = ("", "dkim-key-broken", "dkim-key-weak");
    Ok(vec![
        case("good", format!("v=DKIM1; k=rsa; p={key}"), none, Fits),
        case("without-version", format!("k=rsa; p={key}"), none, Fits),
        case("in-capitals", format!("v=DKIM1; k=RSA; p={key}"), none, Fits),
        case("unknown-tag", format!("v=DKIM1; x=y; p={key};"), none, Fits),
        case("old-granularity", format!("v=DKIM1; g=anna; p={key}"), none, Fits),
        case("same-domain", format!("v=DKIM1; t=s; p={key}"), none, Fits),
        case("blank-in-key", format!("v=DKIM1; p={start} {end}"), none, Fits),
        case("of-another", format!("v=DKIM1; p={other}"), none, Misfits),
        case("bare-rsa", format!("v=DKIM1; p={pkcs1}"), broken, Misfits),
        case("testing", format!("v=DKIM1; t=y; p={key}"), weak_key, Fits),
        Case { key: "/run/weak.pem", ..case("bits-1024", format!("v=DKIM1; p={weak}"), weak_key, Fits) },
        Case { key: "/run/void.pem", ..case("bits-512", format!("v=DKIM1; p={void}"), weak_key, Fits) },
        Case { texts: Vec::new(), ..case("missing", String::new(), "dkim-missing", Unusable) },
        case("revoked", "v=DKIM1; p=".to_owned(), broken, Unusable),
        case("without-key", "v=DKIM1; k=rsa".to_owned(), broken, Unusable),
        case("version-2", format!("v=DKIM2; p={key}"), broken, Unusable),
        case("version-in-small", format!("v=dkim1; p={key}"), broken, Unusable),
        case("version-last", format!("k=rsa; p={key}; v=DKIM1"), broken, Fits),
        case("another-text", "v=spf1 -all".to_owned(), broken, Unusable),
        case("backslashes", format!("v=DKIM1\\\\; k=rsa\\\\; p={key}"), broken, Unusable),
        case("not-for-mail", format!("v=DKIM1; s=tlsrpt; p={key}"), broken, Unusable),
        case("unknown-algorithm", format!("v=DKIM1; k=dsa; p={key}"), broken, Unusable),
        case("sha1-alone", format!("v=DKIM1; h=sha1; p={key}"), broken, Fits),
        case("twice-in-one", format!("v=DKIM1; p={key}; p={key}"), broken, Fits),
        Case {
            texts: vec![format!("v=DKIM1; p={key}"), format!("v=DKIM1; p={other}")],
            ..case("two-records", String::new(), broken, Unusable)
        },
        case("foreign-letter", format!("v=DKIM1; p={start}*{end}"), broken, Fits),
        case("no-base64", format!("v=DKIM1; p={start}A"), broken, Unusable),
        case("cut", format!("v=DKIM1; p={start}"), broken, Misfits),
        case("with-pem-lines", format!("v=DKIM1; p=-----BEGIN PUBLIC KEY-----{key}"), broken, Misfits),
        Case { key: "/run/ed25519.pem", ..case("ed25519", format!("v=DKIM1; k=ed25519; p={bare}"), none, Unusable) },
        Case {
            key: "/run/ed25519.pem",
            ..case("ed25519-in-der", format!("v=DKIM1; k=ed25519; p={in_der}"), broken, Unusable)
        },
    ])
}

/// What we name of each selector: a run looks at no more than 16.
fn ours(system: &MailSystem, cases: &[Case]) -> Result<BTreeSet<(String, String)>, WardError> {
    let mut named = BTreeSet::new();
    for some in cases.chunks(16) {
        let mut arguments = vec!["clinic.example", "--only", "records"];
        arguments.extend(some.iter().flat_map(|case| ["--dkim-selector", case.selector]));
        let report = system.check(&arguments)?;
        let findings = report.json().get("findings").and_then(Value::as_array).cloned().unwrap_or_default();
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        let of = findings.iter().map(|finding| (text(finding.pointer("/detail/selector")), text(finding.get("code"))));
        named.extend(of.filter(|(_, code)| code.starts_with("dkim")));
    }
    Ok(named)
}

/// `opendkim-testkey` resolves by itself from the roots of the Internet, unless it is told whom to ask.
fn testkey(case: &Case) -> Result<(Testkey, String), WardError> {
    let failed = |error| WardError::Wrong(format!("opendkim-testkey does not run: {error}"));
    let unbound =
        format!("server:\n  module-config: \"iterator\"\nforward-zone:\n  name: \".\"\n  forward-addr: {RESOLVER}\n");
    fs::write("/run/testkey-unbound.conf", unbound).map_err(failed)?;
    fs::write("/run/testkey.conf", "ResolverConfiguration /run/testkey-unbound.conf\n").map_err(failed)?;
    let mut command = Command::new("opendkim-testkey");
    command.args(["-x", "/run/testkey.conf", "-d", "clinic.example", "-s", case.selector, "-k", case.key, "-vv"]);
    let output = command.output().map_err(failed)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.code() {
        Some(0) => Ok((Fits, said)),
        Some(65) => Ok((Misfits, said)),
        Some(69) => Ok((Unusable, said)),
        other => Err(WardError::Wrong(format!("opendkim-testkey ends with {other:?}: {said}"))),
    }
}

trial! {
    keys_beside_opendkim_testkey {
        let cases = cases()?;
        let system = Plan::healthy_but(|plan| {
            for case in &cases {
                for text in &case.texts {
                    plan.zones.domain.add(line(case.selector, text));
                }
            }
        })?;
        let mut wrong = String::new();
        let ours = ours(&system, &cases)?;
        for case in &cases {
            let named: Vec<&str> =
                ours.iter().filter(|(selector, _)| selector == case.selector).map(|(_, code)| code.as_str()).collect();
            let (theirs, said) = testkey(case)?;
            if (named.join(" ").as_str(), theirs) != (case.ours, case.testkey) {
                wrong.push_str(&format!("{}: we name {named:?}, opendkim-testkey {theirs:?}: {said}\n", case.selector));
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(WardError::Wrong(wrong)) }
    }
}
