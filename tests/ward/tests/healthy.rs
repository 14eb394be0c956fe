//! Systems without fault: the program may give advice that is true of them, and nothing else.

use std::process::Command;

use maildoctor_ward::{CLIENT_ADDRESS_6, MX_ADDRESS, Mta, PASSWORD, Plan, STRANGER, answer_to, output_of, trial};

/// What is true of these systems: one mail server, passwords only after TLS, and VRFY as Debian leaves it.
const TRUE_ADVICE: [&str; 3] = ["mx-single", "auth-only-after-tls", "vrfy-enabled"];

trial! {
    postfix_by_its_domain {
        Plan::healthy()?.start()?.check(&["clinic.example"])?.healthy_with(&TRUE_ADVICE)
    }

    postfix_by_an_address_with_a_relay_test {
        let report = Plan::healthy()?.start()?.check(&["anna@clinic.example", "--relay-rcpt", STRANGER])?;
        report.healthy_with(&TRUE_ADVICE)?;
        report.has_check("relay-open", "clear")?;
        report.has_check("recipient-unknown", "clear")
    }

    postfix_round_trip_into_the_mailbox {
        let report = Plan::healthy()?
            .start()?
            .check_account(&["clinic.example", "--mailbox", "imaps://mx1.clinic.example", "--send"])?;
        report.healthy_with(&TRUE_ADVICE)?;
        report.has_check("accepted-not-delivered", "clear")
    }

    exim_by_its_domain {
        let report = Plan::healthy_but(|plan| plan.mta = Mta::Exim)?.check(&["anna@clinic.example", "--relay-rcpt", STRANGER])?;
        report.healthy_with(&TRUE_ADVICE)
    }

    exim_round_trip_into_the_mailbox {
        let system = Plan::healthy_but(|plan| plan.mta = Mta::Exim)?;
        system.check_account(&["clinic.example", "--mailbox", "imaps://mx1.clinic.example", "--send"])?.healthy_with(&TRUE_ADVICE)
    }

    postfix_round_trip_read_by_pop3 {
        let arguments = ["clinic.example", "--mailbox", "pop3s://mx1.clinic.example", "--send"];
        Plan::healthy()?.start()?.check_account(&arguments)?.healthy_with(&TRUE_ADVICE)
    }

    postfix_by_its_name_and_port {
        let system = Plan::healthy()?.start()?;
        system.check(&["mx1.clinic.example:25", "--domain", "clinic.example"])?.healthy_with(&TRUE_ADVICE)
    }

    the_message_is_taken_away_again {
        let system = Plan::healthy()?.start()?;
        system.check_account(&["clinic.example", "--mailbox", "imaps://mx1.clinic.example", "--send"])?.judges("healthy")?;
        let left = output_of(Command::new("find").args(["/var/vmail/anna", "-path", "*/cur/*", "-o", "-path", "*/new/*"]))?;
        assert_eq!(left, "", "the test message must be removed, and nothing else was there");
        Ok(())
    }

    no_password_is_shown {
        let system = Plan::healthy()?.start()?;
        let report = system.check_account(&["clinic.example", "--mailbox", "imaps://mx1.clinic.example", "--send"])?;
        let text = report.json().to_string();
        let word = PASSWORD.split(' ').next().unwrap_or(PASSWORD);
        assert!(!text.contains(word), "the password stands in the report");
        Ok(())
    }

    postfix_over_ipv6_alone {
        let system = Plan::healthy()?.over_ipv6()?.start()?;
        let report = system.check_account(&["clinic.example", "--mailbox", "imaps://mx1.clinic.example", "--send"])?;
        report.healthy_with(&TRUE_ADVICE)?;
        assert_eq!(report.json().pointer("/vantages/0/source_ip"), Some(&CLIENT_ADDRESS_6.into()));
        report.has_check("ptr-mismatch", "clear")
    }

    exim_over_ipv6_alone {
        let mut plan = Plan::healthy()?.over_ipv6()?;
        plan.mta = Mta::Exim;
        plan.start()?.check(&["anna@clinic.example", "--relay-rcpt", STRANGER])?.healthy_with(&TRUE_ADVICE)
    }

    an_exchanger_with_many_addresses {
        let more: Vec<String> = (100..110).map(|n| format!("198.18.25.{n}")).collect();
        let mut plan = Plan::healthy()?;
        let all = std::iter::once(MX_ADDRESS).chain(more.iter().map(String::as_str)).collect::<Vec<_>>().join(", ");
        plan.postfix.set("inet_interfaces", &all);
        for (address, last) in more.iter().zip(100..) {
            answer_to(address)?;
            plan.zones.domain.add(format!("mx1 A {address}"));
            plan.zones.reverse.add(format!("{last} PTR mx1.clinic.example."));
        }
        plan.start()?.check(&["anna@clinic.example"])?.healthy_with(&TRUE_ADVICE)
    }

    records_for_whatever_name_by_a_wildcard {
        let system = Plan::healthy_but(|plan| {
            plan.zones.domain.add(format!("* A {MX_ADDRESS}")).add("* TXT \"v=spf1 -all\"").add("* MX 10 mx1");
        })?;
        system.check(&["anna@clinic.example"])?.healthy_with(&TRUE_ADVICE)
    }

    no_auth_at_the_exchanger_and_no_submission {
        let system = Plan::healthy_but(|plan| {
            plan.postfix.close("submission").close("smtps");
            plan.zones.domain.remove("_submission");
        })?;
        system.check(&["anna@clinic.example"])?.healthy_with(&TRUE_ADVICE)
    }
}
