//! The console of the guide's server: settings, cache, sessions and log of the SMTP receiver, and its
//! stop and start, as JSON over HTTP on a loopback port.
//!
//! Other users of the machine reach that port as well: every request shows the token that stands in the
//! lab's folder, which only its owner can read. Nothing a client sends makes the console grow or wait.

mod api;
mod fence;
mod log;
mod settings;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use maildoctor_wire::console::{ACCESS_FILE, Access};
use tokio::net::TcpListener;
use tokio::sync::broadcast::Receiver;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::accept;
use crate::smtp::Service;

pub use settings::{SetError, Store};

/// Connections at once.
const MAX_CONNECTIONS: usize = 32;

/// The longest head of a request, in octets.
const MAX_HEAD: usize = 16 * 1024;

/// The most header fields of a request.
const MAX_HEADERS: usize = 64;

/// The longest body of a request, in octets.
const MAX_BODY: usize = 64 * 1024;

/// How long a client may take to send the head of its request.
const HEAD_LIMIT: Duration = Duration::from_secs(5);

/// How long a connection may last: one request, one reply.
const LIMIT: Duration = Duration::from_secs(30);

/// Serves the console until the set is dropped, and writes down in the folder how it is reached.
///
/// # Errors
/// Where the address cannot be used or the folder not be written.
pub async fn serve(
    service: Arc<Service>,
    events: Receiver<String>,
    access: Access,
    folder: &Path,
    tasks: &mut JoinSet<()>,
) -> io::Result<()> {
    let listener = TcpListener::bind(access.address).await?;
    let log = log::Log::follow(events, tasks);
    crate::private_file(&folder.join(ACCESS_FILE), &serde_json::to_vec_pretty(&access)?)?;
    let api = Arc::new(api::Api { service, log, token: access.token, fence: fence::Fence::default() });
    accept::each(listener, MAX_CONNECTIONS, tasks, move |stream, _| {
        let api = api.clone();
        async move {
            let answer = service_fn(move |request| {
                let api = api.clone();
                async move { Ok::<_, std::convert::Infallible>(api.answer(request).await) }
            });
            let talk = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_LIMIT)
                .max_buf_size(MAX_HEAD)
                .max_headers(MAX_HEADERS)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), answer);
            // What a client does wrong on the wire is its own affair.
            let _ = timeout(LIMIT, talk).await;
        }
    });
    Ok(())
}
