//! What ails the machine that a server runs on: nothing listens, or for nobody; no room; old resolvers.

use std::{fs, process::Command};

use maildoctor_ward::{Mta, Plan, THIRD_PARTY, WardError, output_of, trial};

/// What an administrator types.
fn run(line: &str) -> Result<(), WardError> {
    output_of(Command::new("sh").args(["-euc", line])).map(drop)
}

const SEEN: [&str; 2] = ["clinic.example", "--on-host"];

trial! {
    postfix_was_stopped {
        let system = Plan::healthy()?.start()?;
        run("postfix stop")?;
        let report = system.check(&SEEN)?;
        report.names("broken", "service-not-running")?;
        report.explains("connect-refused")?;
        report.tells("server", "Postfix")
    }

    no_service_on_port_25 {
        let system = Plan::healthy_but(|plan| { plan.postfix.close("smtp"); })?;
        let report = system.check(&SEEN)?;
        report.names("broken", "service-not-running")?;
        report.tells("file", "/etc/postfix/master.cf")
    }

    listening_for_itself_alone {
        let system = Plan::healthy()?.start()?;
        run("postfix stop; postconf -e inet_interfaces=127.0.0.1; postfix start")?;
        let report = system.check(&SEEN)?;
        report.names("broken", "listens-on-loopback-only")?;
        report.tells("setting", "inet_interfaces")?;
        report.tells("line", "")
    }

    no_room_for_the_queue {
        fs::create_dir_all("/var/spool/postfix").map_err(WardError::io("/var/spool/postfix"))?;
        run("mount -t tmpfs -o size=8m tmpfs /var/spool/postfix")?;
        let report = Plan::healthy()?.start()?.check(&SEEN)?;
        report.names("broken", "disk-full")?;
        report.explains("server-storage-full")
    }

    no_more_files_for_the_queue_of_exim {
        let folder = "/var/spool/exim4";
        fs::create_dir_all(folder).map_err(WardError::io(folder))?;
        run(&format!("mount -t tmpfs -o nr_inodes=90 tmpfs {folder}"))?;
        let system = Plan::healthy_but(|plan| plan.mta = Mta::Exim)?;
        let report = system.check(&SEEN)?;
        report.names("broken", "disk-full")?;
        report.tells("path", folder)
    }

    a_log_that_exim_may_not_write_into {
        let system = Plan::healthy_but(|plan| plan.mta = Mta::Exim)?;
        run("chown root:root /var/log/exim4 /var/log/exim4/*; chmod 700 /var/log/exim4; chmod 600 /var/log/exim4/*")?;
        // It ends over that where it would log that it took a message.
        let report = system.check_account(&["clinic.example", "--send"])?;
        report.names("broken", "data-timeout")?;
        report.says("cut the connection without an answer")
    }

    a_list_of_exim_that_lists_everyone {
        let system = Plan::healthy_but(|plan| {
            plan.mta = Mta::Exim;
            plan.exim.connect_acl = Some("warn dnslists = bl1.example".to_owned());
            plan.zones.example.add("1.0.0.127.bl1 A 127.0.0.2").add("2.0.0.127.bl1 A 127.0.0.2");
        })?;
        let report = system.check(&SEEN)?;
        report.names("at-risk", "dnsbl-lists-everyone")?;
        report.tells("file", "/etc/exim4/exim4.conf")?;
        report.tells("line", "")
    }

    a_clock_that_began_anew {
        let system = Plan::healthy_but(|plan| {
            plan.mta = Mta::Exim;
            plan.exim.set("smtp_banner", "$primary_hostname ESMTP ready Sat, 01 Jan 2000 00:05:12 +0000");
        })?;
        let report = system.check(&["clinic.example"])?;
        report.names("at-risk", "clock-wrong")?;
        report.tells("off_s", "-")
    }

    the_chroot_asks_nobody {
        let copy = "/var/spool/postfix/etc/resolv.conf";
        run(&format!(
            "mkdir -p /var/spool/postfix/etc; echo 'nameserver {THIRD_PARTY}' >{copy}; echo 'options timeout:1 attempts:1' >>{copy}"
        ))?;
        let system = Plan::healthy_but(|plan| { plan.postfix.in_chroot(); })?;
        let report = system.check(&SEEN)?;
        report.names("degraded", "chroot-resolv-conf-stale")?;
        report.tells("resolvers", THIRD_PARTY)
    }
}
