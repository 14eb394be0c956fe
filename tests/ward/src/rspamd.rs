//! Rspamd as Debian packages it, as a milter; of its modules those that ask others are left out.

use std::{fs, os::unix::fs::chown, process::Command};

use crate::{Daemon, WardError, daemon::write, names::SERVER_RESOLVER};

/// Where it is a milter.
pub const RSPAMD_MILTER: &str = "127.0.0.1:11332";

/// The number of the account that it runs as.
const OWNER: u32 = 64013;

/// The modules of Debian's that ask hosts outside, or a Redis.
const ASKING: [&str; 8] =
    ["asn", "dkim_signing", "fuzzy_check", "mx_check", "neural", "phishing", "surbl", "url_redirector"];

/// Starts an Rspamd that asks these DNS lists about each client, and looks at a message for 8 s at most.
///
/// # Errors
/// When it does not come up.
pub fn rspamd(lists: &[&str]) -> Result<Daemon, WardError> {
    for module in ASKING.iter().chain(&["whitelist"]) {
        let path = format!("/etc/rspamd/modules.d/{module}.conf");
        fs::remove_file(&path).map_err(WardError::io(path))?;
    }
    let rules: String = lists
        .iter()
        .enumerate()
        .map(|(n, zone)| {
            format!("    list{n} {{\n      symbol = \"LIST{n}\";\n      rbl = \"{zone}\";\n      checks = [\"from\"];\n    }}\n")
        })
        .collect();
    write("/etc/rspamd/modules.d/rbl.conf", format!("rbl {{\n  rbls {{\n{rules}  }}\n}}\n"))?;
    // Its own list of all registries takes a minute to read.
    write("/etc/rspamd/registries", "example\n")?;
    write(
        "/etc/rspamd/local.d/options.inc",
        format!(
            "disable_hyperscan = true;\nurl_tld = \"/etc/rspamd/registries\";\ntask_timeout = 8s;\n\
             dns {{ nameserver = [\"{SERVER_RESOLVER}\"]; }}\n"
        ),
    )?;
    write("/etc/rspamd/local.d/worker-proxy.inc", format!("bind_socket = \"{RSPAMD_MILTER}\";\n"))?;
    for folder in ["/run/rspamd", "/var/lib/rspamd", "/var/log/rspamd"] {
        fs::create_dir_all(folder).map_err(WardError::io(folder))?;
        chown(folder, Some(OWNER), Some(OWNER)).map_err(WardError::io(folder))?;
    }
    let mut command = Command::new("/usr/bin/rspamd");
    command.args(["--no-fork", "--user", "_rspamd", "--group", "_rspamd"]);
    Daemon::start("rspamd", &mut command)?.bound_to(&[RSPAMD_MILTER.to_owned()])
}
