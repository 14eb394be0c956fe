//! What needs an account or leave to send: AUTH, messages and the mailbox, in the order in which each rests on
//! the one before.

use std::net::SocketAddr;
use std::time::Duration;

use futures::future::join3;

use super::{Visited, nobody};
use crate::options::{Login, MailboxSpec};
use crate::probe::envelope::Envelope;
use crate::probe::mailbox::{self, Watch};
use crate::probe::message::{self, Sent};
use crate::probe::session::{self, Way};
use crate::probe::{Context, dns, submission};
use crate::questions::dns::Via;
use crate::questions::smtp::{Credentials, Path};
use crate::questions::tcp::Role;
use crate::subject::Account;

/// AUTH, messages and the mailbox, in the order in which each rests on the one before.
pub(super) async fn account_tests(
    context: &Context,
    envelope: &Envelope,
    mut exchange: Vec<Visited>,
    submitted: Vec<Visited>,
) {
    let options = &context.options;
    let mut sent: Vec<Sent> = Vec::new();
    let recipient = envelope.target.clone();
    exchange.sort_by_key(|v| (!v.took_target, v.preference));
    let by_mx = async {
        let best = exchange.first().filter(|v| v.took_target && options.send)?;
        let sender = options.mail_from.as_deref().unwrap_or_default();
        let recipient = recipient.as_deref()?;
        let mut session = session::later_visit(context, &best.way, true).await?;
        // Only into a mailbox that is the user's own is anything sent that a server may read in two ways.
        if options.mailbox.is_some() && options.wants("ehlo") {
            match message::send_with_ambiguous_ends(context, &best.way, session, sender, recipient).await {
                Ok(sent) => return sent,
                Err(message::Refused) => session = session::later_visit(context, &best.way, true).await?,
            }
        }
        let sent = message::send(context, &best.way, &mut session, Path::Mx, sender, recipient).await;
        session.talk.quit().await;
        sent
    };
    // The submission service where the account is tried: 587 before 465, and 25 where nothing else offers AUTH.
    let mut candidates: Vec<&Visited> = submitted.iter().chain(&exchange).filter(|v| v.offers_auth).collect();
    candidates.sort_by_key(|v| v.way.role);
    candidates.sort_by_key(|v| v.way.role == Role::Smtp);
    let by_submission = async {
        let way = &candidates.first()?.way;
        if let Some(token) = &options.token {
            submission::send_token(context, way, token, options.user.as_deref().unwrap_or("token")).await;
        }
        if let Some(login) = &options.login {
            let mut session = submission::authenticate(context, way, login, Credentials::Given).await?;
            let as_user = Envelope {
                target: envelope.target.clone(),
                domain: envelope.domain.clone(),
                sender: envelope.sender.clone(),
                relay: envelope.relay.clone(),
                nobody: envelope.nobody.clone(),
                authenticated: true,
            };
            as_user.as_user(context, way, &mut session).await;
            let mut sent = None;
            if options.send && !session.talk.dialogue().is_over() {
                sent = message::send(
                    context,
                    way,
                    &mut session,
                    Path::Submission,
                    envelope.sender.as_deref().unwrap_or_default(),
                    recipient.as_deref()?,
                )
                .await;
            }
            session.talk.quit().await;
            return sent;
        }
        if options.probe_auth {
            let wrong = Login { user: nobody(), password: nobody().into() };
            if let Some(session) = submission::authenticate(context, way, &wrong, Credentials::Wrong).await {
                session.talk.quit().await;
            }
        }
        None
    };
    let outside = by_outside(context, recipient.as_deref());
    let (mx, submission, outside) = join3(by_mx, by_submission, outside).await;
    sent.extend([mx, submission, outside].into_iter().flatten());
    mailbox_tests(context, &sent).await;
}

async fn by_outside(context: &Context, recipient: Option<&str>) -> Option<Sent> {
    let outside = context.options.outside.as_ref().filter(|_| context.options.send)?;
    let address = dns::addresses(context, &outside.host, Via::Own).await.into_iter().next()?;
    let port = outside.port.unwrap_or_else(|| context.options.ports.of(outside.role));
    let way = Way {
        service: SocketAddr::new(address, port),
        host: Some(outside.host.clone()),
        role: outside.role,
        expected: true,
    };
    let _ = session::first_visit(context, &way).await.session?.talk.quit().await;
    let mut session = submission::authenticate(context, &way, &outside.login, Credentials::Given).await?;
    let sent = message::send(context, &way, &mut session, Path::Outside, &outside.login.user, recipient?).await;
    session.talk.quit().await;
    sent
}

async fn mailbox_tests(context: &Context, sent: &[Sent]) {
    let Some(spec) = &context.options.mailbox else {
        return;
    };
    let addresses = match spec {
        MailboxSpec::Server { host, .. } => dns::addresses(context, host, Via::Own).await,
        MailboxSpec::Maildir(_) => Vec::new(),
    };
    let Some(watch) = Watch::of(context, spec, &addresses) else {
        return;
    };
    if let Watch::Server(server) = &watch {
        if context.budget.spent() {
            context.recorder.skip(
                "mailbox.login/1",
                None,
                "SMTP AUTH refused the account, and a mailbox login would only add another failed try",
                "",
            );
            return;
        }
        if !mailbox::try_login(context, server).await {
            return;
        }
    }
    let account = Account(match &watch {
        Watch::Server(server) => server.login.user.clone(),
        Watch::Maildir(path) => context.options.user.clone().unwrap_or_else(|| path.display().to_string()),
    });
    if !sent.is_empty() {
        tokio::time::sleep(Duration::from_millis(50)).await;
        mailbox::watch(context, &watch, &account, sent).await;
    }
}
