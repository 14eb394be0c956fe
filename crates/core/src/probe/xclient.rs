//! What a client meets that the server does not know, where it lets us say who its client is (XCLIENT, an extension of Postfix):
//! our own address may be one that it lets pass before it looks anything up.

use maildoctor_wire::dialogue::Command;

use super::Context;
use super::host::rehearsal::STRANGER;
use super::session::{self, Session, Way};
use crate::questions::smtp::{BannerWire, Errand, StepWire};
use crate::questions::xclient::{BY_XCLIENT, StrangersRcpt};
use crate::subject::Service;

/// Whether a server offers it to us, as Postfix does to the clients of `smtpd_authorized_xclient_hosts` alone.
pub fn is_offered(session: &Session) -> bool {
    session.capabilities.as_ref().is_some_and(|held| held.offers("XCLIENT"))
}

/// Comes once more, as a stranger: waits for the greeting, and goes on to RCPT with `recipient`, where there is one.
pub async fn as_a_stranger(context: &Context, way: &Way, recipient: Option<&str>) {
    let Some(mut session) = session::later_visit(context, way, Errand::Xclient, false).await else { return };
    if is_offered(&session) {
        go_on(context, way, &mut session, recipient).await;
    }
    session.leave(context, way).await;
}

async fn go_on(context: &Context, way: &Way, session: &mut Session, recipient: Option<&str>) -> Option<()> {
    let on = Service(way.service);
    let _step = context.recorder.step(format!("banner of {} for {STRANGER}", way.service));
    let (exchange, times) = say(context, session, &Command::Xclient(STRANGER)).await?;
    // Whoever is refused the command was not greeted.
    exchange.whole().filter(|reply| reply.code == 220)?;
    let wire = BannerWire { exchange, early: None, answers_tls: false, source: Some(STRANGER) };
    context.record(&BY_XCLIENT, &on, times, &wire);
    let recipient = recipient?;
    for command in [Command::Ehlo("[198.51.100.7]"), Command::Mail("")] {
        let (exchange, _) = say(context, session, &command).await?;
        exchange.whole().filter(|reply| reply.class() == 2)?;
    }
    let (exchange, times) = say(context, session, &Command::Rcpt(recipient)).await?;
    context.record(&StrangersRcpt, &on, times, &StepWire { argument: Some(recipient.to_owned()), exchange });
    Some(())
}

type Said = (maildoctor_wire::dialogue::Exchange, (std::time::Duration, std::time::Duration));

async fn say(context: &Context, session: &mut Session, command: &Command<'_>) -> Option<Said> {
    let (said, times) = context.timed(session.talk.say(command, context.limit())).await;
    Some((said.ok()?, times))
}
