//! AUTH: which mechanism, on which way, within the budget. Each try has a connection of its own.

use maildoctor_wire::dialogue::{Command, Exchange};
use maildoctor_wire::ehlo::Capabilities;
use maildoctor_wire::sasl::{Client, Mechanism};
use secrecy::SecretString;

use super::Context;
use super::session::{Session, Way, later_visit};
use crate::options::Login;
use crate::questions::smtp::{Auth, AuthWire, Channel, Credentials, Errand};
use crate::subject::Service;

/// The reply codes that count as a rejected exchange; 504, 454 and 538 refuse no password.
const REJECTIONS: [u16; 4] = [535, 534, 550, 554];

/// Tries the account on a way, and once more with another mechanism where the first was refused. Gives
/// the authenticated session, to go on with. A session that nothing was tried in yet serves for the first try.
pub async fn authenticate(
    context: &Context,
    way: &Way,
    mut ready: Option<Session>,
    login: &Login,
    with: Credentials,
) -> Option<Session> {
    let mut tried: Option<Mechanism> = None;
    for attempt in [1, 2] {
        let may = context.budget.left() && (attempt == 2 || !context.budget.spent());
        if !may {
            context.recorder.skip(
                "smtp.auth/1",
                Some(Service(way.service).into()),
                "the account was refused before, and nobody is served by another try",
                "",
            );
            goodbye(context, way, ready).await;
            return None;
        }
        let mut session = match ready.take() {
            Some(session) => session,
            None => later_visit(context, way, Errand::Auth, true).await?,
        };
        if let Some(because) = withheld(context, &session) {
            context.recorder.skip("smtp.auth/1", Some(Service(way.service).into()), because, "--insecure-auth");
            session.leave(context, way).await;
            return None;
        }
        let Some(mechanism) = session.capabilities.as_ref().and_then(|c| choose(c, tried)) else {
            session.leave(context, way).await;
            return None;
        };
        let (ok, refused) = one_try(context, way, &mut session, mechanism, login, Auth { with, attempt }).await;
        if ok {
            return Some(session);
        }
        session.leave(context, way).await;
        if !refused || with == Credentials::Wrong {
            return None;
        }
        tried = Some(mechanism);
    }
    None
}

/// Ends a session that is not needed, where there is one.
pub async fn goodbye(context: &Context, way: &Way, session: Option<Session>) {
    if let Some(session) = session {
        session.leave(context, way).await;
    }
}

/// Why the password is not sent over this session.
fn withheld(context: &Context, session: &Session) -> Option<&'static str> {
    let safe = session.channel == Channel::Tls && session.verified;
    if safe || context.options.insecure_auth {
        return None;
    }
    Some(match session.channel {
        Channel::Plain => "a password is not sent without TLS",
        Channel::Tls => "a password is not sent to a server whose certificate does not verify",
    })
}

/// The mechanism to use: PLAIN where it is offered, for it needs nothing of the server but the truth.
fn choose(capabilities: &Capabilities, not: Option<Mechanism>) -> Option<Mechanism> {
    let offered = capabilities.mechanisms();
    Mechanism::WITH_PASSWORD.into_iter().find(|m| offered.contains(&m.name()) && Some(*m) != not)
}

/// One exchange. Gives whether it was accepted, and whether the password itself was refused.
async fn one_try(
    context: &Context,
    way: &Way,
    session: &mut Session,
    mechanism: Mechanism,
    login: &Login,
    question: Auth,
) -> (bool, bool) {
    let at = context.recorder.now();
    let _step = context.recorder.step(format!("AUTH {} at {}", mechanism.name(), way.service));
    let mut wire = AuthWire {
        mechanism: mechanism.name().to_owned(),
        user: login.user.clone(),
        channel: session.channel,
        exchanges: Vec::new(),
        failed: None,
    };
    if let Err(error) = exchange(context, session, mechanism, login, &mut wire.exchanges).await {
        wire.failed = Some(error);
    }
    let code = wire.reply().map(|r| r.code);
    let rejected = code.is_some_and(|c| REJECTIONS.contains(&c));
    if rejected {
        context.budget.rejected();
    }
    context.record(&question, &Service(way.service), (at, context.recorder.now() - at), &wire);
    (code == Some(235), rejected)
}

async fn exchange(
    context: &Context,
    session: &mut Session,
    mechanism: Mechanism,
    login: &Login,
    exchanges: &mut Vec<Exchange>,
) -> Result<(), String> {
    let mut client = Client::new(mechanism, &login.user, &login.password).map_err(|e| e.to_string())?;
    let initial = client.initial().map_err(|e| e.to_string())?;
    let first = session
        .talk
        .say(&Command::Auth(mechanism.name(), initial.as_ref()), context.limit())
        .await
        .map_err(|e| e.to_string())?;
    exchanges.push(first);
    while let Some(challenge) =
        exchanges.last().and_then(Exchange::whole).filter(|r| r.code == 334).map(maildoctor_wire::reply::Reply::text)
    {
        let response = match client.respond(&challenge) {
            Ok(response) => response,
            Err(error) => {
                // `*` cancels the exchange (RFC 4954 section 4).
                let cancel: SecretString = "*".to_owned().into();
                exchanges.extend(session.talk.say(&Command::AuthResponse(&cancel), context.limit()).await.ok());
                return Err(error.to_string());
            }
        };
        exchanges.push(
            session.talk.say(&Command::AuthResponse(&response), context.limit()).await.map_err(|e| e.to_string())?,
        );
    }
    Ok(())
}

/// Sends the token of `--auth-token-file` once, unchanged; in a session that is ready, where there is one.
pub async fn send_token(context: &Context, way: &Way, ready: Option<Session>, token: &SecretString, user: &str) {
    if !context.budget.left() || context.budget.spent() {
        goodbye(context, way, ready).await;
        return;
    }
    let ready = match ready {
        None => later_visit(context, way, Errand::Auth, true).await,
        ready => ready,
    };
    let Some(mut session) = ready else { return };
    if let Some(because) = withheld(context, &session) {
        context.recorder.skip("smtp.auth/1", Some(Service(way.service).into()), because, "--insecure-auth");
        session.leave(context, way).await;
        return;
    }
    let at = context.recorder.now();
    let mut wire = AuthWire {
        mechanism: "PLAIN".to_owned(),
        user: user.to_owned(),
        channel: session.channel,
        exchanges: Vec::new(),
        failed: None,
    };
    match session.talk.say(&Command::Auth("PLAIN", Some(token)), context.limit()).await {
        Ok(exchange) => wire.exchanges.push(exchange),
        Err(error) => wire.failed = Some(error.to_string()),
    }
    if wire.reply().is_some_and(|r| REJECTIONS.contains(&r.code)) {
        context.budget.rejected();
    }
    let question = Auth { with: Credentials::Token, attempt: 1 };
    context.record(&question, &Service(way.service), (at, context.recorder.now() - at), &wire);
    session.leave(context, way).await;
}
