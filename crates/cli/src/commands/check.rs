//! `maildoctor check`: one verdict, its root causes with proof, and the remedy.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::ValueEnum;
use maildoctor_core::case::Case;
use maildoctor_core::options::{self, AREAS, Login, MailboxSpec, Options, Outside, Ports, VantageSpec};
use maildoctor_core::questions::tcp::Role;
use maildoctor_core::target::Target;

use super::{render, secret};
use crate::progress;

/// Three well-known public resolvers: what the world outside sees.
const PUBLIC_RESOLVERS: [&str; 3] = ["1.1.1.1", "8.8.8.8", "9.9.9.9"];

/// Blacklists that many servers ask.
const COMMON_LISTS: &str = "zen.spamhaus.org,bl.spamcop.net,b.barracudacentral.org";

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
  maildoctor check example.org --from local --from socks5://192.0.2.1:1080

A bare name is a domain. With a host and port, a URL or an IP address no domain is tested unless --domain names one.")]
pub(crate) struct Args {
    /// A domain, an address, host:port, smtp://, smtps:// or submission:// URL, or an IP address.
    target: String,
    /// The mail domain, where the target names only a server.
    #[arg(long)]
    domain: Option<String>,
    /// The resolver of "here" [default: the system's].
    #[arg(long, value_name = "ADDR[:PORT]")]
    resolver: Option<String>,
    /// A resolver "out there"; repeatable; `none` asks none [default: three public ones].
    #[arg(long, value_name = "ADDR[:PORT]")]
    foreign_resolver: Vec<String>,
    /// The user name of the account to test.
    #[arg(long)]
    user: Option<String>,
    /// The file that holds the password; one line end at its end is not part of it.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// A command that prints the password.
    #[arg(long, value_name = "CMD", conflicts_with = "password_file")]
    password_command: Option<String>,
    /// Send exactly the AUTH PLAIN token in this file, once, and say what is wrong with it.
    #[arg(long, value_name = "FILE")]
    auth_token_file: Option<PathBuf>,
    /// Where the message must turn up: imap(s)://[user@]host[:port], pop3(s)://…, maildir:PATH.
    #[arg(long, value_name = "URL")]
    mailbox: Option<String>,
    /// The mailbox's user name, where it is not the --user.
    #[arg(long, value_name = "USER", requires = "mailbox_password_file")]
    mailbox_user: Option<String>,
    /// The file with the mailbox's password.
    #[arg(long, value_name = "FILE", requires = "mailbox_user")]
    mailbox_password_file: Option<PathBuf>,
    /// Allow real test messages, at most one for each path.
    #[arg(long)]
    send: bool,
    /// Send through an outside provider as well.
    #[arg(long, value_name = "URL", requires_all = ["via_user", "via_password_file", "send"])]
    send_via: Option<String>,
    /// The user name at the outside provider.
    #[arg(long, value_name = "USER")]
    via_user: Option<String>,
    /// The file with the password at the outside provider.
    #[arg(long, value_name = "FILE")]
    via_password_file: Option<PathBuf>,
    /// Our EHLO name [default: the confirmed reverse name of our address, or an address literal].
    #[arg(long, value_name = "NAME")]
    helo: Option<String>,
    /// The envelope sender [default: the null sender, then --user where it is an address].
    #[arg(long, value_name = "ADDR")]
    mail_from: Option<String>,
    /// The recipient under test [default: the target's address, or postmaster].
    #[arg(long, value_name = "ADDR")]
    rcpt: Option<String>,
    /// An outside address for the relay test; nothing is sent to it.
    #[arg(long, value_name = "ADDR")]
    relay_rcpt: Option<String>,
    /// Where to look from: local or socks5://host:port; repeatable [default: local].
    #[arg(long, value_name = "VANTAGE")]
    from: Vec<String>,
    /// Our source address.
    #[arg(long, value_name = "ADDR")]
    bind: Option<std::net::IpAddr>,
    /// A server known to be up, asked before "our own port 25 is blocked" is claimed.
    #[arg(long, value_name = "HOST")]
    control_mx: Option<String>,
    /// Time and ask blacklists for the addresses under test: some common ones, or those named.
    #[arg(long, value_name = "ZONE,…", value_delimiter = ',', num_args = 0..=1, require_equals = true, default_missing_value = COMMON_LISTS)]
    dnsbl: Vec<String>,
    /// Spend one AUTH try with wrong credentials.
    #[arg(long)]
    probe_auth: bool,
    /// Allow a password over unverified TLS or none.
    #[arg(long)]
    insecure_auth: bool,
    /// Other ports: smtp, submission, smtps, imap, imaps, pop3, pop3s, https, dns.
    #[arg(long, value_name = "NAME=N,…")]
    port: Vec<String>,
    /// Trust the roots in this PEM file as well.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Check only these areas.
    #[arg(long, value_name = "AREA,…", conflicts_with = "skip")]
    only: Option<String>,
    /// Leave out these areas.
    #[arg(long, value_name = "AREA,…")]
    skip: Option<String>,
    /// One step's bound.
    #[arg(long, value_name = "D", default_value = "35s")]
    timeout: String,
    /// The whole run's bound.
    #[arg(long, value_name = "D", default_value = "120s")]
    deadline: String,
    /// How the report is written; several need --output DIR.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "text")]
    format: Vec<Format>,
    /// The file of the report, or the folder of several.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Keep the evidence in this file, for `maildoctor diagnose`.
    #[arg(long, value_name = "CASE.json")]
    save: Option<PathBuf>,
    /// Replace addresses and names in the saved case, consistently.
    #[arg(long, requires = "save")]
    redact: bool,
    /// Leave the test message in the mailbox.
    #[arg(long)]
    keep_message: bool,
}

