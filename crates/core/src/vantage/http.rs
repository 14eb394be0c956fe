//! One HTTP/1.1 exchange over a stream that stands already, with a bound on everything the peer sends.
//!
//! Who opened the stream decides what it is: plain over loopback, TLS through a proxy. No redirect is
//! followed: it would need another stream, so that is for the caller, who may (autoconfig) or must not
//! (MTA-STS, RFC 8461 section 3.3); [`Reply::location`] says where it points.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::Stream;

pub use hyper::Method;

/// The longest head of a reply, in octets: status line and header fields.
pub const MAX_HEAD_OCTETS: usize = 16 * 1024;

/// The most header fields of a reply.
pub const MAX_HEADERS: usize = 64;

/// What is asked.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The method.
    pub method: Method,
    /// Path and query, beginning with `/`.
    pub target: &'a str,
    /// The host, with its port where that is not the usual one.
    pub host: &'a str,
    /// Header fields beside `Host` and those that frame the message.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body; none where empty.
    pub body: Vec<u8>,
}

impl<'a> Request<'a> {
    /// A GET.
    pub fn get(host: &'a str, target: &'a str) -> Self {
        Self { method: Method::GET, target, host, headers: &[], body: Vec::new() }
    }
}

/// How much, and how long, the peer may take.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The whole exchange, to the last octet of the body.
    pub time: Duration,
    /// The body of the reply, in octets.
    pub body: usize,
}

/// What was answered.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The header fields.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Vec<u8>,
    /// From the first octet of the request to the last of the body.
    pub took: Duration,
}

impl Reply {
    /// A header field as text; `None` where it is absent or no visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Where a redirect (3xx) points.
    pub fn location(&self) -> Option<&str> {
        (300..400).contains(&self.status).then(|| self.headers.get(LOCATION)?.to_str().ok()).flatten()
    }
}

/// Why there is no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The bound on time ran out.
    #[error("no whole HTTP reply within {0:?}")]
    TimedOut(Duration),
    /// The body went on beyond its bound.
    #[error("the body of the HTTP reply is longer than {0} octets")]
    TooLong(usize),
    /// The peer closed the connection before its reply was whole.
    #[error("the connection was closed before the HTTP reply was whole")]
    Closed,
    /// What came is no HTTP/1 reply, or its head is beyond the bounds.
    #[error("what was answered is no HTTP/1.1 reply: {0}")]
    Malformed(String),
    /// The request cannot be put into HTTP: a fault of the caller.
    #[error("this cannot be asked by HTTP: {0}")]
    Request(String),
    /// The stream failed.
    #[error("the connection failed: {0}")]
    Io(String),
}

/// Sends a request, and reads the whole reply.
///
/// # Errors
/// [`HttpError`] where no whole reply came within the bounds. A status such as 404 is a reply.
pub async fn exchange(stream: Box<dyn Stream>, request: Request<'_>, bounds: Bounds) -> Result<Reply, HttpError> {
    let began = Instant::now();
    let message = message(request)?;
    let talk = async {
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD_OCTETS)
            .max_headers(MAX_HEADERS)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|e| why(&e))?;
        // The connection moves the octets; it is dropped, and the stream with it, when the reply is read.
        let mut connection = std::pin::pin!(connection);
        let mut ended = false;
        let reply = async {
            let (head, body) = sender.send_request(message).await.map_err(|e| why(&e))?.into_parts();
            let body =
                Limited::new(body, bounds.body).collect().await.map_err(|e| match e.downcast::<hyper::Error>() {
                    Ok(e) => why(&e),
                    Err(_) => HttpError::TooLong(bounds.body),
                })?;
            Ok(Reply {
                status: head.status.as_u16(),
                headers: head.headers,
                body: body.to_bytes().to_vec(),
                took: began.elapsed(),
            })
        };
        let mut reply = std::pin::pin!(reply);
        loop {
            tokio::select! {
                biased;
                done = &mut reply => return done,
                // Its error is the reply's as well, which says it better.
                _ = &mut connection, if !ended => ended = true,
            }
        }
    };
    timeout(bounds.time, talk).await.unwrap_or(Err(HttpError::TimedOut(bounds.time)))
}

fn message(request: Request<'_>) -> Result<hyper::Request<Full<Bytes>>, HttpError> {
    let bad = |e: &dyn std::fmt::Display| HttpError::Request(e.to_string());
    let mut message = hyper::Request::new(Full::new(Bytes::from(request.body)));
    *message.method_mut() = request.method;
    *message.uri_mut() = request.target.parse().map_err(|e| bad(&e))?;
    let headers = message.headers_mut();
    headers.insert(HOST, HeaderValue::from_str(request.host).map_err(|e| bad(&e))?);
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    for (name, value) in request.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|e| bad(&e))?;
        headers.append(name, HeaderValue::from_str(value).map_err(|e| bad(&e))?);
    }
    Ok(message)
}

