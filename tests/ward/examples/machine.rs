//! A trial's machine to look around in: `WARD_MTA=exim WARD_COMMAND='dig mx clinic.example' cargo run -p maildoctor-ward --example machine`.
//! Without a command a shell opens. The folder of the trial, with the root certificate and the password, is `$MAILDOCTOR_WARD_FOLDER`.

use std::{env, process::Command};

use maildoctor_ward::{Mta, Plan, WardError, isolated};

fn main() -> Result<(), WardError> {
    isolated("machine", || {
        let mut plan = Plan::healthy()?;
        if env::var("WARD_MTA").is_ok_and(|mta| mta == "exim") {
            plan.mta = Mta::Exim;
        }
        let _system = plan.start()?;
        let command = env::var("WARD_COMMAND").unwrap_or_else(|_| "bash -i".to_owned());
        let status = Command::new("bash").args(["-c", &command]).status();
        status.map(drop).map_err(|source| WardError::Io { what: command, source })
    })
}
