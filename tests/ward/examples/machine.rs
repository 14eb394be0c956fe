//! A trial's machine to look around in: `WARD_MTA=exim WARD_COMMAND='dig mx clinic.example' cargo run -p maildoctor-ward --example machine`.
//! Without a command a shell opens. The folder of the trial, with the root certificate and the password, is `$MAILDOCTOR_WARD_FOLDER`.

use std::{env, process::Command};

use maildoctor_ward::{Mta, Plan, WardError, isolated};

fn main() -> Result<(), WardError> {
    isolated("machine", || {
        let mut plan = Plan::healthy()?;
        match env::var("WARD_MTA").as_deref() {
            Ok("exim") => plan.mta = Mta::Exim,
            Ok("opensmtpd") => plan.mta = Mta::OpenSmtpd,
            Ok("none") => plan.mta = Mta::Nobody,
            _ => {}
        }
        let _system = plan.start()?;
        let command = env::var("WARD_COMMAND").unwrap_or_else(|_| "bash -i".to_owned());
        let status = Command::new("bash").args(["-c", &command]).status();
        status.map(drop).map_err(|source| WardError::Io { what: command, source })
    })
}
