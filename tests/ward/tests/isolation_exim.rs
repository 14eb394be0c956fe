//! `isolate` on shadows of a real Exim: the guilty named, the server itself untouched.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use maildoctor_ward::{
    DnsManner, Exim, MailSystem, Mta, Plan, THIRD_PARTY, Untouched, WardError, dns_responder, isolate,
    isolate_killed_after, trial,
};

/// A condition on twelve lists of which `dead` never answer.
fn lists(dead: &[usize]) -> String {
    let zone = |at: usize| format!("l{at}.{}.example", if dead.contains(&at) { "list" } else { "clinic" });
    let zones: Vec<String> = (0..12).map(zone).collect();
    format!("dnslists = {}", zones.join(" : "))
}

/// An Exim with a change, on a machine whose resolver never answers below `silent`; an answer is waited for 3 s, once.
fn exim(silent: &'static str, change: impl FnOnce(&mut Exim)) -> Result<MailSystem, WardError> {
    dns_responder(THIRD_PARTY, DnsManner::SilentAbout(silent))?;
    let text = format!("nameserver {THIRD_PARTY}\noptions timeout:3 attempts:1\n");
    fs::write("/etc/resolv.conf", text).map_err(WardError::io("/etc/resolv.conf"))?;
    Plan::healthy_but(|plan| {
        plan.mta = Mta::Exim;
        change(&mut plan.exim);
    })
}

/// Exim as it stands and runs, once it is through with what it does when it starts: its first run over the queue.
fn now() -> Result<Untouched, WardError> {
    let began = Instant::now();
    while !fs::read_to_string("/var/log/exim4/mainlog").is_ok_and(|log| log.contains("End queue run")) {
        if began.elapsed() > Duration::from_secs(30) {
            return Err(WardError::Wrong("Exim does not come to the end of its first queue run".to_owned()));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Untouched::now(&["/etc/exim4", "/var/spool/exim4", "/var/log/exim4"])
}

trial! {
    one_guilty_list_among_twelve_at_the_recipient_of_exim_and_runs_that_were_killed {
        let _system = exim("list.example.", |exim| {
            exim.set("acl_smtp_rcpt", &format!("deny {}", lists(&[7])));
        })?;
        let before = now()?;
        for after in [300, 1500, 3000] {
            isolate_killed_after("exim", Duration::from_millis(after))?;
        }
        isolate("exim")?.convicts(&["list:l7.list.example"])?;
        before.still()
    }

    two_guilty_lists_among_twelve_before_the_banner_of_exim_and_the_remedy {
        let _system = exim("list.example.", |exim| {
            exim.connect_acl = Some(format!("deny {}", lists(&[2, 9])));
        })?;
        let before = now()?;
        let found = isolate("exim")?;
        found.convicts(&["list:l2.list.example", "list:l9.list.example"])?;
        before.still()?;
        // What it says is right to the letter: followed, there is nothing left to find.
        found.apply_remedy()?;
        isolate("exim")?.convicts(&[])
    }

    the_clients_name_with_exim_and_the_remedy {
        let _system = exim("in-addr.arpa.", |exim| {
            exim.set("host_lookup", "*").connect_acl = Some(format!("deny {}", lists(&[])));
        })?;
        let before = now()?;
        let found = isolate("exim")?;
        found.convicts(&["reverse-lookup"])?;
        before.still()?;
        found.apply_remedy()?;
        isolate("exim")?.convicts(&[])
    }

    a_pause_of_exim {
        let _system = exim("list.example.", |exim| {
            exim.connect_acl = Some(format!("warn {}\n  warn delay = 2s", lists(&[])));
        })?;
        let before = now()?;
        isolate("exim")?.convicts(&["greet-pause:acl_check_connect"])?;
        before.still()
    }
}
