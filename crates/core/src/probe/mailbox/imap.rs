//! A mailbox read by IMAP, through async-imap on a stream that ends after a number of octets: a hostile
//! literal of gigabytes must not be buffered.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context as Task, Poll};
use std::time::Duration;

use async_imap::error::Error;
use async_imap::types::NameAttribute;
use futures::TryStreamExt;
use secrecy::ExposeSecret;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Fetched, MAX_MESSAGE_OCTETS, carries, is_junk};
use crate::options::Login;
use crate::questions::mailbox::LoginResult;
use crate::vantage::Stream;

/// The most octets that one session may send us.
const MAX_SESSION_OCTETS: usize = 4 * 1024 * 1024;

/// The most items of one answer that are kept: each holds a buffer of its own, however short its line is.
const MAX_ITEMS: usize = 500;

/// The most messages of a search that are looked at.
const MAX_HITS: usize = 5;

/// A stream that ends in an error once the peer has sent too much.
pub(super) struct Limited {
    inner: Box<dyn Stream>,
    left: usize,
}

impl fmt::Debug for Limited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Limited({} octets left)", self.left)
    }
}

impl AsyncRead for Limited {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Task<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.left == 0 {
            return Poll::Ready(Err(io::Error::other(
                "the server sends more than a mailbox of test messages can hold",
            )));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.left = self.left.saturating_sub(buf.filled().len() - before);
        polled
    }
}

impl AsyncWrite for Limited {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Task<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Task<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Task<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// A server that greeted.
pub(super) struct Greeted(async_imap::Client<Limited>);

/// A session after login.
pub(super) struct Session {
    inner: async_imap::Session<Limited>,
    folders: Vec<String>,
}

/// Reads the greeting.
pub(super) async fn greet(stream: Box<dyn Stream>) -> Result<Greeted, String> {
    let mut client = async_imap::Client::new(Limited { inner: stream, left: MAX_SESSION_OCTETS });
    match client.read_response().await {
        Ok(Some(_)) => Ok(Greeted(client)),
        Ok(None) => Err("the server closed the connection before its greeting".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// The dialogue goes on under TLS, where there is no second greeting.
pub(super) fn after_starttls(stream: Box<dyn Stream>) -> Greeted {
    Greeted(async_imap::Client::new(Limited { inner: stream, left: MAX_SESSION_OCTETS }))
}

impl Greeted {
    /// STARTTLS, tried whatever is listed: a refusal costs one round trip. Gives the stream to be wrapped,
    /// or the dialogue back where the server refuses.
    pub(super) async fn starttls(mut self) -> Result<Box<dyn Stream>, Greeted> {
        match self.0.run_command_and_check_ok("STARTTLS", None).await {
            Ok(()) => Ok(self.0.into_inner().inner),
            Err(_) => Err(self),
        }
    }

    /// LOGIN.
    pub(super) async fn login(self, login: &Login) -> Result<Session, LoginResult> {
        match self.0.login(&login.user, login.password.expose_secret()).await {
            Ok(inner) => Ok(Session { inner, folders: Vec::new() }),
            // It tells of LOGIN and PLAIN, and not of the password.
            Err((Error::No(answer) | Error::Bad(answer), _))
                if answer.contains("nsupported authentication mechanism") =>
            {
                Err(LoginResult::Failed { error: clean(said(&answer)) })
            }
            Err((Error::No(answer), _)) => Err(LoginResult::Refused { answer: clean(said(&answer)) }),
            Err((error, _)) => Err(LoginResult::Failed { error: clean(&error.to_string()) }),
        }
    }
}

/// The items of an answer; more than [`MAX_ITEMS`] are a flood.
async fn few<T>(stream: impl futures::Stream<Item = async_imap::error::Result<T>>) -> Result<Vec<T>, String> {
    let mut stream = std::pin::pin!(stream);
    let mut items = Vec::new();
    while let Some(item) = stream.try_next().await.map_err(|e| clean(&e.to_string()))? {
        if items.len() >= MAX_ITEMS {
            return Err(format!("one answer of the server has more than {MAX_ITEMS} items"));
        }
        items.push(item);
    }
    Ok(items)
}

/// What the server said, out of what the library makes of it: `code: None, info: Some("…")`.
fn said(answer: &str) -> &str {
    let info = answer.split_once("info: Some(\"").map(|(_, info)| info);
    info.and_then(|info| info.rsplit_once("\")")).map_or(answer, |(said, _)| said)
}

fn clean(text: &str) -> String {
    maildoctor_wire::octets::escape(text.as_bytes()).chars().take(300).collect()
}

impl Session {
    /// The folders that are looked into.
    pub(super) fn folders(&self) -> Vec<String> {
        self.folders.clone()
    }

    /// Looks for a marked message in the inbox and in folders for junk.
    pub(super) async fn find(&mut self, mark: &str, remove: bool) -> Result<Option<Fetched>, String> {
        if self.folders.is_empty() {
            self.folders = self.names().await?;
        }
        for folder in self.folders.clone() {
            let opened = if remove { self.inner.select(&folder).await } else { self.inner.examine(&folder).await };
            if opened.is_err() {
                continue;
            }
            let hits = self
                .inner
                .uid_search(format!("HEADER {} {mark}", super::MARK_HEADER))
                .await
                .map_err(|e| clean(&e.to_string()))?;
            for uid in hits.into_iter().take(MAX_HITS) {
                let Some(octets) = self.fetch(uid).await? else {
                    continue;
                };
                if !carries(&octets, mark) {
                    continue;
                }
                let removed = remove && self.remove(uid).await;
                return Ok(Some(Fetched { folder, octets, removed }));
            }
        }
        Ok(None)
    }

    async fn names(&mut self) -> Result<Vec<String>, String> {
        let listed: Vec<_> = {
            let stream = self.inner.list(Some(""), Some("*")).await.map_err(|e| clean(&e.to_string()))?;
            few(stream).await?
        };
        let mut names = vec!["INBOX".to_owned()];
        for name in listed.iter().take(200) {
            let marked = name.attributes().iter().any(|a| matches!(a, NameAttribute::Junk));
            if marked || is_junk(name.name()) {
                names.push(name.name().to_owned());
            }
        }
        Ok(names)
    }

    async fn fetch(&mut self, uid: u32) -> Result<Option<Vec<u8>>, String> {
        let messages: Vec<_> = {
            let stream =
                self.inner.uid_fetch(uid.to_string(), "BODY.PEEK[]").await.map_err(|e| clean(&e.to_string()))?;
            few(stream).await?
        };
        Ok(messages
            .first()
            .and_then(|m| m.body())
            .map(|body| body.get(..body.len().min(MAX_MESSAGE_OCTETS)).unwrap_or_default().to_vec()))
    }

    /// Marks the one message as deleted and expunges it alone where the server can; a plain EXPUNGE would
    /// touch what others have marked, so without UIDPLUS the mark is all.
    async fn remove(&mut self, uid: u32) -> bool {
        let marked = match self.inner.uid_store(uid.to_string(), "+FLAGS (\\Deleted)").await {
            Ok(stream) => few(stream).await.is_ok(),
            Err(_) => false,
        };
        let expunged = match self.inner.uid_expunge(uid.to_string()).await {
            Ok(stream) => few(stream).await.is_ok(),
            Err(_) => false,
        };
        marked && expunged
    }

    /// LOGOUT.
    pub(super) async fn leave(mut self) {
        let _ = tokio::time::timeout(Duration::from_secs(2), self.inner.logout()).await;
    }
}
