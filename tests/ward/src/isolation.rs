//! A machine for each trial: the test runs itself again as the first process of new network, mount, process and host name
//! namespaces. In there the servers lie where their packages would put them, `/etc`, `/var` and `/run` may be written without a
//! trace outside, and the kernel ends every process with the first one, whatever became of it.

use std::{
    env, fs,
    io::{self, Write},
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    WardError,
    daemon::{LOGS, output_of, write},
    debian,
    names::{ADDRESSES, CLIENT_ADDRESS, CLIENT_ADDRESS_6, DOMAIN, MX, SERVER_RESOLVER},
    program,
};

/// Set for the inner run: the trial's own folder.
const FOLDER: &str = "MAILDOCTOR_WARD_FOLDER";
/// Set for the inner run: the unpacked servers.
const SERVERS: &str = "MAILDOCTOR_WARD_SERVERS";
/// How much of each log a failed trial prints, in lines.
const LOG_LINES: usize = 60;
/// Accounts that the packages' own scripts would have made: name and number.
const ACCOUNTS: [(&str, u32); 13] = [
    ("postfix", 64001),
    ("postdrop", 64002),
    ("dovecot", 64003),
    ("dovenull", 64004),
    ("vmail", 64005),
    ("Debian-exim", 64006),
    ("sshd", 64007),
    ("smmta", 64008),
    ("smmsp", 64009),
    ("opensmtpd", 64010),
    ("opensmtpq", 64011),
    ("courier", 64012),
    ("_rspamd", 64013),
];

/// Runs `body` on a machine of its own. `name` is the test's, by which it finds itself in there.
///
/// # Errors
/// What `body` says, or what kept it from being run.
pub fn isolated(name: &str, body: impl FnOnce() -> Result<(), WardError>) -> Result<(), WardError> {
    match (env::var_os(FOLDER), env::var_os(SERVERS)) {
        (Some(_), Some(servers)) => inside(Path::new(&servers), body),
        _ => outside(name),
    }
}

fn outside(name: &str) -> Result<(), WardError> {
    let this = env::current_exe().map_err(WardError::io("finding the test's own program"))?;
    let program = program::built()?;
    let target = program::target_folder(&this)?;
    let servers = debian::unpacked(&target)?;
    let folder = tempfile::Builder::new().prefix("ward-").tempdir().map_err(WardError::io("a temporary folder"))?;
    output_of(Command::new("chmod").arg("755").arg(folder.path()))?;

    let mut command = as_root()?;
    // The inner run ends with this one, also when this one is killed.
    let status = command
        .arg(format!("{FOLDER}={}", folder.path().display()))
        .arg(format!("{SERVERS}={}", servers.display()))
        .arg(format!("{}={}", program::PROGRAM, program.display()))
        .args(["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--mount", "--pid", "--uts", "--ipc", "--fork"])
        .args(["--kill-child", "--mount-proc", "--"])
        .arg(&this)
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .status()
        .map_err(WardError::io("unshare"))?;
    if status.success() {
        Ok(())
    } else {
        Err(WardError::Wrong(format!("the trial failed on its machine ({status}); what it said stands above")))
    }
}

/// `env` run by root.
fn as_root() -> Result<Command, WardError> {
    if output_of(Command::new("id").arg("-u"))?.trim() == "0" {
        return Ok(Command::new("env"));
    }
    output_of(Command::new("sudo").args(["-n", "true"])).map_err(|_| WardError::NotRoot)?;
    let mut command = Command::new("sudo");
    command.args(["-n", "env"]);
    Ok(command)
}

fn inside(servers: &Path, body: impl FnOnce() -> Result<(), WardError>) -> Result<(), WardError> {
    lay_out(servers)?;
    let outcome = panic::catch_unwind(AssertUnwindSafe(body));
    if !matches!(outcome, Ok(Ok(()))) {
        // The machine's logs are gone with it: what they say belongs to the failure.
        print_logs();
    }
    outcome.unwrap_or_else(|panic| panic::resume_unwind(panic))
}

