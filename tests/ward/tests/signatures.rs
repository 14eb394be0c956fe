//! Signatures of received messages as `trace` verifies them, beside dkimpy, which signs and seals them, and OpenDKIM.

use std::{
    fs,
    io::Write,
    process::{Command, Output, Stdio},
};

use maildoctor_ward::{MailSystem, Plan, RESOLVER, WardError, trial};
use serde_json::Value;

const PLAIN: &str = "From: Anna <anna@clinic.example>\r\nTo: ben@outside.example\r\nSubject: The  results\r\nDate: Tue, 24 Nov 2026 13:00:00 +0000\r\nMessage-ID: <1@clinic.example>\r\n\r\nAll  is well. \r\n\r\nAnna\r\n\r\n";

/// Where the private key lies on the machine of a trial.
const KEY: &str = "/run/dkim.pem";

/// Runs a program with `input`.
fn run(program: &str, arguments: &[&str], input: &[u8]) -> Result<Output, WardError> {
    let failed = |error| WardError::Wrong(format!("{program} does not run: {error}"));
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input).map_err(failed)?;
    }
    child.wait_with_output().map_err(failed)
}

/// The same for a program that must end well: what it prints.
fn output(program: &str, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, WardError> {
    let ended = run(program, arguments, input)?;
    if ended.status.success() {
        return Ok(ended.stdout);
    }
    Err(WardError::Wrong(format!("{program} {arguments:?}: {}", String::from_utf8_lossy(&ended.stderr))))
}

/// A system whose domain publishes a key.
fn publishing_a_key() -> Result<MailSystem, WardError> {
    output("openssl", &["genrsa", "-traditional", "-out", KEY, "2048"], b"")?;
    let public = output("sh", &["-c", &format!("openssl rsa -in {KEY} -pubout -outform der | base64 -w 200")], b"")?;
    let strings: Vec<String> = String::from_utf8_lossy(&public).lines().map(|part| format!("\"{part}\"")).collect();
    Plan::healthy_but(|plan| {
        plan.zones.domain.add(format!("sel._domainkey TXT \"v=DKIM1; k=rsa; p=\" {}", strings.join(" ")));
    })
}

fn signed(forms: &[&str]) -> Result<Vec<u8>, WardError> {
    output("dkimsign", &[&["sel", "clinic.example", KEY], forms].concat(), PLAIN.as_bytes())
}

/// What `trace` makes of a message by the DNS now: the result of a method.
fn traced(message: &[u8], method: &str) -> Result<String, WardError> {
    let program = std::env::var("MAILDOCTOR_WARD_PROGRAM").unwrap_or_default();
    let said = run(&program, &["trace", "-", "--format", "json", "--resolver", RESOLVER], message)?;
    let report: Value = serde_json::from_slice(&said.stdout)
        .map_err(|error| WardError::Wrong(format!("{error}: {}", String::from_utf8_lossy(&said.stderr))))?;
    let now = report.pointer("/authentication/now").and_then(Value::as_array).cloned().unwrap_or_default();
    let found = now.iter().find(|found| found.get("method").is_some_and(|m| m == method));
    Ok(found.and_then(|found| found.get("result")?.as_str()).unwrap_or("nothing").to_owned())
}

/// Whether dkimpy and OpenDKIM take a message's signature for good.
fn others(message: &[u8]) -> Result<[bool; 2], WardError> {
    let dkimpy = run("dkimverify", &[], message)?.status.success();
    let opendkim = run("opendkim-testmsg", &["-C"], message)?.status.success();
    Ok([dkimpy, opendkim])
}

/// Whether dkimpy takes a message's chain of seals for good.
fn dkimpy_takes_the_chain(message: &[u8]) -> Result<bool, WardError> {
    let said = output("arcverify", &[], message)?;
    Ok(String::from_utf8_lossy(&said).contains("cv=b'pass'"))
}

fn agree(what: &str, message: &[u8], holds: bool) -> Result<(), WardError> {
    let ours = traced(message, "dkim")?;
    let others = others(message)?;
    if (ours == "pass", others) == (holds, [holds; 2]) && (holds || ours == "fail") {
        return Ok(());
    }
    Err(WardError::Wrong(format!("{what}: we say {ours}, dkimpy and OpenDKIM {others:?}")))
}

fn changed(message: &[u8], from: &str, to: &str) -> Vec<u8> {
    String::from_utf8_lossy(message).replacen(from, to, 1).into_bytes()
}

trial! {
    signatures_hold_and_fail_for_all_alike {
        let _system = publishing_a_key()?;
        for (header, body) in [("simple", "simple"), ("relaxed", "simple"), ("simple", "relaxed"), ("relaxed", "relaxed")] {
            let message = signed(&["--hcanon", header, "--bcanon", body])?;
            let form = format!("{header}/{body}");
            agree(&form, &message, true)?;
            agree(&format!("{form}, another text"), &changed(&message, "is well", "is not well"), false)?;
            agree(&format!("{form}, another subject"), &changed(&message, "Subject: The", "Subject: [list] The"), false)?;
            agree(&format!("{form}, blanks in the text"), &changed(&message, "All  is", "All is"), body == "relaxed")?;
            agree(&format!("{form}, blanks in the header"), &changed(&message, "The  results", "The results"), header == "relaxed")?;
            agree(&format!("{form}, empty lines at the end"), &[&message[..], b"\r\n\r\n"].concat(), true)?;
        }
        Ok(())
    }

    a_chain_of_seals_holds_until_somebody_changes_the_text {
        let _system = publishing_a_key()?;
        let results = "Authentication-Results: mx1.clinic.example; dkim=pass header.d=clinic.example\r\n";
        let message = [results.as_bytes(), &signed(&[])?].concat();
        fs::write("/run/message", &message).map_err(|error| WardError::Wrong(error.to_string()))?;
        let sealed = output("arcsign", &["sel", "clinic.example", KEY, "mx1.clinic.example"], &message)?;
        for (what, message, holds) in [
            ("as it was sealed", sealed.clone(), true),
            ("another text", changed(&sealed, "is well", "is not well"), false),
        ] {
            let (ours, dkimpy) = (traced(&message, "arc")?, dkimpy_takes_the_chain(&message)?);
            if (ours == "pass", dkimpy) != (holds, holds) {
                return Err(WardError::Wrong(format!("{what}: we say {ours}, dkimpy {dkimpy}")));
            }
        }
        Ok(())
    }
}
