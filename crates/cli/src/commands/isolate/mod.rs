//! `maildoctor isolate`: which setting makes a server let its clients wait, found by experiment.

mod in_place;
mod manual;
mod shadow;
mod text;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use maildoctor_core::options::parse_duration;

use super::check::Format;

/// Find by experiment which setting makes a server let its clients wait: on copies of it, or in place.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  maildoctor isolate --control postfix
  maildoctor isolate --control exim
  maildoctor isolate --control postfix --client 198.51.100.7 --format json
  maildoctor isolate --control lab --in-place
  maildoctor isolate --control manual --server mail.example.org --software modusmail --list bl.example.net --list dnsbl.example.com
  maildoctor isolate --restore

With postfix and exim, copies of the server are started on loopback, each with one DNS list, lookup, policy service or milter switched off, \
and it is measured how long each lets a client wait. The server itself is only read. Policy services and milters are asked as for any \
client. It prints the command that applies the remedy, and does not run it.

With manual, for a server that nobody can drive from here, you are told at each step what to switch off and where, and it is measured \
whenever you say that it is done; half of the lists at a time, and everything is on again at the end.

With lab --in-place the settings of the running lab are changed by halves and put back; everything is shown and asked first.

Exit codes: 0 nothing waits, or all put back; 1 what waits was found; 3 it could not be told, or an error.")]
pub(crate) struct Args {
    /// Which server this is, and what drives it.
    #[arg(long, value_enum, required_unless_present = "restore")]
    control: Option<Kind>,
    /// The folder of Postfix's settings, or the file of Exim's [default: /etc/postfix, or the file that Exim uses].
    #[arg(long, value_name = "PATH")]
    mta_config: Option<PathBuf>,
    /// The address that clients come from [default: a fresh one of 203.0.113.0/24 each time].
    #[arg(long, value_name = "ADDR")]
    client: Option<IpAddr>,
    /// The recipient that is asked for, and always refused [default: a name of ours at the server].
    #[arg(long, value_name = "ADDR")]
    rcpt: Option<String>,
    /// How often the same is measured at most, from 2 to 20.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(2..=20))]
    tries: u8,
    /// How long one reply is waited for, such as 60s or 2m.
    #[arg(long, value_name = "D", default_value = "60s", value_parser = parse_duration)]
    timeout: Duration,
    /// Text, or JSON where copies are measured.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Change the settings of the running server, and put them back: shown and asked first.
    #[arg(long)]
    in_place: bool,
    /// The folder of the lab, which it prints as its files; needed only where several run.
    #[arg(long, value_name = "FOLDER")]
    at: Option<PathBuf>,
    /// Do not ask before settings are changed.
    #[arg(long)]
    yes: bool,
    /// Put back what a run that was killed left changed; harmless where there is nothing.
    #[arg(long, conflicts_with_all = ["control", "in_place"])]
    restore: bool,
    /// The server that a person drives, for --control manual.
    #[arg(long, value_name = "HOST[:PORT]")]
    server: Option<String>,
    /// A DNS list that this server asks; may be repeated. On a terminal they are asked for.
    #[arg(long, value_name = "ZONE")]
    list: Vec<String>,
    /// The server does not look up the names of its clients.
    #[arg(long)]
    no_reverse: bool,
    /// Whose windows the instructions name.
    #[arg(long, value_enum, default_value = "other")]
    software: Software,
    /// The folder of journals [default: $XDG_STATE_HOME/maildoctor or ~/.local/state/maildoctor].
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

/// What drives the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// Postfix on this machine, by copies of it; needs root.
    Postfix,
    /// Exim on this machine, by copies of it; needs root.
    Exim,
    /// The console of a lab.
    Lab,
    /// A person, who is told what to do at each step.
    Manual,
}

/// Servers whose windows are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Software {
    /// ModusMail's console.
    Modusmail,
    /// Exchange's management shell.
    Exchange,
    /// Any other.
    Other,
}

/// Runs the command and gives its exit code.
pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    match args.control {
        _ if args.restore => in_place::restore(args),
        None => bail!("it must be known which server this is; add --control postfix, exim, lab or manual"),
        Some(Kind::Postfix | Kind::Exim) if args.in_place => {
            bail!("copies of the server serve, and its own settings are never changed; leave --in-place out")
        }
        Some(Kind::Manual) if args.in_place => {
            bail!("with manual you change the settings yourself; leave --in-place out")
        }
        Some(Kind::Manual) => manual::run(args),
        Some(Kind::Postfix) => shadow::run(args, shadow::Server::Postfix),
        Some(Kind::Exim) => shadow::run(args, shadow::Server::Exim),
        Some(Kind::Lab) if !args.in_place => bail!(
            "the lab's settings can only be tried in place; add --in-place, which shows what it will do and asks first"
        ),
        Some(Kind::Lab) if args.format == Format::Json => {
            bail!("what is tried in place is told as text only; leave --format out")
        }
        Some(Kind::Lab) => in_place::run(args),
    }
}
