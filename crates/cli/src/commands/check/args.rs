//! The options of `maildoctor check`, as they are typed.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::commands::secret::PasswordArgs;

/// Blacklists that many servers ask.
pub(super) const COMMON_LISTS: &str = "zen.spamhaus.org,dbl.spamhaus.org,bl.spamcop.net,b.barracudacentral.org";

/// What makes no sense where the sender is under test.
const SENDING: [&str; 13] = [
    "user",
    "password_file",
    "password_command",
    "auth_token_file",
    "mailbox",
    "send",
    "send_via",
    "mail_from",
    "rcpt",
    "relay_rcpt",
    "probe_auth",
    "on_host",
    "domain",
];

/// How the report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Find out why mail does not arrive at a domain, an address or a server.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  maildoctor check example.org
  maildoctor check anna@example.org --relay-rcpt nobody@example.net
  maildoctor check example.org --user anna@example.org --password-file pw --mailbox imaps://mail.example.org --send
  maildoctor check mail.example.org:25 --format json
  maildoctor check example.org --on-host --listen 60s
  maildoctor check example.org --from local --from ssh:root@outside.example.net --from socks5://192.0.2.1:1080
  maildoctor check example.org --watch 5m
  maildoctor check example.org --at 30
  maildoctor check --outbound me@mine.example you@theirs.example --helo mail.mine.example
  maildoctor check --outbound me@mine.example you@theirs.example --source-ip 192.0.2.25

With --outbound the sender is looked at: on the host that sends, the receiver's own replies show what it has against \
it; for the address of another machine (--source-ip) what the receiver can look up. Blacklists are asked for it.

