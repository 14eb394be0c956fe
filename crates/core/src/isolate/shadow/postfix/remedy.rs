//! The commands that take what was found guilty out of the real Postfix. They are printed, never run.

use maildoctor_wire::octets::shell_word;

use super::restrictions::{sites_without, without};
use super::{Off, PostfixShadows};
use crate::catalogue::Step;
use crate::isolate::Kind;
use crate::questions::host::postfix::files::Written;

/// What a person would do.
pub(super) fn steps(shadows: &PostfixShadows, guilty: &Off) -> Vec<Step> {
    let (view, out) = (&shadows.view, shadows.out(guilty));
    let folder = view.folder();
    let postconf =
        if folder == "/etc/postfix" { "postconf".to_owned() } else { format!("postconf -c {}", shell_word(folder)) };
    let new = |name: &str, value: &str| match name {
        "postscreen_dnsbl_sites" => sites_without(value, &out),
        _ => without(value, &out),
    };
    let mut commands = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    // Where a parameter is written twice, the last one counts.
    for written in view.wire.main_cf.iter().rev() {
        let (name, value) = (written.name.as_str(), value_of(written));
        let changed = new(name, &value);
        if !seen.contains(&name) && changed != value {
            commands.push(format!("{postconf} -e {}", shell_word(&format!("{name} = {changed}"))));
        }
        seen.push(name);
    }
    for service in &view.wire.services {
        for (name, value) in &service.overrides {
            let changed = new(name, value);
            if changed != *value {
                let path = format!("{}/{}/{name} = {changed}", service.name, service.kind);
                commands.push(format!("{postconf} -P {}", shell_word(&path)));
            }
        }
    }
    if shadows.is_off(guilty, Kind::ReverseLookup) {
        commands.push(format!("{postconf} -e {}", shell_word("smtpd_peername_lookup = no")));
    }
    if shadows.is_off(guilty, Kind::Postscreen) {
        commands.push(format!("{postconf} -e {}", shell_word("postscreen_greet_wait = 2s")));
    }
    if !commands.is_empty() {
        let reload = if folder == "/etc/postfix" {
            "postfix reload".to_owned()
        } else {
            format!("postfix -c {} reload", shell_word(folder))
        };
        commands.push(reload);
    }
    vec![Step {
        server: "postfix".to_owned(),
        text: "Take it out of the settings, and reload them.".to_owned(),
        commands,
    }]
}

/// The value of a parameter as it is written, on one line.
fn value_of(written: &Written) -> String {
    let lines: Vec<&str> = written.lines.iter().map(|line| line.text.trim()).collect();
    let whole = lines.join(" ");
    whole.split_once('=').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}
