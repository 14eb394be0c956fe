//! The program: finds out why mail does not arrive, proves it, and says what to change.

mod commands;
mod output;
mod progress;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// The exit code of bad usage, of what could not be told, and of an error of ours.
const EXIT_ERROR: u8 = 3;

/// Finds out why mail does not arrive, proves it, and says what to change.
#[derive(Debug, Parser)]
#[command(name = "maildoctor", version, max_term_width = 100, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 healthy or advice only, 1 at risk or degraded, 2 broken, 3 could not tell, bad usage or an error.\n\nExamples:\n  maildoctor check anna@example.org\n  maildoctor explain dnsbl-timeout\n  maildoctor demo"
)]
struct Cli {
    /// Colour on the terminal.
    #[arg(long, global = true, value_enum, default_value_t = output::Colour::Auto)]
    color: output::Colour,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(Box<commands::check::Args>),
    Diagnose(commands::diagnose::Args),
    Bounce(commands::bounce::Args),
    Trace(commands::trace::Args),
    Compare(commands::compare::Args),
    Explain(commands::explain::Args),
    Catalogue(commands::catalogue::Args),
    Talk(Box<commands::talk::Args>),
    Token(commands::token::Args),
    Isolate(commands::isolate::Args),
    Lab(commands::lab::Args),
    Demo(commands::demo::Args),
    Schema(commands::schema::Args),
    Completions(commands::completions::Args),
    /// Print the manual page.
    Man,
}

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        anstream::eprintln!(
            "error: maildoctor failed on its own account ({panic}); please report this with the command you typed"
        );
    }));
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; clap's own exit code 2 means "broken" here.
            let code = if error.use_stderr() { EXIT_ERROR } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    cli.color.set();
    let done = std::panic::catch_unwind(|| run(cli.command)).unwrap_or_else(|_| Ok(EXIT_ERROR));
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            ExitCode::from(EXIT_ERROR)
        }
    }
}

/// Runs what a user could have typed behind the program's name.
pub(crate) fn typed(words: impl IntoIterator<Item = String>) -> anyhow::Result<u8> {
    let cli = Cli::try_parse_from(std::iter::once("maildoctor".to_owned()).chain(words))?;
    run(cli.command)
}

fn run(command: Command) -> anyhow::Result<u8> {
    match command {
        Command::Check(args) => commands::check::run(&args),
        Command::Diagnose(args) => commands::diagnose::run(&args),
        Command::Bounce(args) => commands::bounce::run(&args),
        Command::Trace(args) => commands::trace::run(&args),
        Command::Compare(args) => commands::compare::run(&args),
        Command::Explain(args) => commands::explain::run(&args),
        Command::Catalogue(args) => commands::catalogue::run(&args),
        Command::Talk(args) => commands::talk::run(&args),
        Command::Token(args) => commands::token::run(args),
        Command::Isolate(args) => commands::isolate::run(&args),
        Command::Lab(args) => commands::lab::run(&args),
        Command::Demo(args) => commands::demo::run(&args),
        Command::Schema(args) => commands::schema::run(&args),
        Command::Completions(args) => commands::completions::run(&args, &mut Cli::command()),
        Command::Man => commands::completions::man(Cli::command()),
    }
}
