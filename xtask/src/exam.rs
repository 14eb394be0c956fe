//! The exam's table: each fault, and with `--pairs` each pair of faults, what was named, and the score.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use maildoctor_exam::{Pair, Single, Sitting, every_pair, some_of};
use maildoctor_lab::faults::{self, Fault};

use crate::lab;

/// What is asked.
#[derive(Args)]
pub(crate) struct Exam {
    /// Only these faults, and pairs of which one is among them.
    faults: Vec<String>,
    /// Only pairs of which both are among these faults.
    #[arg(long, requires_all = ["pairs", "faults"])]
    both: bool,
    /// Switch on every pair of faults that can be on together as well: about a quarter of an hour.
    #[arg(long)]
    pairs: bool,
    /// Only this many pairs, chosen by `--seed`.
    #[arg(long, requires = "pairs")]
    some: Option<usize>,
    /// What chooses them.
    #[arg(long, default_value_t = 25)]
    seed: u64,
    /// This program in place of one that is built for release.
    #[arg(long)]
    program: Option<PathBuf>,
}

pub(crate) fn run(asked: &Exam) -> anyhow::Result<()> {
    let among = |fault: &Fault| asked.faults.is_empty() || asked.faults.iter().any(|f| f == fault.code);
    if let Some(unknown) = asked.faults.iter().find(|f| faults::find(f).is_none()) {
        bail!("the lab has no fault `{unknown}`; `maildoctor lab --list` shows those it has");
    }
    let program = match &asked.program {
        Some(program) => program.clone(),
        None => lab::program()?,
    };
    let pairs = if asked.pairs {
        let wanted =
            |pair: &Pair| if asked.both { pair.iter().all(|f| among(f)) } else { pair.iter().any(|f| among(f)) };
        let pairs: Vec<_> = every_pair().into_iter().filter(wanted).collect();
        let many = asked.some.unwrap_or(pairs.len());
        some_of(pairs, many, asked.seed)
    } else {
        Vec::new()
    };
    // A pair is held against what each of its faults shows alone.
    let alone: Vec<&'static Fault> =
        faults::all().filter(|fault| among(fault) || pairs.iter().flatten().any(|f| f.code == fault.code)).collect();
    let progress = ProgressBar::new((1 + alone.len() + pairs.len()) as u64)
        .with_style(ProgressStyle::with_template("{pos} of {len} runs, {elapsed}, {eta} to go")?);
    let sitting = Sitting::of(&program, &alone, &pairs, &|| progress.inc(1));
    progress.finish_and_clear();
    let width = alone.iter().map(|f| f.code.len()).max().unwrap_or(0);
    for single in &sitting.singles {
        println!("{}", line(single, width));
    }
    for double in sitting.doubles.iter().filter(|double| !double.is_right()) {
        let [a, b] = double.pair.map(|fault| fault.code);
        let said = match &double.mark {
            Ok(mark) => mark.to_string(),
            Err(error) => error.clone(),
        };
        println!("{a} and {b}  WRONG  {said}");
    }
    score(&sitting)
}

fn line(single: &Single, width: usize) -> String {
    let code = single.fault.code;
    let paper = match &single.paper {
        Ok(paper) => paper,
        Err(error) => return format!("{code:width$}  WRONG  {error}"),
    };
    let mark = if single.is_right() { "right" } else { "WRONG" };
    let mut roots = paper.roots();
    let named = roots.next().unwrap_or("nothing");
    let more: Vec<&str> = roots.collect();
    let more = if more.is_empty() { String::new() } else { format!("  and {}", more.join(", ")) };
    format!("{code:width$}  {mark}  {:5.1} s  {named}{more}", paper.took.as_secs_f64())
}

/// Prints the score; an error where it is not full.
fn score(sitting: &Sitting) -> anyhow::Result<()> {
    let singles = sitting.singles.iter().filter(|s| s.is_right()).count();
    let doubles = sitting.doubles.iter().filter(|d| d.is_right()).count();
    let marks = || sitting.doubles.iter().filter_map(|d| d.mark.as_ref().ok());
    let hidden = marks().filter(|m| m.is_right() && !m.hidden.is_empty()).count();
    let invented = marks().filter(|m| !m.invented.is_empty()).count();
    let denied = marks().filter(|m| !m.denied.is_empty()).count();
    let silent = sitting.healthy.as_ref().is_ok_and(|paper| paper.is_silent());
    let share = |right: usize, of: usize| 100.0 * right as f64 / of.max(1) as f64;
    let all = sitting.singles.len();
    println!("\nsingles: {singles} of {all} right ({:.1} %)", share(singles, all));
    let all_pairs = sitting.doubles.len();
    if all_pairs > 0 {
        println!(
            "pairs: {doubles} of {all_pairs} right ({:.1} %): in {} both are named, in {hidden} one hides the other and it is unknown",
            share(doubles, all_pairs),
            doubles - hidden
        );
        println!("       something that is there is said not to be in {denied}");
    }
    println!("false alarms: {} on the healthy system, {invented} in pairs", usize::from(!silent));
    if singles < all || doubles < all_pairs || !silent {
        bail!("the exam is not passed");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        exam: super::Exam,
    }

    #[test]
    fn a_choice_of_pairs_needs_pairs() {
        assert!(Cli::try_parse_from(["exam", "--some", "3"]).is_err());
        let cli = Cli::try_parse_from(["exam", "--pairs", "--some", "3", "cert-expired"]).unwrap();
        assert_eq!((cli.exam.some, cli.exam.faults.len()), (Some(3), 1));
    }
}
