//! `check`: from a target to a case. Everything that does not depend on something else runs at once.

mod account;
mod board;
mod captured;
mod exchange;
mod look;
mod on_host;
mod outbound;
mod place;
mod submission;

use std::sync::Arc;

use futures::future::{join, join_all};
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use crate::case::{Case, Noted, Outbound, Question, Recorder, TargetRecord, Terms, millis};
use crate::chance;
use crate::options::{AREAS, MailboxSpec, Options};
use crate::probe::Context;
use crate::probe::context::AuthBudget;
use crate::probe::tls::{TrustError, Trusted};
use crate::probe::walk;
use crate::questions::dns::{ListEntry, ListedDomain};
use crate::questions::tcp::Role;
use crate::roots::{Roots, RootsError};
use crate::target::Target;
use crate::vantage::{Vantage, resolver};

pub use crate::vantage::resolver::ResolverError;

/// The most services of one role that are visited.
const MAX_WAYS: usize = 32;

/// What keeps a run from beginning.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The roots cannot be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// There is no resolver.
    #[error(transparent)]
    Resolver(#[from] ResolverError),
    /// The root hints or the trust anchor cannot be used.
    #[error(transparent)]
    Roots(#[from] RootsError),
}

/// Looks at a target from every vantage, and gives the case. `watch` is told what happens as it happens.
///
/// # Errors
/// [`CheckError`] where the run cannot begin; whatever goes wrong later is part of the case.
pub async fn check(
    options: Options,
    target: &Target,
    input: &str,
    watch: Option<UnboundedSender<Noted>>,
) -> Result<Case, CheckError> {
    let started_at = Timestamp::now();
    let trusted = Arc::new(Trusted::load(options.ca_file.as_deref())?);
    let roots = Roots::load(options.root_hints.as_deref(), options.trust_anchor.as_deref())?;
    let here = match options.resolver {
        Some(resolver) => resolver,
        None => resolver::of_the_system()?,
    };
    let options = Arc::new(options);
    let recorder = Recorder::new(watch);
    let deadline = Instant::now() + options.deadline;
    let budget = Arc::new(AuthBudget::default());
    let contexts: Vec<Arc<Context>> = options
        .vantages
        .iter()
        .map(|spec| {
            let vantage = Vantage::new(spec, &options, here);
            Arc::new(Context::new(
                options.clone(),
                recorder.clone(),
                vantage,
                trusted.clone(),
                deadline,
                budget.clone(),
            ))
        })
        .collect();
    note_what_is_left_out(&options, &recorder);
    let host = on_host::begin(&options, target, &contexts).await;
    let places = contexts.iter().enumerate();
    let looks = join_all(places.map(|(nth, context)| place::look_from(context, target, &roots, nth == 0)));
    let visited = Notify::new();
    let looks = async {
        let outcomes = looks.await;
        visited.notify_one();
        outcomes
    };
    let work = async { join(looks, on_host::look(host.as_ref(), contexts.first(), target, &visited)).await.0 };
    let named = match tokio::time::timeout_at(deadline, work).await {
        Ok(outcomes) => outcomes.into_iter().flatten().next().unwrap_or_default(),
        Err(_) => {
            for probe in [
                "smtp.banner/1",
                "smtp.ehlo/1",
                "smtp.mail/1",
                "smtp.rcpt/1",
                "smtp.auth/1",
                "smtp.message/1",
                "smtp.line-ends/1",
                "mailbox.arrival/1",
                "mailbox.login/1",
                "tcp.connect/1",
                "tls.handshake/1",
                "dns.domain/1",
                "dns.host/1",
                "dns.ptr/1",
                "dns.walk/1",
                "dns.authoritative/1",
                "dns.again/1",
                "dns.followed/1",
                "host.queue/1",
                "host.log/1",
                "https.mta-sts/1",
            ] {
                recorder.not_reached(probe, None);
            }
            look::Outcome::default()
        }
    };
    if let Some(host) = host {
        host.end(&contexts).await;
    }
    let duration_ms = millis(recorder.now());
    join_all(contexts.iter().map(|context| context.vantage.close())).await;
    let mut record = target.record(input, options.domain.as_deref());
    if named.is_host {
        record = TargetRecord { host: record.domain.take(), ..record };
    }
    let (observations, unasked) = recorder.take();
    let mut case = Case::new(record, started_at, Vec::new(), terms(&options, target, named.submission_expected));
    case.duration_ms = duration_ms;
    case.unasked = unasked;
    case.set_observations(observations);
    place::note_places(&mut case, contexts.iter().map(|context| &context.vantage));
    Ok(case)
}

/// The walk from the root, made from the first vantage alone: what the zone's servers say does not depend on us.
async fn walked(context: &Context, target: &Target, roots: &Roots) {
    match target.domain().or(context.options.domain.as_deref()) {
        Some(domain) if context.options.wants("dns") => walk::walk(context, domain, roots).await,
        Some(_) => context.recorder.skip("dns.walk/1", None, "the DNS was not to be checked", ""),
        None => context.recorder.skip("dns.walk/1", None, "no domain was named", ""),
    }
}

fn terms(options: &Options, target: &Target, srv: bool) -> Terms {
    // Of a server that was named for port 25 nobody said that users send by it, not even with a user.
    let wanted = match target {
        Target::Host { role, .. } | Target::Ip { role, .. } => matches!(role, Role::Submission | Role::Smtps),
        Target::Domain(_) | Target::Address { .. } => options.user.is_some(),
    };
    Terms {
        credentials: options.login.is_some() || options.token.is_some(),
        submission_expected: srv || wanted,
        outbound: options.outbound.clone().map(|it| Outbound { talks: it.talks && options.talks(), ..it }),
        user: options.user.clone().or_else(|| options.token.as_ref().map(|_| "token".to_owned())),
        send: options.send,
        mailbox: options.mailbox.is_some(),
        dkim_selectors: options.dkim_selectors.clone(),
        at_days: options.at_days,
        areas: match options.areas.len() {
            all if all == AREAS.len() => Vec::new(),
            _ => options.areas.iter().map(|area| (*area).to_owned()).collect(),
        },
        timeout_ms: millis(options.timeout),
        deadline_ms: millis(options.deadline),
        arguments: options.arguments.clone(),
    }
}

/// What the options themselves leave out, said once for all subjects.
fn note_what_is_left_out(options: &Options, recorder: &Recorder) {
    if options.login.is_none() && options.token.is_none() {
        recorder.skip(
            "smtp.auth/1",
            None,
            "no account was given, so AUTH was not tried",
            "--user USER --password-file FILE",
        );
    }
    if !options.send {
        recorder.skip("smtp.message/1", None, "no message is sent without --send", "--send");
        recorder.skip("mailbox.arrival/1", None, "no message is sent without --send", "--send");
        recorder.skip("smtp.line-ends/1", None, "no message is sent without --send", "--send");
    } else if options.mailbox.is_none() {
        recorder.skip(
            "mailbox.arrival/1",
            None,
            "no mailbox was named in which the message should turn up",
            "--mailbox imaps://HOST",
        );
        recorder.skip(
            "smtp.line-ends/1",
            None,
            "bare line feeds are sent only into a mailbox of one's own",
            "--mailbox imaps://HOST",
        );
    }
    if !matches!(options.mailbox, Some(MailboxSpec::Server { .. })) {
        recorder.skip("mailbox.login/1", None, "no mailbox was named", "--mailbox imaps://HOST");
    }
    if options.dnsbl.is_empty() {
        for probe in [ListEntry::PROBE, ListedDomain::PROBE] {
            recorder.skip(probe, None, "no blacklist was asked", "");
        }
    }
    if !options.on_host {
        on_host::leave_out(recorder);
    }
    if options.token.is_none() {
        recorder.skip("client.token/1", None, "no AUTH token was given", "");
    }
}

/// A local part that nobody has.
fn nobody() -> String {
    format!("maildoctor-{:016x}", chance::number())
}
