//! `maildoctor completions` and `maildoctor man`.

use clap_complete::Shell;

use crate::output;

/// Print completions for a shell.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  maildoctor completions bash > ~/.local/share/bash-completion/completions/maildoctor"
)]
pub(crate) struct Args {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Runs the command and gives its exit code.
pub(crate) fn run(args: &Args, command: &mut clap::Command) -> anyhow::Result<u8> {
    let mut out = Vec::new();
    clap_complete::generate(args.shell, command, "maildoctor", &mut out);
    output::print(&String::from_utf8_lossy(&out))?;
    Ok(0)
}

/// Prints the manual page.
pub(crate) fn man(command: clap::Command) -> anyhow::Result<u8> {
    let mut out = Vec::new();
    clap_mangen::Man::new(command).render(&mut out)?;
    output::print(&String::from_utf8_lossy(&out))?;
    Ok(0)
}
