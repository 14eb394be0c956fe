//! Chores of this repository: the exam's table, and benchmarks.

mod bench;
mod exam;
mod lab;

use clap::{Parser, Subcommand};

/// Chores of this repository.
#[derive(Parser)]
#[command(name = "xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Switch every fault of the lab on, check it, and print what was named first. Exit 0 only at 100 % and
    /// without a false alarm.
    Exam(exam::Exam),
    /// Time how a generated mail log is grouped, against `grep -c` over the same file.
    BenchLog {
        /// The size of the log.
        #[arg(long, default_value_t = 1024)]
        mib: u64,
    },
    /// Time a full check of the lab and of a real Postfix against the tools a person would run and against its
    /// own longest chain; start-up, size, and how fast the lab takes messages.
    Bench {
        /// How often each is run; the median counts.
        #[arg(long, default_value_t = 7)]
        runs: usize,
        /// Measure on this machine, which is the ward's.
        #[arg(long, hide = true)]
        here: bool,
    },
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Exam(asked) => exam::run(&asked),
        Command::BenchLog { mib } => bench::log::run(mib),
        Command::Bench { runs, here: false } => bench::run(runs),
        Command::Bench { runs, here: true } => bench::here(runs),
    }
}
