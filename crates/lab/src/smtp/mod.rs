//! The lab's SMTP receiver: one server per address and role, many clients at once.

mod clients;
mod rules;
mod service;
mod session;
mod store;
mod stream;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ServerConfig;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::accept;
use crate::dns::Stub;
use crate::scenario::{Role, Rule};

pub use clients::{Cache, Sessions};
pub use service::Service;
pub use store::Store;

/// Clients at once at one server.
const MAX_CLIENTS: usize = 512;

/// How a server meets connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Door {
    /// It takes them.
    #[default]
    Open,
    /// Nothing listens.
    Shut,
    /// It resets each at once.
    Reset,
    /// SYNs go unanswered: the queue of connections is full and stays so.
    Full,
}

/// How a server behaves.
#[derive(Clone)]
pub struct Behaviour {
    /// Its role.
    pub role: Role,
    /// Its own name.
    pub host: String,
    /// How it meets connections.
    pub door: Door,
    /// The text of its banner after the code.
    pub banner: String,
    /// Lines of the EHLO reply beside STARTTLS and AUTH.
    pub capabilities: Vec<String>,
    /// STARTTLS is offered.
    pub starttls: bool,
    /// EHLO is refused and HELO works.
    pub helo_only: bool,
    /// TLS, where the server has a certificate.
    pub tls: Option<Arc<ServerConfig>>,
    /// The mechanisms of AUTH.
    pub mechanisms: Vec<&'static str>,
    /// AUTH is offered before TLS.
    pub auth_before_tls: bool,
    /// AUTH is announced in the old form, `AUTH=`.
    pub auth_old_form: bool,
    /// MAIL is taken before TLS and AUTH.
    pub lax: bool,
    /// It relays for anybody.
    pub relays: bool,
    /// It takes every local part.
    pub catch_all: bool,
    /// It tells in VRFY who is there.
    pub tells: bool,
    /// What was sent in the clear behind STARTTLS is run under TLS.
    pub keeps_plaintext: bool,
    /// A dot between bare line feeds ends a message too.
    pub bare_line_feeds_end: bool,
    /// It looks clients up before it greets them, as the settings of the console say.
    pub looks_up: bool,
    /// What is done to commands.
    pub rules: Vec<Rule>,
    /// Messages are taken and never delivered.
    pub loses: bool,
    /// Where messages are delivered within the mailbox; `.Junk` is the junk folder.
    pub folder: &'static str,
    /// How long delivery takes after the 250.
    pub delivery_delay: Duration,
}

/// What all servers of a lab share.
pub struct Site {
    /// The mail domain.
    pub domain: String,
    /// User name (with domain) and password.
    pub accounts: BTreeMap<String, SecretString>,
    /// Mailboxes and queue.
    pub store: Store,
    /// How the receiver looks things up.
    pub stub: Stub,
    /// What it looks up before it greets.
    pub settings: crate::console::Store,
    /// What the lookups gave.
    pub cache: Cache,
    /// Who is connected.
    pub sessions: Sessions,
    /// How often each rule has fitted, at whichever server.
    pub counts: Mutex<HashMap<Rule, u32>>,
    /// Who is told what happens.
    pub events: tokio::sync::broadcast::Sender<String>,
}

impl Site {
    /// Tells those who listen what happened.
    pub(crate) fn tell(&self, event: String) {
        let _ = self.events.send(event);
    }
}

/// Serves one address until the set is dropped.
///
/// # Errors
/// Where the address cannot be used.
pub async fn serve(site: Arc<Site>, behaviour: Behaviour, on: SocketAddr, tasks: &mut JoinSet<()>) -> io::Result<()> {
    match behaviour.door {
        Door::Shut => return Ok(()),
        Door::Full => return fill(on, tasks),
        Door::Open | Door::Reset => {}
    }
    let listener = listen(on).await?;
    let behaviour = Arc::new(behaviour);
    accept::each(listener, MAX_CLIENTS, tasks, move |stream, client| {
        let (site, behaviour) = (site.clone(), behaviour.clone());
        async move {
            if behaviour.door == Door::Reset {
                stream::Stream::reset_when_dropped(&stream);
                return;
            }
            session::run(&site, &behaviour, stream, client).await;
        }
    });
    Ok(())
}

/// How often an address is asked for that is in use.
const TRIES: u32 = 40;

/// Listens. After a stop the old socket may live on for a moment, in a process that is just being forked.
async fn listen(on: SocketAddr) -> io::Result<TcpListener> {
    for _ in 1..TRIES {
        match TcpListener::bind(on).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => tokio::time::sleep(accept::BREATH).await,
            listener => return listener,
        }
    }
    TcpListener::bind(on).await
}

/// Makes the kernel drop SYNs: a queue of one, filled by connections of our own that nobody accepts.
fn fill(on: SocketAddr, tasks: &mut JoinSet<()>) -> io::Result<()> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(on), socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&on.into())?;
    socket.listen(0)?;
    let mut fillers = Vec::new();
    for _ in 0..4 {
        let filler = socket2::Socket::new(socket2::Domain::for_address(on), socket2::Type::STREAM, None)?;
        filler.set_nonblocking(true)?;
        // It stays in the queue, or its SYN is dropped: either way the queue is full.
        let _ = filler.connect(&on.into());
        fillers.push(filler);
    }
    tasks.spawn(async move {
        let _held = (socket, fillers);
        std::future::pending::<()>().await;
    });
    Ok(())
}
