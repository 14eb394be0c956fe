//! Drives the console of a lab: its HTTP API, asked over a vantage's kind of stream.

use std::path::{Path, PathBuf};
use std::time::Duration;

use maildoctor_wire::console::{
    ACCESS_FILE, Access, Cached, Held, Line, RUN_HEADER, Refused, Service, Session, Settings,
};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::vantage::http::{Bounds, HttpError, Method, Request, exchange};

/// How long one request may take: stopping waits for what is being written to disk.
const LIMIT: Duration = Duration::from_secs(20);

/// The longest reply, in octets: the whole log.
const MAX_REPLY: usize = 4 * 1024 * 1024;

/// The longest file that says how a console is reached, in octets.
const MAX_ACCESS: u64 = 4096;

/// Why the console did not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// The folder is no lab's.
    #[error("{} does not say how a lab's console is reached ({why}); give the folder that `maildoctor lab` prints as its files", folder.join(ACCESS_FILE).display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What is the matter.
        why: String,
    },
    /// Nobody listens any more.
    #[error("the console of the lab in {} cannot be reached at {address} ({why}); is that lab still running?", folder.display())]
    Unreachable {
        /// The lab's folder.
        folder: PathBuf,
        /// Where it was.
        address: std::net::SocketAddr,
        /// What came of it.
        why: String,
    },
    /// The exchange failed.
    #[error("the console of the lab did not answer as one does: {0}")]
    Http(#[from] HttpError),
    /// The answer is none of a console's.
    #[error("the console of the lab answered something else than a console does: {0}")]
    Answer(String),
    /// Somebody else changed the settings.
    #[error("somebody else changed the settings meanwhile")]
    Changed,
    /// It says why not.
    #[error("the console refuses: {0}")]
    Refused(String),
}

/// A lab's console.
#[derive(Debug, Clone)]
pub struct Console {
    folder: PathBuf,
    address: std::net::SocketAddr,
    token: SecretString,
    /// The run that the changes are of.
    run: Option<String>,
}

impl Console {
    /// The console of the lab in a folder.
    ///
    /// # Errors
    /// Where the folder does not say how it is reached.
    pub fn at(folder: &Path) -> Result<Self, ConsoleError> {
        let wrong = |why: String| ConsoleError::Folder { folder: folder.to_owned(), why };
        let file = std::fs::File::open(folder.join(ACCESS_FILE)).map_err(|e| wrong(e.to_string()))?;
        let access: Access =
            serde_json::from_reader(std::io::Read::take(file, MAX_ACCESS)).map_err(|e| wrong(e.to_string()))?;
        let folder = std::fs::canonicalize(folder).map_err(|e| wrong(e.to_string()))?;
        Ok(Self { folder, address: access.address, token: access.token.into(), run: None })
    }

    /// The same console for the changes of one run, which can be ended.
    #[must_use]
    pub fn for_run(self, run: &str) -> Self {
        Self { run: Some(run.to_owned()), ..self }
    }

    /// Ends a run: of what it has sent nothing is done any more, and what was begun is done. Gives the console for what follows.
    ///
    /// # Errors
    /// [`ConsoleError`].
    pub async fn after_run(&self, run: &str) -> Result<Self, ConsoleError> {
        let of_run = self.clone().for_run(run);
        of_run.ask::<Service>(Method::POST, "/v1/runs/end", &[], Vec::new()).await?;
        Ok(Self { run: None, ..of_run })
    }

    /// The lab's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The settings.
    ///
    /// # Errors
    /// [`ConsoleError`], here and in all that follows.
    pub async fn settings(&self) -> Result<Held, ConsoleError> {
        self.get("/v1/settings").await
    }

    /// Sets all settings, if they still are as they were read.
    ///
    /// # Errors
    /// [`ConsoleError::Changed`] where somebody else changed them.
    pub async fn set(&self, read_at: &str, settings: &Settings) -> Result<Held, ConsoleError> {
        let body = serde_json::to_vec(settings).map_err(|e| ConsoleError::Answer(e.to_string()))?;
        self.ask(Method::PUT, "/v1/settings", &[("If-Match", &format!("\"{read_at}\""))], body).await
    }

    /// The state of the SMTP service.
    ///
    /// # Errors
    /// [`ConsoleError`].
    pub async fn service(&self) -> Result<Service, ConsoleError> {
        self.get("/v1/service").await
    }

    /// Stops the SMTP service, which clears its cache; nothing where it is stopped.
    ///
    /// # Errors
    /// [`ConsoleError`].
    pub async fn stop(&self) -> Result<Service, ConsoleError> {
        self.ask(Method::POST, "/v1/service/stop", &[], Vec::new()).await
    }

    /// Starts the SMTP service; nothing where it runs.
    ///
    /// # Errors
    /// [`ConsoleError`].
    pub async fn start(&self) -> Result<Service, ConsoleError> {
        self.ask(Method::POST, "/v1/service/start", &[], Vec::new()).await
    }

    /// The clients that are not looked up again before the service stops.
    ///
    /// # Errors
    /// [`ConsoleError`].
    pub async fn cache(&self) -> Result<Vec<Cached>, ConsoleError> {
        self.get("/v1/cache").await
    }

    /// The sessions that are open.
    ///
    /// # Errors
    /// [`ConsoleError`].
    pub async fn sessions(&self) -> Result<Vec<Session>, ConsoleError> {
        self.get("/v1/sessions").await
    }

    /// The lines of the log after the one with this number.
    ///
    /// # Errors
    /// [`ConsoleError`].
    pub async fn log(&self, after: u64) -> Result<Vec<Line>, ConsoleError> {
        self.get(&format!("/v1/log?after={after}")).await
    }

    async fn get<T: DeserializeOwned>(&self, target: &str) -> Result<T, ConsoleError> {
        self.ask(Method::GET, target, &[], Vec::new()).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        target: &str,
        more: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<T, ConsoleError> {
        let unreachable =
            |why: String| ConsoleError::Unreachable { folder: self.folder.clone(), address: self.address, why };
        let stream = timeout(LIMIT, TcpStream::connect(self.address))
            .await
            .map_err(|_| unreachable(format!("no answer within {} s", LIMIT.as_secs())))?
            .map_err(|e| unreachable(e.to_string()))?;
        let bearer = format!("Bearer {}", self.token.expose_secret());
        let own = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        let run = self.run.as_deref().map(|run| (RUN_HEADER, run));
        let headers: Vec<(&str, &str)> = own.into_iter().chain(run).chain(more.iter().copied()).collect();
        let host = self.address.to_string();
        let request = Request { method, target, host: &host, headers: &headers, body };
        let reply = exchange(Box::new(stream), request, Bounds { time: LIMIT, body: MAX_REPLY }).await?;
        let read = |e: serde_json::Error| ConsoleError::Answer(format!("status {}, {e}", reply.status));
        match reply.status {
            200 => serde_json::from_slice(&reply.body).map_err(read),
            412 => Err(ConsoleError::Changed),
            _ => Err(ConsoleError::Refused(serde_json::from_slice::<Refused>(&reply.body).map_err(read)?.error)),
        }
    }
}
