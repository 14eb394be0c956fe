//! The units of mail, by `systemctl show`: it reads and starts nothing.

use std::path::Path;
use std::time::Duration;

use super::command::{Program, find};
use crate::probe::Context;
use crate::questions::host::units::{PROPERTIES, UNITS, Units, UnitsWire, shown};

/// How long systemd may take to answer.
const LIMIT: Duration = Duration::from_secs(10);

/// What is there where systemd runs the machine (sd_booted(3)).
const BOOTED: &str = "/run/systemd/system";

/// Asks systemd how the services of mail stand, where it runs this machine.
pub async fn read(context: &Context) {
    if !Path::new(BOOTED).is_dir() || find("systemctl").is_none() {
        return;
    }
    let ask = Program::new("systemctl", LIMIT).args(["show", "--no-pager", "--property", PROPERTIES, "--"]).args(UNITS);
    let (said, times) = context.timed(async { ask.run().await }).await;
    let wire = match said {
        Ok(said) => UnitsWire { units: shown(&said.text), flaw: None },
        Err(error) => UnitsWire { flaw: Some(error.to_string()), ..UnitsWire::default() },
    };
    super::record(context, &Units {}, times, &wire);
}