A bare name is a domain. With a host and port, a URL or an IP address no domain is tested unless --domain names one.")]
pub(crate) struct Args {
    /// A domain, an address, host:port, smtp://, smtps:// or submission:// URL, or an IP address.
    pub(super) target: String,
    /// The mail domain, where the target names only a server.
    #[arg(long)]
    pub(super) domain: Option<String>,
    /// The resolver of "here" [default: the system's].
    #[arg(long, value_name = "ADDR[:PORT]")]
    pub(super) resolver: Option<String>,
    /// A resolver "out there"; repeatable; `none` asks none [default: three public ones].
    #[arg(long, value_name = "ADDR[:PORT]")]
    pub(super) foreign_resolver: Vec<String>,
    /// Where the walk through the DNS begins: A and AAAA records of root servers [default: built in].
    #[arg(long, value_name = "FILE")]
    pub(super) root_hints: Option<PathBuf>,
    /// The keys from which DNSSEC is checked: DS or DNSKEY records of the root [default: IANA's; none with --root-hints].
    #[arg(long, value_name = "FILE")]
    pub(super) trust_anchor: Option<PathBuf>,
    /// The user name of the account to test.
    #[arg(long)]
    pub(super) user: Option<String>,
    #[command(flatten)]
    pub(super) password: PasswordArgs,
    /// Send exactly the AUTH PLAIN token in this file, once, and say what is wrong with it.
    #[arg(long, value_name = "FILE")]
    pub(super) auth_token_file: Option<PathBuf>,
    /// Where the message must turn up: imap(s)://[user@]host[:port], pop3(s)://…, maildir:PATH.
    #[arg(long, value_name = "URL")]
    pub(super) mailbox: Option<String>,
    /// The mailbox's user name, where it is not the --user.
    #[arg(long, value_name = "USER", requires = "mailbox_password_file")]
    pub(super) mailbox_user: Option<String>,
    /// The file with the mailbox's password.
    #[arg(long, value_name = "FILE", requires = "mailbox_user")]
    pub(super) mailbox_password_file: Option<PathBuf>,
    /// Allow real test messages, at most one for each path. With --mailbox the one by the exchanger also shows what
    /// the server takes for the end of a message.
    #[arg(long)]
    pub(super) send: bool,
    /// Send through an outside provider as well.
    #[arg(long, value_name = "URL", requires_all = ["via_user", "via_password_file", "send"])]
    pub(super) send_via: Option<String>,
    /// The user name at the outside provider.
    #[arg(long, value_name = "USER")]
    pub(super) via_user: Option<String>,
    /// The file with the password at the outside provider.
    #[arg(long, value_name = "FILE")]
    pub(super) via_password_file: Option<PathBuf>,
    /// Look at this sender, whose mail goes to TARGET: what the receiver can know of it, and its replies, never past RCPT.
    #[arg(long, value_name = "ADDR", conflicts_with_all = SENDING)]
    pub(super) outbound: Option<String>,
    /// The address that the sender's mail leaves from [default: the one by which this machine reaches the receiver].
    #[arg(long, value_name = "ADDR", requires = "outbound")]
    pub(super) source_ip: Option<std::net::IpAddr>,
    /// Our EHLO name [default: the confirmed reverse name of our address, or an address literal].
    #[arg(long, value_name = "NAME")]
    pub(super) helo: Option<String>,
    /// The envelope sender [default: the null sender, then --user where it is an address; without one, postmaster at our own name
    /// where the null sender is refused].
    #[arg(long, value_name = "ADDR")]
    pub(super) mail_from: Option<String>,
    /// The recipient under test [default: the target's address, or postmaster].
    #[arg(long, value_name = "ADDR")]
    pub(super) rcpt: Option<String>,
    /// An outside address for the relay test; nothing is sent to it.
    #[arg(long, value_name = "ADDR")]
    pub(super) relay_rcpt: Option<String>,
    /// Where to look from: local, socks5://[user@]host:port or ssh:[user@]host[:port]; repeatable [default: local].
    #[arg(long, value_name = "VANTAGE")]
    pub(super) from: Vec<String>,
    /// Watch the server's real clients for so long, at least.
    #[arg(long, value_name = "D", requires = "on_host")]
    pub(super) listen: Option<String>,
    /// The file with the password at the SOCKS proxies whose URL names a user [default: MAILDOCTOR_SOCKS_PASSWORD].
    #[arg(long, value_name = "FILE")]
    pub(super) socks_password_file: Option<PathBuf>,
    /// Our source address, for connections and lookups of its family from this machine.
    #[arg(long, value_name = "ADDR")]
    pub(super) bind: Option<std::net::IpAddr>,
    /// This machine is the server: see which lookup it waits for, and read its settings, queue, log and sockets; nothing is changed.
    #[arg(long)]
    pub(super) on_host: bool,
    /// Where the mail server's settings lie [default: those of every server that is found].
    #[arg(long, value_name = "DIR", requires = "on_host")]
    pub(super) mta_config: Option<PathBuf>,
    /// A server known to be up, asked before "our own port 25 is blocked" is claimed.
    #[arg(long, value_name = "HOST")]
    pub(super) control_mx: Option<String>,
    /// Time and ask blacklists for the addresses and the domain under test: some common ones, or those named.
    #[arg(long, value_name = "ZONE,…", value_delimiter = ',', num_args = 0..=1, require_equals = true, default_missing_value = COMMON_LISTS)]
    pub(super) dnsbl: Vec<String>,
    /// A selector whose DKIM key must be there; repeatable.
    #[arg(long, value_name = "NAME")]
    pub(super) dkim_selector: Vec<String>,
    /// Spend one AUTH try with wrong credentials.
    #[arg(long)]
    pub(super) probe_auth: bool,
    /// Allow a password over unverified TLS or none.
    #[arg(long)]
    pub(super) insecure_auth: bool,
    /// Other ports: smtp, submission, smtps, imap, imaps, pop3, pop3s, https, dns.
    #[arg(long, value_name = "NAME=N,…")]
    pub(super) port: Vec<String>,
    /// Trust the roots in this PEM file as well.
    #[arg(long, value_name = "FILE")]
    pub(super) ca_file: Option<PathBuf>,
    /// Check only these areas.
    #[arg(long, value_name = "AREA,…", conflicts_with = "skip")]
    pub(super) only: Option<String>,
    /// Leave out these areas.
    #[arg(long, value_name = "AREA,…")]
    pub(super) skip: Option<String>,
    /// One step's bound.
    #[arg(long, value_name = "D", default_value = "35s")]
    pub(super) timeout: String,
    /// The whole run's bound.
    #[arg(long, value_name = "D", default_value = "120s")]
    pub(super) deadline: String,
    /// How the report is written; several need --output DIR.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "text")]
    pub(super) format: Vec<Format>,
    /// The file of the report, or the folder of several.
    #[arg(long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Keep the evidence in this file, for `maildoctor diagnose`.
    #[arg(long, value_name = "CASE.json")]
    pub(super) save: Option<PathBuf>,
    /// Replace addresses and names in the saved case, consistently.
    #[arg(long, requires = "save")]
    pub(super) redact: bool,
    /// Leave the test message in the mailbox.
    #[arg(long)]
    pub(super) keep_message: bool,
    /// Judge certificates, TLSA records and policies as they will be in so many days.
    #[arg(long, value_name = "D", value_parser = maildoctor_core::options::parse_days)]
    pub(super) at: Option<u32>,
    /// Check again at this pace, and print only what changed; Ctrl-C ends it.
    #[arg(long, value_name = "D", conflicts_with_all = ["send", "output"])]
    pub(super) watch: Option<String>,
}
