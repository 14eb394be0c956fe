//! Looking through a SOCKS5 proxy (RFC 1928), with a login where it wants one (RFC 1929).

use std::net::SocketAddr;

use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpStream;
use tokio_socks::Error;
use tokio_socks::tcp::Socks5Stream;

use super::{Opening, Stream};
use crate::questions::tcp::Opened;

/// A proxy, and how to log in to it.
pub(super) struct Socks {
    proxy: String,
    login: Option<(String, SecretString)>,
}

/// Who did not let the connection come about.
enum Failed {
    /// The proxy itself, or the way to it: this says nothing about the target.
    Proxy(String),
    /// What the proxy says of the target.
    Target(Opened),
}

impl Socks {
    /// A proxy at `host:port`.
    pub(super) fn new(proxy: String, login: Option<(String, SecretString)>) -> Self {
        Self { proxy, login }
    }

    /// Whether the proxy serves us: it is asked for a connection to `to`, and whatever it says of that is well.
    ///
    /// # Errors
    /// Why it does not, in a sentence.
    pub(super) async fn open(&self, to: SocketAddr) -> Result<(), String> {
        match self.through(to).await {
            Ok(_) | Err(Failed::Target(_)) => Ok(()),
            Err(Failed::Proxy(error)) => Err(error),
        }
    }

    /// Opens a connection from the proxy. The address that peers see is the proxy's, and its answer need not tell it.
    pub(super) async fn connect(&self, to: SocketAddr) -> Opening {
        match self.through(to).await {
            Ok(stream) => Ok((stream, None)),
            Err(Failed::Target(opened)) => Err(opened),
            Err(Failed::Proxy(error)) => Err(Opened::Failed { error }),
        }
    }

    async fn through(&self, to: SocketAddr) -> Result<Box<dyn Stream>, Failed> {
        let stream = TcpStream::connect(&self.proxy).await.map_err(|e| {
            Failed::Proxy(format!("the proxy {} cannot be reached ({e}); is it running there?", self.proxy))
        })?;
        let _ = stream.set_nodelay(true);
        let stream = match &self.login {
            None => Socks5Stream::connect_with_socket(stream, to).await,
            Some((user, password)) => {
                Socks5Stream::connect_with_password_and_socket(stream, to, user, password.expose_secret()).await
            }
        };
        match stream {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(self.why(&error)),
        }
    }

    fn why(&self, error: &Error) -> Failed {
        let proxy = &self.proxy;
        let failed = |error: String| Failed::Target(Opened::Failed { error });
        let unreachable = |what: &str| Failed::Target(Opened::Unreachable { what: what.to_owned() });
        match error {
            Error::ConnectionRefused => Failed::Target(Opened::Refused),
            Error::HostUnreachable => unreachable("host"),
            Error::NetworkUnreachable => unreachable("network"),
            Error::TtlExpired => Failed::Target(Opened::TimedOut),
            // Its own rules, not the target's: they say nothing about the target.
            Error::ConnectionNotAllowedByRuleset => failed(format!("the proxy {proxy} does not allow that connection")),
            Error::GeneralSocksServerFailure
            | Error::CommandNotSupported
            | Error::AddressTypeNotSupported
            | Error::UnknownError => failed(format!("the proxy {proxy} failed: {error}")),
            Error::NoAcceptableAuthMethods | Error::AuthorizationRequired if self.login.is_none() => {
                Failed::Proxy(format!(
                    "the proxy {proxy} wants a login; give socks5://USER@{proxy} and the password in \
                     MAILDOCTOR_SOCKS_PASSWORD or --socks-password-file FILE"
                ))
            }
            Error::PasswordAuthFailure(_) | Error::AuthorizationRequired => {
                Failed::Proxy(format!("the proxy {proxy} refuses the user name or the password; give the right ones"))
            }
            other => Failed::Proxy(format!("the proxy {proxy} does not serve us: {other}; is it a SOCKS5 proxy?")),
        }
    }
}