/// Runs the command and gives its exit code.
pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    let target = Target::parse(&args.target)?;
    if args.format.len() > 1 && args.output.is_none() {
        bail!("several formats need a folder to be written to; add --output DIR");
    }
    let options = options(args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("the run cannot be started")?;
    let case = runtime.block_on(look(options, &target, &args.target))?;
    // What is still being torn down must not hold the report back.
    runtime.shutdown_background();
    if let Some(path) = &args.save {
        save(path, &case, args.redact)?;
    }
    render::diagnosis(&case, &args.format, args.output.as_deref())
}

async fn look(options: Options, target: &Target, input: &str) -> anyhow::Result<Case> {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    let shown = progress::is_shown();
    let shower = shown.then(|| tokio::spawn(progress::show(receiver)));
    let run = maildoctor_core::check::check(options, target, input, shown.then_some(sender));
    let case = tokio::select! {
        case = run => case?,
        _ = tokio::signal::ctrl_c() => bail!("stopped before the end; nothing was changed anywhere"),
    };
    if let Some(shower) = shower {
        let _ = tokio::time::timeout(std::time::Duration::from_millis(300), shower).await;
    }
    Ok(case)
}

fn save(path: &Path, case: &Case, redact: bool) -> anyhow::Result<()> {
    let text = if redact { case.redacted()?.to_json()? } else { case.to_json()? };
    crate::output::save(path, &text)
}

