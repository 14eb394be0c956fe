//! What needs an account or leave to send: AUTH, messages and the mailbox, each after what it rests on.

use std::net::SocketAddr;
use std::time::Duration;

use futures::future::{join, join_all, join3};
use tokio::sync::watch;

use super::look::Look;
use super::nobody;
use crate::options::{Login, MailboxSpec, Options};
use crate::probe::envelope::Envelope;
use crate::probe::mailbox::{self, Watch};
use crate::probe::message::{self, Sent};
use crate::probe::session::{self, Session, Way};
use crate::probe::{Context, dns, submission};
use crate::questions::dns::Via;
use crate::questions::smtp::{Credentials, Errand, Mail, Path, Sender};
use crate::subject::{Account, Service};

/// Whether AUTH is tried at all.
pub(super) fn tries_account(options: &Options) -> bool {
    options.login.is_some() || options.token.is_some() || options.probe_auth
}

/// AUTH, messages and the mailbox, each as soon as what it rests on is there. What AUTH came to is waited for by
/// whoever would log in as well: the account under test is tried first, and a refusal ends it.
pub(super) async fn account_tests(look: &Look<'_>) {
    let tried = watch::Sender::new(false);
    let sent = async {
        let (mx, submission, outside) = join3(
            Box::pin(by_mx(look)),
            Box::pin(by_submission(look, &tried)),
            Box::pin(by_outside(look, tried.subscribe())),
        )
        .await;
        [mx, submission, outside].into_iter().flatten().collect::<Vec<Sent>>()
    };
    let (sent, mailbox) = join(sent, mailbox_login(look.context, tried.subscribe())).await;
    if let Some(mailbox) = mailbox.filter(|_| !sent.is_empty()) {
        let account = Account(match &mailbox {
            Watch::Server(server) => server.login.user.clone(),
            Watch::Maildir(path) => look.context.options.user.clone().unwrap_or_else(|| path.display().to_string()),
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        mailbox::watch(look.context, &mailbox, &account, &sent).await;
    }
}

/// Waits until the account was tried, or will not be.
async fn until(mut tried: watch::Receiver<bool>) {
    // A sender that is gone will not try it either.
    let _ = tried.wait_for(|tried| *tried).await;
}

/// A message as a stranger's, to the best exchanger that takes the address under test.
async fn by_mx(look: &Look<'_>) -> Option<Sent> {
    let (context, options) = (look.context, &look.context.options);
    if !options.send {
        return None;
    }
    let way = look.board.for_message().await?;
    let sender = stranger(context, &way);
    let recipient = look.envelope.target.as_deref()?;
    let mut session = to_send(context, &way).await?;
    // Only into a mailbox that is the user's own is anything sent that a server may read in two ways.
    if options.mailbox.is_some() && options.wants("ehlo") {
        match message::send_with_ambiguous_ends(context, &way, session, sender, recipient).await {
            Ok(sent) => return sent,
            Err(message::Refused) => session = to_send(context, &way).await?,
        }
    }
    let sent = message::send(context, &way, &mut session, Path::Mx, sender, recipient).await;
    session.leave(context, &way).await;
    sent
}

/// The sender of a stranger's message: who bounces, or the account's address where the server takes no bounces.
fn stranger<'o>(context: &'o Context, way: &Way) -> &'o str {
    let options = &context.options;
    if let Some(given) = &options.mail_from {
        return given;
    }
    let mails = context.recorder.so_far::<Mail>();
    let refused = mails.iter().any(|(seen, mail)| {
        let null = serde_json::from_value(seen.asked.clone()).is_ok_and(|asked: Mail| asked.sender == Sender::Null);
        null && seen.subject == Service(way.service).into()
            && mail.exchange.reply.as_ref().is_some_and(|reply| reply.class() != 2)
    });
    options.user.as_deref().filter(|user| refused && user.contains('@')).unwrap_or_default()
}

/// A session to send in: without TLS where it cannot be had, as senders go on.
async fn to_send(context: &Context, way: &Way) -> Option<Session> {
    match session::later_visit(context, way, Errand::Message, true).await {
        Some(session) => Some(session),
        None => session::later_visit(context, way, Errand::Message, false).await,
    }
}

