//! The mailbox: logging in, and watching for the test messages until they turn up or the run ends.

mod imap;
mod maildir;
mod pop3;

use std::net::SocketAddr;
use std::time::Duration;

use mail_parser::{HeaderValue, MessageParser};
use maildoctor_wire::received;

use super::Context;
use super::message::{MARK_HEADER, Sent, body_is_kept};
use super::session::{Way, knock};
use super::tls;
use crate::case::{Question, millis};
use crate::options::{Login, MailboxSpec};
use crate::questions::mailbox::{Arrival, ArrivalWire, Arrived, Login as LoginQuestion, LoginResult, LoginWire};
use crate::questions::tcp::Role;
use crate::questions::tls::{Handshake, TlsView};
use crate::subject::{Account, Service};
use crate::vantage::Stream;

/// The most octets of a message that are read: test messages are far smaller.
const MAX_MESSAGE_OCTETS: usize = 256 * 1024;

/// How often a mailbox is looked into.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A message as it was found.
struct Fetched {
    folder: String,
    octets: Vec<u8>,
    removed: bool,
}

/// The addresses of a mailbox server, as found for its host.
pub struct Server {
    /// The way there.
    pub way: Way,
    /// The account.
    pub login: Login,
}

/// Logs in once, and writes down what came of connection, TLS and login.
pub async fn try_login(context: &Context, server: &Server) -> bool {
    let on = Service(server.way.service);
    if !knock(context, &server.way).await {
        return false;
    }
    let _step = context.recorder.step(format!("login at {}", server.way.service));
    let (result, times) = context.timed(open(context, server, true)).await;
    let wire = LoginWire {
        user: server.login.user.clone(),
        result: result.as_ref().map_or_else(Clone::clone, |_| LoginResult::In),
    };
    context.record(&LoginQuestion, &on, times, &wire);
    match result {
        Ok(session) => {
            session.leave().await;
            true
        }
        Err(_) => false,
    }
}

/// An open mailbox, by either protocol.
enum Session {
    Imap(Box<imap::Session>),
    Pop3(Box<pop3::Session>),
}

impl Session {
    async fn find(&mut self, mark: &str, remove: bool) -> Result<Option<Fetched>, String> {
        match self {
            Session::Imap(session) => session.find(mark, remove).await,
            Session::Pop3(session) => session.find(mark, remove).await,
        }
    }

    fn folders(&self) -> Vec<String> {
        match self {
            Session::Imap(session) => session.folders(),
            Session::Pop3(_) => vec!["INBOX".to_owned()],
        }
    }

    async fn leave(self) {
        match self {
            Session::Imap(session) => session.leave().await,
            Session::Pop3(session) => session.leave().await,
        }
    }
}

/// Connects, secures and logs in; a password goes over verified TLS alone unless the user insists.
async fn open(context: &Context, server: &Server, writes: bool) -> Result<Session, LoginResult> {
    let failed = |error: String| LoginResult::Failed { error };
    let way = &server.way;
    let limit = context.limit();
    let connection = context.vantage.connect(way.service, limit).await.map_err(|o| failed(o.to_string()))?;
    let mut stream = connection.stream;
    let mut verified = false;
    if way.role.implicit_tls() {
        (stream, verified) = secure(context, way, stream, writes).await?;
    }
    let work = async {
        match way.role {
            Role::Imap | Role::Imaps => {
                let mut greeted = imap::greet(stream).await.map_err(failed)?;
                if way.role == Role::Imap {
                    greeted = match greeted.starttls().await {
                        Ok(plain) => {
                            let (secured, good) = secure(context, way, plain, writes).await?;
                            verified = good;
                            imap::after_starttls(secured)
                        }
                        Err(plain) => plain,
                    };
                }
                allowed(context, verified)?;
                greeted.login(&server.login).await.map(|s| Session::Imap(Box::new(s)))
            }
            _ => {
                let mut greeted = pop3::greet(stream).await.map_err(failed)?;
                if way.role == Role::Pop3 && greeted.offers("STLS").await.map_err(failed)? {
                    let plain = greeted.stls().await.map_err(failed)?;
                    let (secured, good) = secure(context, way, plain, writes).await?;
                    verified = good;
                    greeted = pop3::after_stls(secured);
                }
                allowed(context, verified)?;
                greeted.login(&server.login).await.map(|s| Session::Pop3(Box::new(s)))
            }
        }
    };
    let done = tokio::time::timeout(limit, work)
        .await
        .unwrap_or_else(|_| Err(failed(format!("no answer within {} ms", millis(limit)))));
    if matches!(done, Err(LoginResult::Refused { .. })) {
        context.budget.rejected();
    }
    done
}

fn allowed(context: &Context, verified: bool) -> Result<(), LoginResult> {
    if verified || context.options.insecure_auth {
        return Ok(());
    }
    Err(LoginResult::Withheld {
        because: "a password is not sent without TLS that verifies; --insecure-auth sends it all the same".to_owned(),
    })
}

async fn secure(
    context: &Context,
    way: &Way,
    stream: Box<dyn Stream>,
    writes: bool,
) -> Result<(Box<dyn Stream>, bool), LoginResult> {
    let name = way.host.clone().unwrap_or_else(|| way.service.ip().to_string());
    let ((wire, secured), times) =
        context.timed(tls::shake(&context.trusted, stream, Some(&name), context.limit())).await;
    if writes {
        context.record(&Handshake, &Service(way.service), times, &wire);
    }
    let good = <Handshake as Question>::read(wire).is_some_and(|v: TlsView| v.verified(jiff::Timestamp::now()));
    secured.map(|s| (s, good)).ok_or_else(|| LoginResult::Failed { error: "the TLS handshake failed".to_owned() })
}

