//! What the console answers to which request.

use std::sync::Arc;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderValue, IF_MATCH, WWW_AUTHENTICATE};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use maildoctor_wire::console::{Held, RUN_HEADER, Refused, Settings};
use serde::Serialize;

use super::MAX_BODY;
use super::fence::Fence;
use super::log::Log;
use super::settings::SetError;
use crate::smtp::Service;

type Reply = Response<Full<Bytes>>;

pub(super) struct Api {
    pub(super) service: Arc<Service>,
    pub(super) log: Log,
    pub(super) token: String,
    pub(super) fence: Fence,
}

impl Api {
    /// Answers a request.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Reply {
        if !self.knows(request.headers()) {
            let mut reply = refuse(StatusCode::UNAUTHORIZED, "the token of the lab's folder is needed");
            reply.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return reply;
        }
        let path = request.uri().path().to_owned();
        match (request.method(), path.as_str()) {
            (&Method::GET, "/v1/settings") => held(&self.service.site().settings.held()),
            (&Method::PUT, "/v1/settings") => self.set(request).await,
            (&Method::GET, "/v1/service") => json(StatusCode::OK, &self.service.state().await),
            (&Method::POST, "/v1/service/stop" | "/v1/service/start") => {
                self.drive(request.headers(), path == "/v1/service/stop").await
            }
            (&Method::POST, "/v1/runs/end") => {
                if self.fence.close(request.headers()).await {
                    json(StatusCode::OK, &self.service.state().await)
                } else {
                    refuse(StatusCode::BAD_REQUEST, &format!("{RUN_HEADER} must name the run that ends"))
                }
            }
            (&Method::GET, "/v1/cache") => json(StatusCode::OK, &self.service.site().cache.list()),
            (&Method::GET, "/v1/sessions") => json(StatusCode::OK, &self.service.site().sessions.list()),
            (&Method::GET, "/v1/log") => self.lines(request.uri().query()),
            (_, known) => match allowed(known) {
                Some(methods) => {
                    let mut reply = refuse(StatusCode::METHOD_NOT_ALLOWED, &format!("{known} knows {methods} only"));
                    reply.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
                    reply
                }
                None => refuse(StatusCode::NOT_FOUND, "the console has no such path; docs/LAB.md lists them"),
            },
        }
    }

    /// Whether the token was shown. How long the comparison takes tells nothing of the token.
    fn knows(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
        let wanted = format!("Bearer {}", self.token);
        let differs = shown.iter().zip(wanted.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b));
        shown.len() == wanted.len() && differs == 0
    }

    /// Stops or starts the SMTP service.
    async fn drive(&self, headers: &HeaderMap, stop: bool) -> Reply {
        let Some(_passing) = self.fence.pass(headers).await else { return ended() };
        if stop {
            self.service.stop().await;
        } else if let Err(e) = self.service.start().await {
            return refuse(StatusCode::INTERNAL_SERVER_ERROR, &format!("the SMTP service cannot be started: {e}"));
        }
        json(StatusCode::OK, &self.service.state().await)
    }

    async fn set(&self, request: Request<Incoming>) -> Reply {
        let (head, body) = request.into_parts();
        let Some(revision) = head.headers.get(IF_MATCH).and_then(|v| v.to_str().ok()) else {
            let why = "If-Match must name the revision at which the settings were read";
            return refuse(StatusCode::PRECONDITION_REQUIRED, why);
        };
        let revision = revision.trim_matches('"').to_owned();
        let Ok(octets) = Limited::new(body, MAX_BODY).collect().await else {
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, &format!("settings have at most {MAX_BODY} octets"));
        };
        let settings: Settings = match serde_json::from_slice(&octets.to_bytes()) {
            Ok(settings) => settings,
            Err(e) => return refuse(StatusCode::UNPROCESSABLE_ENTITY, &format!("these are no settings: {e}")),
        };
        // Only now, so that nobody who sends slowly holds off the end of a run.
        let Some(_passing) = self.fence.pass(&head.headers).await else { return ended() };
        let site = self.service.site().clone();
        let before = site.settings.current();
        let set = tokio::task::spawn_blocking(move || site.settings.set(&revision, settings)).await;
        match set {
            Ok(Ok(now)) => {
                self.service.site().tell(format!("the console set: {}", changes(&before, &now.settings)));
                held(&now)
            }
            Ok(Err(e)) => {
                let status = match e {
                    SetError::Changed(_) => StatusCode::PRECONDITION_FAILED,
                    SetError::Wrong(_) => StatusCode::UNPROCESSABLE_ENTITY,
                    SetError::Io(_) => StatusCode::INTERNAL_SERVER_ERROR,
                };
                refuse(status, &e.to_string())
            }
            Err(_) => refuse(StatusCode::INTERNAL_SERVER_ERROR, "the settings cannot be written"),
        }
    }

    fn lines(&self, query: Option<&str>) -> Reply {
        let after = match query.map(|q| q.strip_prefix("after=").map(str::parse)) {
            None => 0,
            Some(Some(Ok(number))) => number,
            Some(_) => return refuse(StatusCode::BAD_REQUEST, "the log is asked with ?after=NUMBER"),
        };
        json(StatusCode::OK, &self.log.after(after))
    }
}

/// The methods of a path that is known.
fn allowed(path: &str) -> Option<&'static str> {
    match path {
        "/v1/settings" => Some("GET, PUT"),
        "/v1/service" | "/v1/cache" | "/v1/sessions" | "/v1/log" => Some("GET"),
        "/v1/runs/end" | "/v1/service/stop" | "/v1/service/start" => Some("POST"),
        _ => None,
    }
}

/// What differs between two settings, in words.
fn changes(before: &Settings, now: &Settings) -> String {
    let mut parts = Vec::new();
    if before.reverse_lookup != now.reverse_lookup {
        parts.push(format!("reverse lookup {}", if now.reverse_lookup { "on" } else { "off" }));
    }
    let (old, new): (Vec<_>, Vec<_>) = (before.blacklists.iter().collect(), now.blacklists.iter().collect());
    parts.extend(differences(&old, &new, "blacklist server"));
    let (old, new): (Vec<_>, Vec<_>) = (before.whitelist.iter().collect(), now.whitelist.iter().collect());
    parts.extend(differences(&old, &new, "whitelisted client"));
    if parts.is_empty() { "nothing new".to_owned() } else { parts.join(", ") }
}

fn differences<T: PartialEq + ToString>(before: &[T], now: &[T], what: &str) -> Vec<String> {
    let only = |some: &[T], others: &[T], how: &str| -> Vec<String> {
        some.iter().filter(|one| !others.contains(one)).map(|one| format!("{what} {} {how}", one.to_string())).collect()
    };
    let mut parts = [only(before, now, "removed"), only(now, before, "added")].concat();
    if parts.is_empty() && before != now {
        parts.push(format!("{what}s in another order"));
    }
    parts
}

fn held(held: &Held) -> Reply {
    let mut reply = json(StatusCode::OK, held);
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", held.revision)) {
        reply.headers_mut().insert(ETAG, tag);
    }
    reply
}

/// What is said to a request of a run that has ended.
fn ended() -> Reply {
    refuse(StatusCode::CONFLICT, "the run that this request is of has ended")
}

fn refuse(status: StatusCode, why: &str) -> Reply {
    json(status, &Refused { error: why.to_owned() })
}

fn json<T: Serialize>(status: StatusCode, what: &T) -> Reply {
    let body = serde_json::to_vec(what).unwrap_or_default();
    let mut reply = Response::new(Full::new(Bytes::from(body)));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}
