//! A second Postfix, which sends: another domain's own server, with settings, queue and log apart from the one that receives.

use std::{
    fs,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use crate::{
    Daemon, WardError,
    daemon::{output_of, write},
    names::{OUTSIDE_ADDRESS, USER},
    postfix::folders,
};

/// Where its settings lie.
const SETTINGS: &str = "/etc/postfix-out";
/// Its queue.
const QUEUE: &str = "/var/spool/postfix-out";
/// Its log.
const LOG: &str = "/var/log/mail-out.log";
/// How long is waited for what comes of a message, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whose mail it sends.
pub const SENDER: &str = "sam@outside.example";
/// The name by which it greets.
pub const SENDING_HOST: &str = "mail.outside.example";

const SERVICES: &str = "\
smtp inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
";

/// A Postfix that sends the mail of another domain, until this value is dropped.
#[derive(Debug)]
pub struct SendingPostfix {
    _master: Daemon,
}

impl SendingPostfix {
    /// Starts it. Its mail leaves from [`OUTSIDE_ADDRESS`].
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start() -> Result<Self, WardError> {
        let main = format!(
            "compatibility_level = 3.6\nmaillog_file = {LOG}\nqueue_directory = {QUEUE}\ndata_directory = /var/lib/postfix-out\n\
             inet_protocols = ipv4\ninet_interfaces = {OUTSIDE_ADDRESS}\nsmtp_bind_address = {OUTSIDE_ADDRESS}\n\
             myhostname = {SENDING_HOST}\nmydestination =\nmynetworks = 127.0.0.0/8 198.18.25.0/24\nalias_maps =\n\
             smtpd_relay_restrictions = permit_mynetworks reject\nsmtp_tls_security_level = may\n"
        );
        write(format!("{SETTINGS}/main.cf"), main)?;
        write(format!("{SETTINGS}/master.cf"), SERVICES)?;
        folders(QUEUE, "/var/lib/postfix-out")?;
        let master =
            Daemon::start("postfix-out", Command::new("/usr/lib/postfix/sbin/master").args(["-d", "-c", SETTINGS]))?
                .bound_to(&[format!("{OUTSIDE_ADDRESS}:25")])?;
        Ok(Self { _master: master })
    }

    /// Sends one message to the user whose mail is missed, and gives the line of the log that says what came of it.
    ///
    /// # Errors
    /// When the message is not taken, or nothing is said of it in time.
    pub fn sends(&self) -> Result<String, WardError> {
        output_of(Command::new("swaks").args(["--server", OUTSIDE_ADDRESS, "--from", SENDER, "--to", USER]))?;
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let log = fs::read_to_string(LOG).unwrap_or_default();
            let line = log.lines().find(|line| line.contains(&format!("to=<{USER}>")) && line.contains("status="));
            if let Some(line) = line {
                return Ok(line.to_owned());
            }
            thread::sleep(Duration::from_millis(50));
        }
        Err(WardError::Wrong(format!(
            "nothing came of the message; the log says {}",
            fs::read_to_string(LOG).unwrap_or_default()
        )))
    }
}