/// Where messages are watched for.
pub enum Watch {
    /// A mailbox server.
    Server(Server),
    /// A Maildir folder.
    Maildir(std::path::PathBuf),
}

impl Watch {
    /// What the options name, with the addresses of the server.
    pub fn of(context: &Context, spec: &MailboxSpec, addresses: &[std::net::IpAddr]) -> Option<Self> {
        match spec {
            MailboxSpec::Maildir(path) => Some(Watch::Maildir(path.clone())),
            MailboxSpec::Server { role, user, host, port } => {
                let login = context.options.mailbox_login.clone().or_else(|| context.options.login.clone())?;
                let login = Login { user: user.clone().unwrap_or(login.user), password: login.password };
                let port = port.unwrap_or_else(|| context.options.ports.of(*role));
                let service = SocketAddr::new(*addresses.first()?, port);
                Some(Watch::Server(Server {
                    way: Way { service, host: Some(host.clone()), role: *role, expected: true },
                    login,
                }))
            }
        }
    }
}

/// Watches until every message turned up or the run ends, and writes down what became of each.
pub async fn watch(context: &Context, watch: &Watch, account: &Account, sent: &[Sent]) {
    let mut waiting: Vec<&Sent> = sent.iter().collect();
    let remove = !context.options.keep_message;
    let mut trouble: Option<String> = None;
    let mut folders = Vec::new();
    let _step = context.recorder.step(format!("test message in the mailbox of {account}"));
    while !waiting.is_empty() && context.left() > LOOK_EVERY {
        match look(context, watch, &mut waiting, account, remove).await {
            Ok(seen) => {
                folders = seen;
                trouble = None;
            }
            Err(error) => trouble = Some(error),
        }
        if !waiting.is_empty() {
            tokio::time::sleep(LOOK_EVERY.min(context.left())).await;
        }
    }
    for message in waiting {
        let waited_ms = millis(context.recorder.now().saturating_sub(message.at));
        let arrived = match &trouble {
            Some(error) => Arrived::Unreadable { error: error.clone() },
            None => Arrived::Missing { waited_ms, folders: folders.clone() },
        };
        note(context, account, message, arrived);
    }
}

fn note(context: &Context, account: &Account, message: &Sent, arrived: Arrived) {
    let wire = ArrivalWire { mark: message.mark.clone(), queue_id: message.queue_id.clone(), arrived };
    let now = context.recorder.now();
    context.record(&Arrival { path: message.path }, account, (message.at, now.saturating_sub(message.at)), &wire);
}

/// One look into all folders for all messages that are still awaited.
async fn look(
    context: &Context,
    watch: &Watch,
    waiting: &mut Vec<&Sent>,
    account: &Account,
    remove: bool,
) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    let folders = match watch {
        Watch::Maildir(path) => {
            for message in waiting.iter() {
                found.extend(maildir::find(path, &message.mark, remove).await?.map(|f| (message.mark.clone(), f)));
            }
            maildir::folders(path).await.into_iter().map(|(name, _)| name).collect()
        }
        Watch::Server(server) => {
            let mut session = open(context, server, false).await.map_err(|e| e.to_string())?;
            for message in waiting.iter() {
                found.extend(session.find(&message.mark, remove).await?.map(|f| (message.mark.clone(), f)));
            }
            let folders = session.folders();
            session.leave().await;
            folders
        }
    };
    for (mark, fetched) in found {
        if let Some(place) = waiting.iter().position(|m| m.mark == mark) {
            let message = waiting.remove(place);
            note(context, account, message, arrived(context, message, fetched));
        }
    }
    Ok(folders)
}

/// What a message that was found says of its way.
fn arrived(context: &Context, message: &Sent, fetched: Fetched) -> Arrived {
    let parsed = MessageParser::default().parse(&fetched.octets);
    let mut hops = Vec::new();
    let mut headers = Vec::new();
    let mut body_kept = false;
    if let Some(parsed) = &parsed {
        for header in parsed.headers().iter().take(200) {
            let name = header.name().to_owned();
            let raw =
                fetched.octets.get(header.offset_start() as usize..header.offset_end() as usize).unwrap_or_default();
            let value = maildoctor_wire::octets::escape(
                String::from_utf8_lossy(raw).trim().replace(['\r', '\n', '\t'], " ").as_bytes(),
            );
            match name.to_ascii_lowercase().as_str() {
                "received" => hops.push(received::parse(&value)),
                "delivered-to"
                | "x-original-to"
                | "return-path"
                | "x-spam-status"
                | "x-spam-flag"
                | "received-spf"
                | "dkim-signature"
                | "authentication-results" => headers.push((name, value)),
                _ => {}
            }
        }
        body_kept = parsed.body_text(0).is_some_and(|body| body_is_kept(&body));
    }
    Arrived::Found {
        junk: is_junk(&fetched.folder),
        folder: fetched.folder,
        after_ms: millis(context.recorder.now().saturating_sub(message.at)),
        hops,
        headers,
        body_kept,
        removed: fetched.removed,
    }
}

/// The usual names of folders for junk.
fn is_junk(folder: &str) -> bool {
    let last = folder.rsplit(['.', '/']).next().unwrap_or(folder).to_lowercase();
    ["junk", "spam", "junk e-mail", "junk email", "bulk", "bulk mail", "quarantine", "unerwünscht", "indésirables"]
        .contains(&last.as_str())
}

/// Whether octets of a message carry the mark in its header.
fn carries(octets: &[u8], mark: &str) -> bool {
    let Some(parsed) = MessageParser::default().parse(octets) else {
        return false;
    };
    let Some(HeaderValue::Text(held)) = parsed.header(MARK_HEADER) else {
        return false;
    };
    held.trim() == mark
}
