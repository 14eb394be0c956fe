//! The options of `maildoctor talk`, as they are typed.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::commands::secret::PasswordArgs;

/// Talk to a mail server by hand: what you type is sent, what it says is shown with how long it took.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  maildoctor talk mail.example.org:25
  maildoctor talk submission://mail.example.org --user anna@example.org
  maildoctor talk smtps://mail.example.org --transcript session.txt
  maildoctor talk imaps://mail.example.org --from ssh:outside.example.net
  printf 'EHLO client.example\\n:expect 250 STARTTLS\\nQUIT\\n' | maildoctor talk mail.example.org:25

A line that begins with a colon is ours: :help lists them, and :: sends a line that begins with one. \
From a pipe each line waits for the reply to the one before; the end of the input ends the session.

Exit codes: 0 the session came to its end, 2 a reply was not the expected one, or the server could not be \
reached, kept silent or hung up, 3 bad usage or an error.")]
pub(crate) struct Args {
    /// host:port, or a URL: smtp, smtps, submission, submissions, imap, imaps, pop3, pop3s.
    pub(super) target: String,
    /// TLS before the first reply, whatever the port.
    #[arg(long, conflicts_with = "plain")]
    pub(super) tls: bool,
    /// No TLS before the first reply, whatever the port.
    #[arg(long)]
    pub(super) plain: bool,
    /// The name that is asked for in TLS, and that the certificate must carry [default: the target's].
    #[arg(long, value_name = "NAME")]
    pub(super) server_name: Option<String>,
    /// The user name for :auth; where nothing holds the password, it is asked for.
    #[arg(long)]
    pub(super) user: Option<String>,
    #[command(flatten)]
    pub(super) password: PasswordArgs,
    /// Allow :auth over unverified TLS or none.
    #[arg(long)]
    pub(super) insecure_auth: bool,
    /// The replies that must come, in their order, the banner first: a code, its first digits, or a status such as
    /// +OK or NO; alternatives with |.
    #[arg(long, value_name = "CODE,…", value_delimiter = ',', allow_hyphen_values = true)]
    pub(super) expect: Vec<String>,
    /// Write the session down, with times and without secrets.
    #[arg(long, value_name = "FILE")]
    pub(super) transcript: Option<PathBuf>,
    /// Remember lines in this file for the next session; secrets are never remembered.
    #[arg(long, value_name = "FILE")]
    pub(super) history: Option<PathBuf>,
    /// Where to talk from: local, socks5://[user@]host:port or ssh:[user@]host[:port].
    #[arg(long, value_name = "VANTAGE", default_value = "local")]
    pub(super) from: String,
    /// The file with the password at a SOCKS proxy whose URL names a user [default: MAILDOCTOR_SOCKS_PASSWORD].
    #[arg(long, value_name = "FILE")]
    pub(super) socks_password_file: Option<PathBuf>,
    /// Our source address.
    #[arg(long, value_name = "ADDR")]
    pub(super) bind: Option<IpAddr>,
    /// The resolver that is asked for the host's addresses [default: as the system looks names up].
    #[arg(long, value_name = "ADDR[:PORT]")]
    pub(super) resolver: Option<String>,
    /// Trust the roots in this PEM file as well.
    #[arg(long, value_name = "FILE")]
    pub(super) ca_file: Option<PathBuf>,
    /// One step's bound; a person at a terminal may wait longer for a reply.
    #[arg(long, value_name = "D", default_value = "35s")]
    pub(super) timeout: String,
}
