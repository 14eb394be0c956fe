//! Benchmarks, as ratios within one run: a full check of the healthy lab against the tools that a person
//! would run one after the other, the run against its longest step, start-up, and the program's size.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;

use crate::lab;

pub(crate) fn run(runs: usize) -> anyhow::Result<()> {
    let program = lab::program()?;
    let size = std::fs::metadata(&program)?.len();
    println!("binary               {:.1} MB", size as f64 / 1e6);
    let start_up = median(runs * 3, || {
        command(&format!("{} --version", program.display()))
    });
    println!(
        "start-up             {:.1} ms (median of {})",
        ms(start_up),
        runs * 3
    );
    let running = lab::start(&program, None)?;
    let check = format!("{} {}", program.display(), running.check);
    let whole = median(runs, || command(&check));
    println!(
        "full healthy check   {:.0} ms (median of {runs})",
        ms(whole)
    );
    let output = Command::new("sh")
        .args(["-c", &format!("{check} --format json")])
        .output()?;
    let report: Value = serde_json::from_slice(&output.stdout).context("there is no report")?;
    println!(
        "  of it looking      {} ms, {} observations",
        report["duration_ms"],
        report["observations"].as_array().map_or(0, Vec::len)
    );
    let tools = by_hand(&running.check);
    match tools {
        Some(commands) => {
            let sum = median(runs, || commands.iter().for_each(|c| command(c)));
            println!(
                "the same by hand     {:.0} ms ({} commands of dig, swaks and openssl, one after the other)",
                ms(sum),
                commands.len()
            );
            println!(
                "ratio                {:.1}",
                sum.as_secs_f64() / whole.as_secs_f64()
            );
        }
        None => {
            println!("the same by hand     not measured: dig, swaks and openssl are not all here")
        }
    }
    Ok(())
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn command(line: &str) {
    // What a tool says of the lab is not the question here, only how long it takes.
    let _ = Command::new("sh")
        .args(["-c", line])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

fn median(runs: usize, mut work: impl FnMut()) -> Duration {
    work();
    let mut times: Vec<Duration> = (0..runs.max(1))
        .map(|_| {
            let started = Instant::now();
            work();
            started.elapsed()
        })
        .collect();
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// What a person runs to see what one check sees: MX and addresses inside and outside, reverse names, a
/// session up to RCPT at each exchanger, the certificates, AUTH at both submission ports.
fn by_hand(check: &str) -> Option<Vec<String>> {
    for tool in ["dig", "swaks", "openssl"] {
        Command::new(tool)
            .arg("-v")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .ok()?;
    }
    let words: Vec<&str> = check.split_whitespace().collect();
    let after = |name: &str| {
        words
            .iter()
            .position(|w| *w == name)
            .and_then(|at| words.get(at + 1))
            .copied()
    };
    let (here, port) = after("--resolver")?.rsplit_once(':')?;
    let outside = after("--foreign-resolver")?.rsplit_once(':')?.0;
    let ports: Vec<(&str, &str)> = after("--port")?
        .split(',')
        .filter_map(|p| p.split_once('='))
        .collect();
    let of = |name: &str| ports.iter().find(|(n, _)| *n == name).map(|(_, p)| *p);
    let (smtp, submission, smtps) = (of("smtp")?, of("submission")?, of("smtps")?);
    let network = here.rsplit_once('.')?.0;
    let password = std::fs::read_to_string(after("--password-file")?).ok()?;
    let password = password.trim_end();
    let mut out = Vec::new();
    for resolver in [here, outside] {
        for question in [
            "MX lab.example",
            "A mx1.lab.example",
            "A mx2.lab.example",
            "TXT lab.example",
        ] {
            out.push(format!("dig @{resolver} -p {port} {question}"));
        }
    }
    for last in [11, 12] {
        out.push(format!("dig @{here} -p {port} -x {network}.{last}"));
        for recipient in [
            "anna@lab.example",
            "nobody-at-all@lab.example",
            "postmaster@lab.example",
            "somebody@visitor.example",
        ] {
            out.push(format!("swaks --server {network}.{last} --port {smtp} --tls --from '<>' --to {recipient} --quit-after RCPT"));
        }
        out.push(format!(
            "openssl s_client -starttls smtp -connect {network}.{last}:{smtp} -showcerts"
        ));
    }
    let login = format!(
        "--auth PLAIN --auth-user anna@lab.example --auth-password {password} --from anna@lab.example --to somebody@visitor.example --quit-after RCPT"
    );
    out.push(format!(
        "swaks --server {network}.20 --port {submission} --tls {login}"
    ));
    out.push(format!(
        "swaks --server {network}.20 --port {smtps} --tlsc {login}"
    ));
    Some(out)
}