fn why(error: &hyper::Error) -> HttpError {
    let cause = std::error::Error::source(error);
    let cut =
        cause.and_then(|e| e.downcast_ref::<std::io::Error>()).is_some_and(|e| e.kind() == ErrorKind::UnexpectedEof);
    if cut || error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        HttpError::Closed
    } else if error.is_parse() {
        HttpError::Malformed(error.to_string())
    } else {
        HttpError::Io(cause.map_or_else(|| error.to_string(), ToString::to_string))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    const BOUNDS: Bounds = Bounds { time: Duration::from_secs(5), body: 1000 };

    /// Asks a peer that answers with these octets, and gives also what the peer was sent.
    async fn ask(request: Request<'_>, answer: &[u8]) -> (Result<Reply, HttpError>, String) {
        let (ours, theirs) = tokio::io::duplex(64);
        let answer = answer.to_vec();
        let peer = tokio::spawn(peer(theirs, answer));
        let reply = exchange(Box::new(ours), request, BOUNDS).await;
        (reply, peer.await.unwrap())
    }

    async fn peer(mut stream: DuplexStream, answer: Vec<u8>) -> String {
        let mut heard = Vec::new();
        while !heard.windows(4).any(|w| w == b"\r\n\r\n") {
            let mut octet = [0];
            if stream.read(&mut octet).await.unwrap_or(0) == 0 {
                break;
            }
            heard.push(octet[0]);
        }
        let _ = stream.write_all(&answer).await;
        String::from_utf8(heard).unwrap()
    }

    #[tokio::test]
    async fn a_reply_is_read_whole_however_it_is_framed() {
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Is: here\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Is: here\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
            "HTTP/1.0 200 OK\r\nX-Is: here\r\n\r\nhello",
        ] {
            let request =
                Request { headers: &[("Accept", "text/plain")], ..Request::get("mta-sts.example.org", "/a?b") };
            let (reply, heard) = ask(request, answer.as_bytes()).await;
            let reply = reply.unwrap();
            assert_eq!((reply.status, reply.body.as_slice(), reply.header("x-is")), (200, &b"hello"[..], Some("here")));
            assert!(
                heard.starts_with("GET /a?b HTTP/1.1\r\n") && heard.contains("host: mta-sts.example.org"),
                "{heard}"
            );
            assert!(heard.contains("accept: text/plain"), "{heard}");
        }
    }

    #[tokio::test]
    async fn a_redirect_is_told_and_not_followed() {
        let answer = b"HTTP/1.1 301 Moved\r\nLocation: https://elsewhere.example/\r\nContent-Length: 0\r\n\r\n";
        let (reply, _) = ask(Request::get("example.org", "/"), answer).await;
        let reply = reply.unwrap();
        assert_eq!((reply.status, reply.location()), (301, Some("https://elsewhere.example/")));
    }

    #[tokio::test]
    async fn what_is_too_long_cut_or_no_http_is_an_error() {
        let long = format!("HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n{}", "x".repeat(2000));
        let heads = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(MAX_HEADERS + 1));
        let head = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(2 * MAX_HEAD_OCTETS));
        let get = || Request::get("example.org", "/");
        assert_eq!(ask(get(), long.as_bytes()).await.0.unwrap_err(), HttpError::TooLong(1000));
        assert_eq!(
            ask(get(), b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await.0.unwrap_err(),
            HttpError::Closed
        );
        assert_eq!(ask(get(), b"").await.0.unwrap_err(), HttpError::Closed);
        for bad in [heads.as_bytes(), head.as_bytes(), b"220 mx.example.org ESMTP\r\n"] {
            let error = ask(get(), bad).await.0.unwrap_err();
            assert!(matches!(error, HttpError::Malformed(_)), "{error:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_drips_for_ever_runs_into_the_bound() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        tokio::spawn(async move {
            let _ = theirs.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
            while theirs.write_all(b"1\r\nx\r\n").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let reply = exchange(Box::new(ours), Request::get("example.org", "/"), BOUNDS).await;
        assert_eq!(reply.unwrap_err(), HttpError::TimedOut(BOUNDS.time));
    }

    #[tokio::test]
    async fn what_cannot_stand_in_a_request_is_never_sent() {
        let (ours, _theirs) = tokio::io::duplex(64);
        let request = Request { headers: &[("X", "a\r\nInjected: b")], ..Request::get("example.org", "/") };
        assert!(matches!(exchange(Box::new(ours), request, BOUNDS).await, Err(HttpError::Request(_))));
    }
}
