//! Exim's settings, by `exim -bP`.

use std::time::Duration;

use super::command::{Program, find};
use super::files::read_text;
use crate::case::Question;
use crate::probe::Context;
use crate::questions::host::exim::acl::acls;
use crate::questions::host::exim::effects::changes;
use crate::questions::host::exim::{Exim, EximWire, KEPT, options, written};

/// How long Exim may take to print its settings.
const LIMIT: Duration = Duration::from_secs(10);

/// What it is called: Debian's name first.
const NAMES: [&str; 2] = ["exim4", "exim"];

/// The Exim that is installed, by its program's name.
pub fn installed() -> Option<&'static str> {
    NAMES.into_iter().find(|name| find(name).is_some())
}

/// Reads the settings of the Exim that is installed; gives its program and them.
pub async fn settings(context: &Context) -> Option<(&'static str, EximWire)> {
    let program = installed()?;
    let (wire, times) = context.timed(read(program)).await;
    super::record(context, &Exim { program: program.to_owned() }, times, &wire);
    Exim::read(wire).map(|view| (program, view))
}

async fn read(program: &str) -> EximWire {
    let ask = |arguments: &'static [&'static str]| async move {
        Program::new(program, LIMIT).args(arguments.iter().copied()).run().await
    };
    let mut wire = EximWire::default();
    let (all, file) = tokio::join!(ask(&["-bP"]), ask(&["-bP", "config_file"]));
    match all {
        Ok(said) => {
            wire.settings = options(&said.text)
                .filter(|(name, _)| KEPT.contains(name))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
        }
        Err(error) => wire.flaws.push(error.to_string()),
    }
    match file {
        Ok(said) => wire.file = said.text.trim().to_owned(),
        Err(error) => wire.flaws.push(error.to_string()),
    }
    if !wire.file.is_empty() {
        match read_text(&wire.file) {
            Ok(text) => {
                wire.written = written(&text).into_iter().filter(|w| KEPT.contains(&w.name.as_str())).collect();
                let acls = acls(&text);
                (wire.dnslists, wire.delays) = (acls.dnslists, acls.delays);
                wire.changes = changes(&text, wire.setting("acl_smtp_connect").unwrap_or_default());
            }
            Err(flaw) => wire.flaws.push(flaw),
        }
    }
    wire
}