/// The trial's own folder, on the machine that runs it.
///
/// # Errors
/// Outside a trial.
pub(crate) fn folder() -> Result<PathBuf, WardError> {
    env::var_os(FOLDER).map(PathBuf::from).ok_or_else(|| WardError::Wrong("this is no trial".to_owned()))
}

fn lay_out(servers: &Path) -> Result<(), WardError> {
    let script = include_str!("isolation.sh");
    output_of(Command::new("sh").args(["-euc", script, "lay-out"]).arg(servers).arg(folder()?).arg(MX))?;
    // The one that is every connection's source comes first.
    for address in [CLIENT_ADDRESS].iter().chain(&ADDRESSES) {
        answer_to(address)?;
    }
    let mut accounts = read("/etc/passwd")?;
    let mut groups = read("/etc/group")?;
    for (name, number) in ACCOUNTS {
        accounts.push_str(&format!("{name}:x:{number}:{number}::/nonexistent:/usr/sbin/nologin\n"));
        groups.push_str(&format!("{name}:x:{number}:\n"));
    }
    write("/etc/passwd", accounts)?;
    write("/etc/group", groups)?;
    write(
        "/etc/hosts",
        format!("127.0.0.1 localhost\n::1 localhost ip6-localhost\n{} {MX}\n", crate::names::MX_ADDRESS),
    )?;
    write("/etc/mailname", format!("{DOMAIN}\n"))?;
    write("/etc/resolv.conf", format!("nameserver {SERVER_RESOLVER}\noptions timeout:5 attempts:2\n"))
}

/// Makes the machine answer to an address. Connections to it come from [`CLIENT_ADDRESS`].
///
/// # Errors
/// When `ip` refuses.
pub fn answer_to(address: &str) -> Result<(), WardError> {
    output_of(Command::new("ip").args(["address", "replace", &format!("{address}/32"), "dev", "lo"]))?;
    // The kernel would take a local destination for the source too, and every client would be the server itself.
    let route = ["route", "replace", "local", address, "dev", "lo", "table", "local", "src", CLIENT_ADDRESS];
    output_of(Command::new("ip").args(route)).map(drop)
}

/// The same over IPv6. Connections to it come from [`CLIENT_ADDRESS_6`].
pub(crate) fn answer_over_ipv6(address: &str) -> Result<(), WardError> {
    for address in [CLIENT_ADDRESS_6, address] {
        // Nobody else can have the address, and it is wanted at once.
        let add = ["-6", "address", "replace", &format!("{address}/128"), "dev", "lo", "nodad"];
        output_of(Command::new("ip").args(add))?;
    }
    // The kernel's own route would give the destination for the source, and a second one beside it changes nothing.
    let local = |what| ["-6", "route", what, "local", address, "dev", "lo", "table", "local"];
    output_of(Command::new("ip").args(local("del")))?;
    output_of(Command::new("ip").args(local("add")).args(["src", CLIENT_ADDRESS_6])).map(drop)
}

fn read(path: &str) -> Result<String, WardError> {
    fs::read_to_string(path).map_err(WardError::io(path))
}

fn print_logs() {
    let mut stderr = io::stderr().lock();
    let own = fs::read_dir(LOGS).into_iter().flatten().flatten().map(|entry| entry.path());
    let servers = [
        "/var/log/mail.log",
        crate::relays::RELAY_LOG,
        "/var/log/dovecot.log",
        "/var/log/exim4/mainlog",
        "/var/log/exim4/paniclog",
    ];
    for path in own.chain(servers.iter().map(PathBuf::from)) {
        let Ok(text) = fs::read(&path) else { continue };
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(LOG_LINES);
        // A closed standard error is no reason to hide the failure itself.
        let _ = writeln!(stderr, "--- {}", path.display());
        for line in lines.iter().skip(from) {
            let _ = writeln!(stderr, "{line}");
        }
    }
}