/// The account at the submission service, what it may do there, and a message; `tried` is told as soon as it is
/// known whether the account is accepted.
async fn by_submission(look: &Look<'_>, tried: &watch::Sender<bool>) -> Option<Sent> {
    let (context, options) = (look.context, &look.context.options);
    let chosen = if tries_account(options) { look.board.for_account().await } else { None };
    let not_needed = look.board.left_over();
    let goodbyes = join_all(not_needed.into_iter().map(|(way, session)| async move {
        session.leave(context, &way).await;
    }));
    let account = async {
        let (way, ready) = chosen?;
        let session = log_in(context, &way, ready).await;
        tried.send_replace(true);
        as_user(look, &way, session?).await
    };
    let ended = async {
        let sent = account.await;
        tried.send_replace(true);
        sent
    };
    join(ended, goodbyes).await.0
}

/// Tries token and account, each where it was given, and gives the session of the account.
async fn log_in(context: &Context, way: &Way, mut ready: Option<Session>) -> Option<Session> {
    let options = &context.options;
    if let Some(token) = &options.token {
        let user = options.user.as_deref().unwrap_or("token");
        submission::send_token(context, way, ready.take(), token, user).await;
    }
    if let Some(login) = &options.login {
        return submission::authenticate(context, way, ready, login, Credentials::Given).await;
    }
    if options.probe_auth {
        let wrong = Login { user: nobody(), password: nobody().into() };
        let session = submission::authenticate(context, way, ready.take(), &wrong, Credentials::Wrong).await;
        submission::goodbye(context, way, session).await;
    }
    submission::goodbye(context, way, ready).await;
    None
}

/// What the account may do, and a message where one may be sent.
async fn as_user(look: &Look<'_>, way: &Way, mut session: Session) -> Option<Sent> {
    let Look { context, envelope, .. } = look;
    let as_user = Envelope { authenticated: true, ..envelope.clone() };
    as_user.as_user(context, way, &mut session).await;
    let mut sent = None;
    if let Some(recipient) = envelope.target.as_deref().filter(|_| context.options.send)
        && !session.talk.dialogue().is_over()
    {
        let sender = envelope.sender.as_deref().unwrap_or_default();
        sent = message::send(context, way, &mut session, Path::Submission, sender, recipient).await;
    }
    session.leave(context, way).await;
    sent
}

/// A message by an outside provider, whose AUTH spends from the same budget, and so comes after the account's.
async fn by_outside(look: &Look<'_>, tried: watch::Receiver<bool>) -> Option<Sent> {
    let context = look.context;
    let outside = context.options.outside.as_ref().filter(|_| context.options.send)?;
    let address = dns::addresses(context, &outside.host, Via::Own).await.into_iter().next()?;
    let port = outside.port.unwrap_or_else(|| context.options.ports.of(outside.role));
    let way = Way {
        service: SocketAddr::new(address, port),
        host: Some(outside.host.clone()),
        role: outside.role,
        expected: true,
    };
    let ready = session::first_visit(context, &way).await.session;
    until(tried).await;
    let mut session = submission::authenticate(context, &way, ready, &outside.login, Credentials::Given).await?;
    let recipient = look.envelope.target.as_deref()?;
    let sent = message::send(context, &way, &mut session, Path::Outside, &outside.login.user, recipient).await;
    session.leave(context, &way).await;
    sent
}

/// The mailbox to watch, where one was named and lets us in. A login is tried only once AUTH is over.
async fn mailbox_login(context: &Context, tried: watch::Receiver<bool>) -> Option<Watch> {
    let spec = context.options.mailbox.as_ref()?;
    let addresses = match spec {
        MailboxSpec::Server { host, .. } => dns::addresses(context, host, Via::Own).await,
        MailboxSpec::Maildir(_) => Vec::new(),
    };
    let mailbox = Watch::of(context, spec, &addresses)?;
    if let Watch::Server(server) = &mailbox {
        until(tried).await;
        if context.budget.spent() {
            context.recorder.skip(
                "mailbox.login/1",
                None,
                "SMTP AUTH refused the account, and a mailbox login would only add another failed try",
                "",
            );
            return None;
        }
        if !mailbox::try_login(context, server).await {
            return None;
        }
    }
    Some(mailbox)
}
