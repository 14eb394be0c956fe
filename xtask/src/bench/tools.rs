//! What a person would run to see what one check sees.

use std::process::{Command, Stdio};

/// A mail system as the tools are pointed at it.
pub(super) struct Site {
    pub(super) domain: String,
    /// Names whose addresses are asked for.
    pub(super) hosts: Vec<String>,
    /// The resolver inside and the one outside, and their port.
    pub(super) resolvers: [String; 2],
    pub(super) dns: String,
    /// Addresses of the exchangers, and their port.
    pub(super) exchangers: Vec<String>,
    pub(super) smtp: String,
    /// Where mail is submitted, with STARTTLS and with TLS at once.
    pub(super) submission: (String, String),
    pub(super) smtps: (String, String),
    pub(super) user: String,
    pub(super) password: String,
    pub(super) stranger: String,
}

/// Whether all the tools are here.
pub(super) fn are_here() -> bool {
    let here = |tool: &&str| {
        let mut command = Command::new(tool);
        command.arg("-v").stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok()
    };
    ["dig", "swaks", "openssl"].iter().all(here)
}

/// The commands: MX, addresses and TXT inside and outside, reverse names, a session up to RCPT for each
/// recipient at each exchanger, the certificates, AUTH at both submission ports.
pub(super) fn commands(site: &Site) -> Vec<String> {
    let mut out = Vec::new();
    let Site { domain, user, dns, smtp, stranger, .. } = site;
    for resolver in &site.resolvers {
        let hosts = site.hosts.iter().map(|host| format!("A {host}"));
        let questions = [format!("MX {domain}"), format!("TXT {domain}")];
        for question in questions.into_iter().chain(hosts) {
            out.push(format!("dig @{resolver} -p {dns} {question}"));
        }
    }
    for address in &site.exchangers {
        out.push(format!("dig @{} -p {dns} -x {address}", site.resolvers[0]));
        for recipient in [user, &format!("nobody-at-all@{domain}"), &format!("postmaster@{domain}"), stranger] {
            out.push(format!(
                "swaks --server {address} --port {smtp} --tls --from '<>' --to {recipient} --quit-after RCPT"
            ));
        }
        out.push(format!("openssl s_client -starttls smtp -connect {address}:{smtp} -showcerts"));
    }
    for ((address, port), tls) in [(&site.submission, "--tls"), (&site.smtps, "--tlsc")] {
        out.push(format!(
            "swaks --server {address} --port {port} {tls} --auth PLAIN --auth-user {user} --auth-password '{}' --from {user} --to {stranger} --quit-after RCPT",
            site.password
        ));
    }
    out
}
