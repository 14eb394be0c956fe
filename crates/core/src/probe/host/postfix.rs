//! Postfix's settings, by `postconf`: every instance, each with the places in its files.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::command::{Program, Said, find};
use super::files::read_text;
use crate::probe::Context;
use crate::questions::host::postfix::files::{self, Written};
use crate::questions::host::postfix::{KEPT, Postfix, PostfixView, PostfixWire};

/// How long `postconf` may take; it reads two files.
const LIMIT: Duration = Duration::from_secs(10);

/// The most instances that are read.
const MAX_INSTANCES: usize = 16;

/// The folder where an instance is looked for in any case.
const DEFAULT_FOLDER: &str = "/etc/postfix";

/// Reads every instance: the one in `given`, or those that run, the default one, and those that it names.
pub async fn instances(context: &Context, given: Option<&Path>) -> Vec<PostfixView> {
    if find("postconf").is_none() {
        return Vec::new();
    }
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut todo: Vec<String> = match given {
        Some(folder) => vec![folder.display().to_string()],
        None => super::processes::postfix_folders().into_iter().chain([DEFAULT_FOLDER.to_owned()]).collect(),
    };
    let mut found = Vec::new();
    while let Some(folder) = todo.pop() {
        let folder = folder.trim_end_matches('/').to_owned();
        if known.len() >= MAX_INSTANCES || !Path::new(&folder).join("main.cf").exists() || !known.insert(folder.clone())
        {
            continue;
        }
        let (wire, times) = context.timed(read(&folder)).await;
        super::record(context, &Postfix { folder }, times, &wire);
        let Some(view) = <Postfix as crate::case::Question>::read(wire) else {
            continue;
        };
        if given.is_none() {
            todo.extend(
                files::words(view.setting("multi_instance_directories").unwrap_or_default())
                    .iter()
                    .map(|word| word.text().to_owned()),
            );
        }
        found.push(view);
    }
    found
}

/// What `postconf` says of an instance.
pub async fn read(folder: &str) -> PostfixWire {
    let ask = |options: &'static str| async move {
        let program = Program::new("postconf", LIMIT).args(["-c", folder, options]);
        program.run().await
    };
    let mut wire = PostfixWire::default();
    let mut said = |answer: Result<Said, super::command::RunError>| match answer {
        Ok(said) => said.text,
        Err(error) => {
            wire.flaws.push(error.to_string());
            String::new()
        }
    };
    let (effective, services, overrides) = tokio::join!(ask("-x"), ask("-M"), ask("-xP"));
    let (effective, services, overrides) = (said(effective), said(services), said(overrides));
    let mut file = |name: &str| {
        read_text(Path::new(folder).join(name)).unwrap_or_else(|error| {
            wire.flaws.push(error);
            String::new()
        })
    };
    let (main_cf, master_cf) = (file("main.cf"), files::logical_lines(&file("master.cf")));
    let classes: BTreeSet<String> = files::parameters(&effective)
        .filter(|(name, _)| *name == "smtpd_restriction_classes")
        .flat_map(|(_, value)| files::words(value))
        .map(|word| word.text().to_owned())
        .collect();
    let kept = |name: &str| KEPT.contains(&name) || classes.contains(name);
    wire.settings = files::parameters(&effective)
        .filter(|(name, _)| kept(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    wire.main_cf = with_macros(files::written(&main_cf), kept);
    wire.services = files::services(&services);
    for service in &mut wire.services {
        service.line = files::line_of(&master_cf, &service.name, &service.kind);
        service.overrides = files::overrides(&overrides)
            .filter(|(name, kind, set, _)| *name == service.name && *kind == service.kind && kept(set))
            .map(|(_, _, set, value)| (set.to_owned(), value.to_owned()))
            .collect();
    }
    wire
}

/// The parameters that are kept, and the macros (`$name`) that they are made of.
fn with_macros(all: Vec<Written>, kept: impl Fn(&str) -> bool) -> Vec<Written> {
    let mut wanted: BTreeSet<String> = all.iter().map(|w| w.name.clone()).filter(|name| kept(name)).collect();
    loop {
        let named: Vec<String> = all
            .iter()
            .filter(|written| !wanted.contains(&written.name))
            .filter(|written| all.iter().any(|user| wanted.contains(&user.name) && uses(user, &written.name)))
            .map(|written| written.name.clone())
            .collect();
        if named.is_empty() {
            return all.into_iter().filter(|written| wanted.contains(&written.name)).collect();
        }
        wanted.extend(named);
    }
}

fn uses(user: &Written, name: &str) -> bool {
    let forms = [format!("${name}"), format!("${{{name}"), format!("$({name}")];
    user.lines.iter().any(|line| {
        forms.iter().any(|form| {
            line.text
                .split(form.as_str())
                .skip(1)
                .any(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macros_of_what_is_kept_are_kept_and_nothing_else() {
        let text = "lists = $more\nmore = reject_rbl_client a.example\nmorex = secret\nsmtpd_client_restrictions = ${lists}\nrelay_password = x\n";
        let names: Vec<String> =
            with_macros(files::written(text), |name| KEPT.contains(&name)).into_iter().map(|w| w.name).collect();
        assert_eq!(names, ["lists", "more", "smtpd_client_restrictions"]);
    }
}
