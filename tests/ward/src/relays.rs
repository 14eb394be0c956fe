//! Servers that pass mail on for the user: Sendmail, OpenSMTPD and Courier as Debian builds them. What they cannot pass on comes back.

use std::{fs::OpenOptions, io::Write, os::unix::net::UnixDatagram, process::Command, thread};

use crate::{
    Daemon, WardError,
    daemon::output_of,
    names::{DOMAIN, OTHER_ADDRESS},
};

/// Where a [`Relay`] writes down what it does.
pub const RELAY_LOG: &str = "/var/log/relay.log";

/// The relay's host name, less the domain.
const NAME: &str = "relay";

/// Where programs hand their lines to the relay's log.
const LOG_SOCKET: &str = "/dev/log";

/// A server that passes on whatever it is given, by the MX records of the recipient's domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relay {
    /// Sendmail 8.
    Sendmail,
    /// OpenSMTPD.
    OpenSmtpd,
    /// Courier.
    Courier,
}

impl Relay {
    /// Starts it on port 25 of [`OTHER_ADDRESS`], and a log for it.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(self) -> Result<Daemon, WardError> {
        let (name, script) = match self {
            Self::Sendmail => ("sendmail", include_str!("relays/sendmail.sh")),
            Self::OpenSmtpd => {
                ("opensmtpd", concat!(include_str!("relays/smtpd_folders.sh"), include_str!("relays/opensmtpd.sh")))
            }
            Self::Courier => ("courier", include_str!("relays/courier.sh")),
        };
        keep_log(RELAY_LOG, NAME)?;
        let host = format!("{NAME}.{DOMAIN}");
        // The machine is named like the exchanger, which a relay must not take for itself.
        let script = format!("hostname {host}\n{script}");
        let mut command = Command::new("unshare");
        command.args(["--uts", "--", "sh", "-euc", &script, name, &host, OTHER_ADDRESS]);
        Daemon::start(name, &mut command)?.bound_to(&[format!("{OTHER_ADDRESS}:25")])
    }
}

/// Writes what programs say to [`LOG_SOCKET`] into a log, as the syslog daemon of a host does.
pub(crate) fn keep_log(path: &'static str, host: &'static str) -> Result<(), WardError> {
    // The socket must not appear in the real /dev.
    output_of(Command::new("sh").args(["-euc", include_str!("relays/dev.sh")]))?;
    let socket = UnixDatagram::bind(LOG_SOCKET).map_err(WardError::io(LOG_SOCKET))?;
    output_of(Command::new("chmod").args(["666", LOG_SOCKET]))?;
    let mut log = OpenOptions::new().create(true).append(true).open(path).map_err(WardError::io(path))?;
    thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(octets) = socket.recv(&mut buffer) {
            let said = String::from_utf8_lossy(buffer.get(..octets).unwrap_or_default()).into_owned();
            // `<22>Nov 25 04:39:09 sendmail[93]: …`
            let said = said.split_once('>').map_or(said.as_str(), |(_, rest)| rest).trim_end_matches(['\n', '\0']);
            if let (Some(stamp), Some(rest)) = (said.get(..15), said.get(16..)) {
                // A trial that waits for a line will say that it never came.
                let _ = writeln!(log, "{stamp} {host} {rest}");
            }
        }
    });
    Ok(())
}
