//! A trial's machine to look around in: `WARD_MTA=exim WARD_COMMAND='dig mx clinic.example' cargo run -p maildoctor-ward --example machine`.
//! `WARD_WAY=signatures-expired` puts a tree of zones there that is so (`src/tree/ways.rs`).
//! Without a command a shell opens. The folder of the trial, with the root certificate and the password, is `$MAILDOCTOR_WARD_FOLDER`.

use std::{env, process::Command};

use maildoctor_ward::{Mta, Plan, WardError, Way, isolated};

fn main() -> Result<(), WardError> {
    isolated("machine", || {
        let mta = match env::var("WARD_MTA").as_deref() {
            Ok("exim") => Mta::Exim,
            Ok("opensmtpd") => Mta::OpenSmtpd,
            Ok("none") => Mta::Nobody,
            _ => Mta::Postfix,
        };
        let with_mta = |plan: &mut Plan| {
            plan.mta = mta;
            Ok(())
        };
        let _system = match env::var("WARD_WAY") {
            Ok(way) => Way::named(&way)?.start_with(with_mta)?,
            Err(_) => Plan::healthy().and_then(|mut plan| with_mta(&mut plan).and_then(|()| plan.start()))?,
        };
        let command = env::var("WARD_COMMAND").unwrap_or_else(|_| "bash -i".to_owned());
        let status = Command::new("bash").args(["-c", &command]).status();
        status.map(drop).map_err(|source| WardError::Io { what: command, source })
    })
}
