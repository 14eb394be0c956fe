//! The exam's table: fault, what was named first, how sure, how long.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::lab;

/// How many labs run at once: most of the time is waiting on purpose.
const AT_ONCE: usize = 6;

/// Faults that are symptoms of another: what stands first there.
const ROOTS: [(&str, &str); 3] = [
    ("mx-primary-down", "connect-refused"),
    ("mx-all-down", "connect-refused"),
    ("submission-closed", "connect-refused"),
];

struct Line {
    named: String,
    right: bool,
    more: usize,
    seconds: f64,
}

pub(crate) fn run(only: &[String]) -> anyhow::Result<()> {
    let program = lab::program()?;
    let listed = Command::new(&program).args(["lab", "--list"]).output()?;
    let listed = String::from_utf8(listed.stdout)?;
    let mut faults: Vec<String> = listed
        .lines()
        .filter_map(|l| l.split_whitespace().next())
        .map(str::to_owned)
        .collect();
    if !only.is_empty() {
        faults.retain(|f| only.contains(f));
    }
    faults.push("healthy".to_owned());
    let waiting = Mutex::new(faults);
    let table: Mutex<BTreeMap<String, anyhow::Result<Line>>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().ok().and_then(|mut faults| faults.pop());
                    let Some(fault) = next else { return };
                    let line = one(&program, &fault);
                    if let Ok(mut table) = table.lock() {
                        table.insert(fault, line);
                    }
                }
            });
        }
    });
    let table = table.into_inner().ok().context("the exam broke off")?;
    let width = table.keys().map(String::len).max().unwrap_or(0);
    let mut right = 0;
    for (fault, line) in &table {
        match line {
            Ok(line) => {
                right += usize::from(line.right);
                let mark = if line.right { "right" } else { "WRONG" };
                let more = if line.more > 0 {
                    format!("  and {} more", line.more)
                } else {
                    String::new()
                };
                println!(
                    "{fault:width$}  {mark}  {:5.1} s  {}{more}",
                    line.seconds, line.named
                );
            }
            Err(error) => println!("{fault:width$}  WRONG  {error:#}"),
        }
    }
    let silent = table
        .get("healthy")
        .is_some_and(|l| l.as_ref().is_ok_and(|l| l.right));
    println!(
        "\n{right} of {} right; false alarms on the healthy system: {}",
        table.len(),
        if silent { 0 } else { 1 }
    );
    if right < table.len() {
        bail!("the exam is not passed");
    }
    Ok(())
}

fn one(program: &PathBuf, fault: &str) -> anyhow::Result<Line> {
    let options = if fault == "healthy" {
        vec![]
    } else {
        vec!["--fault", fault]
    };
    let running = lab::start(program, &options)?;
    let started = Instant::now();
    let command = format!("exec {} {} --format json", program.display(), running.check);
    let output = Command::new("sh").args(["-c", &command]).output()?;
    let seconds = started.elapsed().as_secs_f64();
    let report: Value = serde_json::from_slice(&output.stdout).context("there is no report")?;
    let roots: Vec<&str> = report["diagnosis"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|f| f["code"].as_str())
        .collect();
    let wanted = ROOTS
        .iter()
        .find(|(code, _)| *code == fault)
        .map_or(fault, |(_, root)| root);
    let right = if fault == "healthy" {
        roots.is_empty()
    } else {
        roots.first() == Some(&wanted)
    };
    let named = roots.first().copied().unwrap_or("nothing").to_owned();
    Ok(Line {
        named,
        right,
        more: roots.len().saturating_sub(1),
        seconds,
    })
}
