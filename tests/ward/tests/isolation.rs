//! `isolate` on shadows of a real Postfix: the guilty named, the server itself untouched.

use std::{collections::BTreeMap, fs, path::Path, process::Command, time::Duration};

use maildoctor_ward::{DnsManner, Plan, THIRD_PARTY, WardError, dns_responder, isolate, output_of, trial};

/// Twelve lists of which `dead` do not exist anywhere: their questions reach a server that never answers.
fn lists(dead: &[usize]) -> String {
    (0..12)
        .map(|at| {
            let zone = if dead.contains(&at) { "list" } else { "clinic" };
            format!("reject_rbl_client l{at}.{zone}.example ")
        })
        .collect()
}

/// Every file of the server, by content; sockets and links by name.
fn files() -> Result<BTreeMap<String, Vec<u8>>, WardError> {
    fn walk(folder: &Path, into: &mut BTreeMap<String, Vec<u8>>) -> std::io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let kind = fs::symlink_metadata(&path)?.file_type();
            if kind.is_dir() {
                walk(&path, into)?;
            } else {
                let content = if kind.is_file() { fs::read(&path)? } else { Vec::new() };
                into.insert(path.display().to_string(), content);
            }
        }
        Ok(())
    }
    let mut found = BTreeMap::new();
    for folder in ["/etc/postfix", "/var/spool/postfix", "/var/lib/postfix"] {
        walk(Path::new(folder), &mut found).map_err(WardError::io(folder))?;
    }
    let log = "/var/log/mail.log";
    found.insert(log.to_owned(), fs::read(log).map_err(WardError::io(log))?);
    Ok(found)
}

/// The processes of Postfix, by number and command line.
fn processes() -> Result<String, WardError> {
    let listing = output_of(Command::new("ps").args(["-e", "-o", "pid=,args="]))?;
    Ok(listing
        .lines()
        .filter(|line| line.contains("postfix") || line.contains("maildoctor"))
        .collect::<Vec<_>>()
        .join("\n"))
}

fn untouched(before: &(BTreeMap<String, Vec<u8>>, String)) -> Result<(), WardError> {
    let after = (files()?, processes()?);
    if *before != after {
        let changed: Vec<_> = after
            .0
            .iter()
            .filter(|(name, content)| before.0.get(*name) != Some(content))
            .map(|(name, _)| name)
            .collect();
        return Err(WardError::Wrong(format!("the server was touched: {changed:?}\n{}\n{}", before.1, after.1)));
    }
    let left = fs::read_dir("/run/maildoctor-shadows").map_err(WardError::io("/run/maildoctor-shadows"))?.count();
    if left > 0 { Err(WardError::Wrong(format!("{left} shadows are left"))) } else { Ok(()) }
}

fn quick_resolver() -> Result<(), WardError> {
    dns_responder(THIRD_PARTY, DnsManner::Silent)?;
    let path = "/etc/resolv.conf";
    let text = fs::read_to_string(path).map_err(WardError::io(path))?;
    fs::write(path, text.replace("timeout:5 attempts:2", "timeout:3 attempts:1")).map_err(WardError::io(path))
}

trial! {
    two_guilty_lists_among_twelve_at_the_recipient {
        quick_resolver()?;
        let _system = Plan::healthy_but(|plan| {
            plan.postfix.set("smtpd_recipient_restrictions", &lists(&[2, 9]));
        })?;
        let before = (files()?, processes()?);
        isolate(&[])?.convicts(&["list:l2.list.example", "list:l9.list.example"])?;
        untouched(&before)
    }

    no_wait_no_culprit {
        let _system = Plan::healthy_but(|plan| {
            plan.postfix.set("smtpd_recipient_restrictions", &lists(&[]));
        })?;
        isolate(&[])?.convicts(&[])
    }

    one_guilty_list_among_twelve_before_the_banner_and_a_run_that_was_killed {
        quick_resolver()?;
        let _system = Plan::healthy_but(|plan| {
            plan.postfix.set("smtpd_delay_reject", "no").set("smtpd_client_restrictions", &lists(&[7]));
        })?;
        let before = (files()?, processes()?);
        maildoctor_ward::isolate_killed_after(Duration::from_millis(2500))?;
        isolate(&[])?.convicts(&["list:l7.list.example"])?;
        untouched(&before)
    }
}
