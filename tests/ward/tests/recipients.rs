//! What becomes of a recipient: refused, put off, or taken where it should not be.

use std::{net::Ipv4Addr, time::Duration};

use maildoctor_ward::{
    DnsManner, MailSystem, Plan, STRANGER, THIRD_PARTY, WardError, dns_responder, greylisting_policy, trial,
};

/// A system whose Postfix has one setting more.
fn with(name: &str, value: &str) -> Result<MailSystem, WardError> {
    Plan::healthy_but(|plan| {
        plan.postfix.set(name, value);
    })
}

trial! {
    unknown_user {
        Plan::healthy()?.start()?.check(&["nobody@clinic.example"])?.names("broken", "recipient-unknown")
    }

    mailbox_over_quota {
        let system = Plan::healthy_but(|plan| {
            if let Some(dovecot) = &mut plan.dovecot { dovecot.quota = Some(10_000); }
            plan.postfix.set("smtpd_recipient_restrictions", "check_policy_service unix:private/quota-status");
        })?;
        system.fill_mailbox(20_000)?;
        system.check(&["anna@clinic.example"])?.names("broken", "recipient-mailbox-full")
    }

    greylisting {
        greylisting_policy("127.0.0.1:10023", Duration::from_secs(300))?;
        let system = with("smtpd_recipient_restrictions", "check_policy_service inet:127.0.0.1:10023")?;
        system.check(&["anna@clinic.example"])?.advises("greylisting")
    }

    everybody_is_a_user {
        with("virtual_mailbox_maps", "static:anna")?.check(&["anna@clinic.example"])?.advises("recipient-catch-all")
    }

    own_domain_not_served {
        let system = with("virtual_mailbox_domains", "old.example")?;
        system.check(&["anna@clinic.example"])?.names("broken", "relay-denied-for-own-domain")
    }

    open_relay {
        let system = with("mynetworks", "0.0.0.0/0")?;
        system.check(&["clinic.example", "--relay-rcpt", STRANGER])?.names("at-risk", "relay-open")
    }

    bounces_refused {
        let system = with("smtpd_sender_restrictions", "check_sender_access inline:{ {<>=REJECT} }")?;
        system.check(&["anna@clinic.example"])?.names("at-risk", "null-sender-rejected")
    }

    no_postmaster {
        with("virtual_alias_maps", "")?.check(&["anna@clinic.example"])?.names("at-risk", "postmaster-missing")
    }

    small_messages_only {
        with("message_size_limit", "100000")?.check(&["anna@clinic.example"])?.names("at-risk", "size-limit-small")
    }

    lookup_table_missing {
        let system = with("virtual_mailbox_maps", "hash:/etc/postfix/gone")?;
        system.check(&["anna@clinic.example"])?.names("broken", "server-config-error")
    }

    disk_full {
        with("queue_minfree", "1000000000000000")?.check(&["anna@clinic.example"])?.names("broken", "server-storage-full")
    }

    recipients_refused_by_a_list {
        dns_responder(THIRD_PARTY, DnsManner::Everything(Ipv4Addr::new(127, 0, 0, 2)))?;
        let system = with("smtpd_recipient_restrictions", "reject_rbl_client list.example")?;
        system.check(&["anna@clinic.example"])?.names("broken", "rcpt-rejected-dnsbl")
    }

    a_store_that_is_down_for_everybody {
        // By its code the reply says that one mailbox is closed, and a mailbox that cannot exist gets the same.
        let system = Plan::healthy_but(|plan| { plan.postfix.set("virtual_transport", "retry:4.2.1 mailbox store is down"); })?;
        let report = system.check(&["anna@clinic.example"])?;
        report.names("degraded", "rcpt-deferred")?;
        report.says("to a mailbox that cannot exist it says the same")?;
        report.has_check("vrfy-enabled", "clear")
    }
}