fn options(args: &Args) -> anyhow::Result<Options> {
    let mut ports = Ports::default();
    for text in &args.port {
        ports.set(text)?;
    }
    let dns_port = ports.named("dns").unwrap_or(53);
    let resolver = args.resolver.as_deref().map(|text| options::parse_resolver(text, dns_port)).transpose()?;
    let foreign: Vec<&str> = match args.foreign_resolver.as_slice() {
        [] => PUBLIC_RESOLVERS.to_vec(),
        given => given.iter().map(String::as_str).filter(|text| *text != "none").collect(),
    };
    let login = login(args)?;
    let vantages = if args.from.is_empty() {
        vec![VantageSpec::Local]
    } else {
        args.from.iter().map(|text| VantageSpec::parse(text)).collect::<Result<_, _>>()?
    };
    let areas = match (&args.only, &args.skip) {
        (Some(only), _) => options::parse_areas(only)?,
        (None, Some(skip)) => {
            let left_out = options::parse_areas(skip)?;
            AREAS.into_iter().filter(|area| !left_out.contains(area)).collect()
        }
        (None, None) => AREAS.to_vec(),
    };
    Ok(Options {
        domain: args.domain.as_deref().map(maildoctor_core::target::domain_name).transpose()?,
        resolver,
        foreign_resolvers: foreign
            .into_iter()
            .map(|text| options::parse_resolver(text, dns_port))
            .collect::<Result<_, _>>()?,
        token: args.auth_token_file.as_deref().map(secret::token_from_file).transpose()?,
        user: args.user.clone(),
        mailbox: args.mailbox.as_deref().map(MailboxSpec::parse).transpose()?,
        mailbox_login: match (&args.mailbox_user, &args.mailbox_password_file) {
            (Some(user), Some(file)) => Some(Login { user: user.clone(), password: secret::from_file(file)? }),
            _ => None,
        },
        login,
        send: args.send,
        outside: outside(args)?,
        helo: args.helo.clone().map(|name| plain("--helo", name)).transpose()?,
        mail_from: args.mail_from.as_deref().map(|a| address("--mail-from", a)).transpose()?,
        rcpt: args.rcpt.as_deref().map(|a| address("--rcpt", a)).transpose()?,
        relay_rcpt: args.relay_rcpt.as_deref().map(|a| address("--relay-rcpt", a)).transpose()?,
        vantages,
        bind: args.bind,
        control_mx: args.control_mx.clone(),
        dnsbl: args.dnsbl.iter().map(|zone| maildoctor_core::target::domain_name(zone)).collect::<Result<_, _>>()?,
        probe_auth: args.probe_auth,
        insecure_auth: args.insecure_auth,
        ports,
        ca_file: args.ca_file.clone(),
        areas,
        timeout: options::parse_duration(&args.timeout)?,
        deadline: options::parse_duration(&args.deadline)?,
        keep_message: args.keep_message,
        arguments: std::env::args().skip(1).collect(),
    })
}

fn login(args: &Args) -> anyhow::Result<Option<Login>> {
    let Some(user) = &args.user else {
        if args.password_file.is_some() || args.password_command.is_some() {
            bail!("a password without a user name; add --user USER");
        }
        return Ok(None);
    };
    let password = secret::password(args.password_file.as_deref(), args.password_command.as_deref(), None)?;
    if password.is_none() && args.auth_token_file.is_none() {
        bail!(
            "--user without a password; add --password-file FILE, --password-command CMD or set {}",
            secret::PASSWORD_VARIABLE
        );
    }
    Ok(password.map(|password| Login { user: user.clone(), password }))
}

fn outside(args: &Args) -> anyhow::Result<Option<Outside>> {
    let (Some(url), Some(user), Some(file)) = (&args.send_via, &args.via_user, &args.via_password_file) else {
        return Ok(None);
    };
    let (host, role, port) = match Target::parse(url)? {
        Target::Host { host, role, port } => (host, role, port),
        Target::Ip { ip, role, port } => (ip.to_string(), role, port),
        Target::Domain(host) => (host, Role::Submission, None),
        Target::Address { .. } => {
            bail!("`{url}` is an address and no provider; give submission://HOST")
        }
    };
    let role = if role == Role::Smtp { Role::Submission } else { role };
    Ok(Some(Outside { host, role, port, login: Login { user: user.clone(), password: secret::from_file(file)? } }))
}

/// An address for the envelope: checked here, so that no line break can get into a command.
fn address(option: &str, text: &str) -> anyhow::Result<String> {
    match Target::parse(text) {
        Ok(Target::Address { address, .. }) => Ok(address),
        _ => bail!("{option} wants an address such as anna@example.org, and `{text}` is none"),
    }
}

fn plain(option: &str, text: String) -> anyhow::Result<String> {
    if text.is_empty() || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        bail!("{option} wants a host name or an address literal without blanks, and `{}` is none", text.escape_debug());
    }
    Ok(text)
}
