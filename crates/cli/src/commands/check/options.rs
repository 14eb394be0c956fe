//! From what was typed to what a run is told, with one clear sentence where it makes no sense.

use std::path::{Path, PathBuf};

use anyhow::bail;
use maildoctor_core::case::Outbound;
use maildoctor_core::options::{self, AREAS, Login, MailboxSpec, Options, Outside, Ports, VantageSpec};
use maildoctor_core::questions::tcp::Role;
use maildoctor_core::target::Target;

use super::Args;
use super::args::COMMON_LISTS;
use crate::commands::secret;

/// Three well-known public resolvers: what the world outside sees.
const PUBLIC_RESOLVERS: [&str; 3] = ["1.1.1.1", "8.8.8.8", "9.9.9.9"];

/// Reads the options.
pub(super) fn options(args: &Args) -> anyhow::Result<Options> {
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
    let vantages = places(args)?;
    let areas = match (&args.only, &args.skip) {
        (Some(only), _) => options::parse_areas(only)?,
        (None, Some(skip)) => {
            let left_out = options::parse_areas(skip)?;
            AREAS.into_iter().filter(|area| !left_out.contains(area)).collect()
        }
        (None, None) => AREAS.to_vec(),
    };
    let outbound = outbound(args, &vantages)?;
    let mut lists: Vec<&str> = args.dnsbl.iter().map(String::as_str).collect();
    if lists.is_empty() && outbound.is_some() {
        lists = COMMON_LISTS.split(',').collect();
    }
    // Mail leaves from the address that was named, where it is one of this machine's.
    let own = args.source_ip.filter(|ip| own_address(*ip).is_ok() && vantages == [VantageSpec::Local]);
    Ok(Options {
        domain: args.domain.as_deref().map(maildoctor_core::target::domain_name).transpose()?,
        at_days: args.at,
        resolver,
        foreign_resolvers: foreign
            .into_iter()
            .map(|text| options::parse_resolver(text, dns_port))
            .collect::<Result<_, _>>()?,
        root_hints: args.root_hints.clone(),
        trust_anchor: args.trust_anchor.clone(),
        token: args.auth_token_file.as_deref().map(secret::token_from_file).transpose()?,
        user: args.user.clone(),
        mailbox: args.mailbox.as_deref().map(mailbox).transpose()?,
        mailbox_login: match (&args.mailbox_user, &args.mailbox_password_file) {
            (Some(user), Some(file)) => Some(Login { user: user.clone(), password: secret::from_file(file)? }),
            _ => None,
        },
        login,
        send: args.send,
        outside: outside(args)?,
        outbound,
        helo: args.helo.clone().map(|name| plain("--helo", name)).transpose()?,
        mail_from: args.mail_from.as_deref().map(|a| address("--mail-from", a)).transpose()?,
        rcpt: args.rcpt.as_deref().map(|a| address("--rcpt", a)).transpose()?,
        relay_rcpt: args.relay_rcpt.as_deref().map(|a| address("--relay-rcpt", a)).transpose()?,
        socks_password: secret::socks_password(args.socks_password_file.as_deref())?,
        vantages,
        on_host: args.on_host,
        listen: listen(args)?,
        bind: args.bind.map(own_address).transpose()?.or(own),
        mta_config: args.mta_config.as_deref().map(settings_folder).transpose()?,
        control_mx: args.control_mx.clone(),
        dnsbl: lists.into_iter().map(maildoctor_core::target::domain_name).collect::<Result<_, _>>()?,
        dkim_selectors: args.dkim_selector.iter().map(|s| selector(s)).collect::<Result<_, _>>()?,
        probe_auth: args.probe_auth,
        insecure_auth: args.insecure_auth,
        ports,
        ca_file: args.ca_file.clone(),
        areas,
        timeout: options::parse_duration(&args.timeout)?,
        deadline: options::parse_duration(&args.deadline)?,
        keep_message: args.keep_message,
        arguments: arguments(std::env::args().skip(1)),
    })
}

/// The sender under test, whose mail goes to the target.
fn outbound(args: &Args, vantages: &[VantageSpec]) -> anyhow::Result<Option<Outbound>> {
    let Some(text) = &args.outbound else { return Ok(None) };
    let Ok(Target::Address { address: sender, domain }) = Target::parse(text) else {
        bail!("--outbound wants the sender's address such as me@mine.example, and `{}` is none", text.escape_debug());
    };
    if !matches!(Target::parse(&args.target), Ok(Target::Address { .. })) {
        bail!(
            "with --outbound the target is the recipient's address such as you@theirs.example, and `{}` is none",
            args.target.escape_debug()
        );
    }
    if vantages.len() > 1 {
        bail!("mail leaves from one place; with --outbound give --from once");
    }
    if let Some(ip) = args.source_ip
        && (ip.is_unspecified() || ip.is_multicast() || ip == std::net::Ipv4Addr::BROADCAST)
    {
        bail!("--source-ip wants the address that mail leaves from, and nothing can be sent from {ip}");
    }
    if let Some(ip) = args.source_ip.filter(|ip| maildoctor_wire::rdns::is_private(*ip) && !ip.is_loopback()) {
        bail!("--source-ip wants the address that the world sees, and {ip} is private; `--bind {ip}` goes with it");
    }
    if let (Some(source), Some(bind)) = (args.source_ip, args.bind)
        && source.is_ipv4() != bind.is_ipv4()
    {
        bail!("--source-ip {source} and --bind {bind} are not of one family; give two of one");
    }
    let here = vantages == [VantageSpec::Local];
    let talks = args.source_ip.is_none_or(|ip| !here || args.bind.is_some() || own_address(ip).is_ok());
    Ok(Some(Outbound { sender, domain, source: args.source_ip.or(args.bind), talks }))
}

/// The arguments that next tests build on: a test is made once, so what repeats a run is left out, and what this run has
/// saved is not written over.
fn arguments(mut given: impl Iterator<Item = String>) -> Vec<String> {
    let mut kept = Vec::new();
    while let Some(word) = given.next() {
        match word.as_str() {
            "--watch" | "--save" => drop(given.next()),
            "--redact" => {}
            word if word.starts_with("--watch=") || word.starts_with("--save=") => {}
            _ => kept.push(word),
        }
    }
    kept
}

/// How long clients are watched: within the run's own bound, or it would be cut short without a word.
fn listen(args: &Args) -> anyhow::Result<Option<std::time::Duration>> {
    let Some(text) = &args.listen else { return Ok(None) };
    let listen = options::parse_duration(text)?;
    if listen > options::parse_duration(&args.deadline)? {
        bail!(
            "--listen {text} is longer than the whole run may take; add --deadline with more than that (now {})",
            args.deadline
        );
    }
    Ok(Some(listen))
}

/// Where to look from, each place once.
fn places(args: &Args) -> anyhow::Result<Vec<VantageSpec>> {
    let mut places = Vec::new();
    for text in &args.from {
        let place = VantageSpec::parse(text)?;
        if places.contains(&place) {
            bail!("--from names {text} twice; give each place once");
        }
        places.push(place);
    }
    if places.is_empty() {
        places.push(VantageSpec::Local);
    }
    if args.bind.is_some() && !places.contains(&VantageSpec::Local) {
        bail!("--bind is for connections from this machine, and --from names other places only; add --from local");
    }
    let wants_login = places.iter().any(|place| matches!(place, VantageSpec::Socks5 { user: Some(_), .. }));
    if wants_login && args.socks_password_file.is_none() && std::env::var_os(secret::SOCKS_VARIABLE).is_none() {
        bail!(
            "--from names a user at a SOCKS proxy and there is no password; set {} or add --socks-password-file FILE",
            secret::SOCKS_VARIABLE
        );
    }
    Ok(places)
}

fn login(args: &Args) -> anyhow::Result<Option<Login>> {
    let Some(user) = &args.user else {
        if args.password.given() {
            bail!("a password without a user name; add --user USER");
        }
        return Ok(None);
    };
    let password = args.password.read()?;
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

/// A folder with settings, as a whole path: what reads it stands elsewhere.
fn settings_folder(folder: &Path) -> anyhow::Result<PathBuf> {
    let known = ["main.cf", "exim.conf", "exim4.conf", "configure", "smtpd.conf"];
    if !known.iter().any(|name| folder.join(name).exists()) {
        bail!(
            "--mta-config wants the folder of a mail server's settings, and {} holds none of {}",
            folder.display(),
            known.join(", ")
        );
    }
    Ok(folder.canonicalize()?)
}

/// An address for the envelope: checked here, so that no line break can get into a command.
fn address(option: &str, text: &str) -> anyhow::Result<String> {
    match Target::parse(text) {
        Ok(Target::Address { address, .. }) => Ok(address),
        _ => bail!("{option} wants an address such as anna@example.org, and `{text}` is none"),
    }
}

/// A mailbox. A Maildir may be made by the first delivery; what is something else never becomes one.
fn mailbox(text: &str) -> anyhow::Result<MailboxSpec> {
    let spec = MailboxSpec::parse(text)?;
    if let MailboxSpec::Maildir(path) = &spec {
        let to_come = !path.exists() && path.parent().is_some_and(|p| p.as_os_str().is_empty() || p.is_dir());
        if !to_come && !path.join("new").is_dir() && !path.join("cur").is_dir() {
            bail!("{} is no Maildir; give the folder that holds new and cur", path.display());
        }
    }
    Ok(spec)
}

/// An address of this machine, which is what connections can come from.
fn own_address(address: std::net::IpAddr) -> anyhow::Result<std::net::IpAddr> {
    match std::net::UdpSocket::bind((address, 0)) {
        Ok(_) => Ok(address),
        Err(error) => bail!("--bind {address} cannot be used; give an address of this machine: {error}"),
    }
}

/// A DKIM selector: one label or several of a name (RFC 6376 section 3.1).
fn selector(text: &str) -> anyhow::Result<String> {
    let label = |l: &str| {
        !l.is_empty() && l.len() <= 63 && l.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    if text.len() > 128 || !text.split('.').all(label) {
        bail!(
            "--dkim-selector wants the name in `s=` of a signature, such as 2026a, and `{}` is none",
            text.escape_debug()
        );
    }
    Ok(text.to_owned())
}

fn plain(option: &str, text: String) -> anyhow::Result<String> {
    if text.is_empty() || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        bail!("{option} wants a host name or an address literal without blanks, and `{}` is none", text.escape_debug());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_tests_do_not_repeat_a_watch_or_write_over_a_case() {
        for given in [
            "check a.example --watch 5m --send",
            "check a.example --watch=5m --send",
            "check a.example --save a.json --redact --send",
            "check --save=a.json a.example --send",
        ] {
            let kept = arguments(given.split(' ').map(str::to_owned));
            assert_eq!(kept.join(" "), "check a.example --send");
        }
    }
}
