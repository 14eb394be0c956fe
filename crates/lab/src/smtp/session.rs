//! One client's session with the receiver.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maildoctor_wire::{dnsbl, rdns, sasl};
use secrecy::ExposeSecret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::clients::Present;
use super::rules::{self, Verdict};
use super::stream::Stream;
use super::{Behaviour, Site};
use crate::scenario::{Action, Role};

/// The longest line that is read.
const MAX_LINE: usize = 8 * 1024;

/// The largest message that is taken.
const MAX_MESSAGE: usize = 32 * 1024 * 1024;

/// The most recipients of one message.
const MAX_RECIPIENTS: usize = 100;

/// How long a client may be silent.
const IDLE: Duration = Duration::from_secs(300);

/// Rejected commands after which a client is sent away.
const MAX_ERRORS: u32 = 20;

struct Session<'a> {
    site: &'a Site,
    behaviour: &'a Behaviour,
    stream: Box<dyn Stream>,
    held: Vec<u8>,
    /// The last command ended in LF alone, as from a person at a plain connection.
    bare_line_feeds: bool,
    client: SocketAddr,
    present: Present<'a>,
    listed: Option<String>,
    tls: bool,
    helo: Option<String>,
    user: Option<String>,
    sender: Option<String>,
    recipients: Vec<String>,
    errors: u32,
}

/// What comes after a reply.
enum Next {
    Go,
    Tls,
    End,
}

/// Serves a client to the end.
pub(super) async fn run(site: &Site, behaviour: &Behaviour, stream: TcpStream, client: SocketAddr) {
    let _ = stream.set_nodelay(true);
    let present = site.sessions.enter(&behaviour.host, client);
    site.tell(format!("{} {client} connected", behaviour.host));
    let stream: Box<dyn Stream> = if behaviour.role == Role::Smtps && behaviour.tls.is_some() {
        match secured(behaviour, Box::new(stream)).await {
            Some(stream) => stream,
            None => return,
        }
    } else {
        Box::new(stream)
    };
    let tls = behaviour.role == Role::Smtps && behaviour.tls.is_some();
    let mut session = Session {
        site,
        behaviour,
        stream,
        held: Vec::new(),
        bare_line_feeds: false,
        client,
        present,
        listed: None,
        tls,
        helo: None,
        user: None,
        sender: None,
        recipients: Vec::new(),
        errors: 0,
    };
    let _ = session.serve().await;
    site.tell(format!("{} {client} left", behaviour.host));
}

async fn secured(behaviour: &Behaviour, stream: Box<dyn Stream>) -> Option<Box<dyn Stream>> {
    let acceptor = TlsAcceptor::from(behaviour.tls.clone()?);
    let stream = timeout(Duration::from_secs(30), acceptor.accept(stream)).await.ok()?.ok()?;
    Some(Box::new(stream))
}

impl Session<'_> {
    async fn serve(&mut self) -> Option<()> {
        self.look_up().await;
        self.answer("BANNER", "", &format!("220 {}", self.behaviour.banner)).await?;
        loop {
            let line = self.line().await?;
            match self.command(&line).await? {
                Next::Go => {}
                Next::End => return Some(()),
                Next::Tls => {
                    let plain = std::mem::replace(&mut self.stream, Box::new(tokio::io::empty()));
                    self.stream = secured(self.behaviour, plain).await?;
                    self.tls = true;
                    (self.helo, self.sender, self.user) = (None, None, None);
                    if !self.behaviour.keeps_plaintext {
                        self.held.clear();
                    }
                }
            }
        }
    }

    /// Reverse name and blacklists, before the banner, unless the client is known.
    async fn look_up(&mut self) {
        if !self.behaviour.looks_up {
            return;
        }
        let settings = self.site.settings.current();
        let ip = self.client.ip();
        if settings.whitelist.contains(&ip) || (!settings.reverse_lookup && settings.blacklists.is_empty()) {
            return;
        }
        if let Some(listed) = self.site.cache.get(ip) {
            self.listed = listed;
            return;
        }
        if settings.reverse_lookup {
            let began = std::time::Instant::now();
            let _ = self.site.stub.ask(&rdns::ptr_name(ip), hickory_proto::rr::RecordType::PTR).await;
            self.site.tell(format!(
                "{} looked up the name of {ip} in {} ms",
                self.behaviour.host,
                began.elapsed().as_millis()
            ));
        }
        for zone in &settings.blacklists {
            let began = std::time::Instant::now();
            let answer = self.site.stub.addresses(&dnsbl::query_name(ip, zone)).await.unwrap_or_default();
            self.site.tell(format!(
                "{} asked {zone} for {ip} in {} ms",
                self.behaviour.host,
                began.elapsed().as_millis()
            ));
            if answer.iter().any(|a| dnsbl::is_listing(zone, *a)) {
                self.listed = Some(zone.clone());
            }
        }
        self.site.cache.keep(ip, self.listed.clone());
    }

    /// Sends a reply, or what the rules make of it.
    async fn answer(&mut self, on: &str, argument: &str, usual: &str) -> Option<String> {
        let verdict = self.judge_by_rules(on, argument.as_bytes());
        self.answer_by(verdict, on, argument, usual).await
    }

    fn judge_by_rules(&self, on: &str, argument: &[u8]) -> Verdict {
        rules::judge(self.site, self.behaviour, on, argument, self.user.is_some())
    }

    async fn answer_by(&mut self, verdict: Verdict, on: &str, argument: &str, usual: &str) -> Option<String> {
        self.present.does(on);
        let Verdict { delay, reply, action } = verdict;
        let reply = reply.unwrap_or_else(|| usual.to_owned());
        if action == Action::Tease {
            self.stream.write_all(&wire(&reply.replacen(' ', "-", 1))).await.ok()?;
            self.stream.flush().await.ok()?;
        }
        // A sleep of nothing takes a tick of the timer.
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let octets = wire(&reply);
        match action {
            Action::Reply | Action::Tease => self.stream.write_all(&octets).await.ok()?,
            Action::Silent => {
                tokio::time::sleep(IDLE).await;
                return None;
            }
            Action::Cut => return None,
            Action::Reset => {
                self.stream.reset_when_dropped();
                return None;
            }
            Action::Drip | Action::Split => {
                for octet in octets {
                    self.stream.write_all(&[octet]).await.ok()?;
                    self.stream.flush().await.ok()?;
                    if action == Action::Drip {
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                }
            }
        }
        self.stream.flush().await.ok()?;
        self.site.tell(format!(
            "{} {} {on} {argument} -> {}",
            self.behaviour.host,
            self.client,
            reply.lines().next().unwrap_or_default()
        ));
        if reply.starts_with('4') || reply.starts_with('5') {
            self.errors += 1;
            if self.errors >= MAX_ERRORS {
                let _ = self.stream.write_all(b"421 4.7.0 too many errors\r\n").await;
                return None;
            }
        }
        Some(reply)
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.held.iter().position(|&b| b == b'\n') {
                let line: Vec<u8> = self.held.drain(..=end).collect();
                self.bare_line_feeds = !line.ends_with(b"\r\n");
                return Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned());
            }
            if self.held.len() > MAX_LINE {
                let _ = self.stream.write_all(b"500 5.5.6 line too long\r\n").await;
                return None;
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Option<()> {
        let mut buffer = [0_u8; 16 * 1024];
        let length = timeout(IDLE, self.stream.read(&mut buffer)).await.ok()?.ok().filter(|&n| n > 0)?;
        self.held.extend_from_slice(buffer.get(..length)?);
        Some(())
    }

    async fn command(&mut self, line: &str) -> Option<Next> {
        let (verb, argument) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        let argument = argument.trim();
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => {
                if self.behaviour.helo_only {
                    self.answer("EHLO", argument, "500 5.5.1 command unrecognized").await?;
                } else {
                    let reply = self.capabilities();
                    if self.answer("EHLO", argument, &reply).await?.starts_with('2') {
                        self.helo = Some(argument.to_owned());
                    }
                }
            }
            "HELO" => {
                self.helo = Some(argument.to_owned());
                let reply = format!("250 {}", self.behaviour.host);
                self.answer("HELO", argument, &reply).await?;
            }
            "STARTTLS" => {
                let usual = match (&self.behaviour.tls, self.tls) {
                    (Some(_), false) if self.behaviour.starttls => "220 2.0.0 ready to start TLS",
                    (_, true) => "503 5.5.1 TLS is active",
                    _ => "502 5.5.1 command not implemented",
                };
                if self.answer("STARTTLS", "", usual).await?.starts_with("220") {
                    return Some(Next::Tls);
                }
            }
            "AUTH" => self.auth(argument).await?,
            "MAIL" => self.mail(argument).await?,
            "RCPT" => self.rcpt(argument).await?,
            "DATA" => self.data().await?,
            "RSET" => {
                (self.sender, self.recipients) = (None, Vec::new());
                self.answer("RSET", "", "250 2.0.0 ok").await?;
            }
            "VRFY" | "EXPN" => {
                let known = self.local(argument).is_some();
                let usual = match (self.behaviour.tells, known) {
                    (true, true) => format!("250 2.1.5 <{argument}>"),
                    (true, false) => "550 5.1.1 no such user here".to_owned(),
                    _ => "252 2.1.5 cannot verify, but will take messages".to_owned(),
                };
                self.answer("VRFY", argument, &usual).await?;
            }
            "NOOP" => drop(self.answer("NOOP", "", "250 2.0.0 ok").await?),
            "HELP" => drop(self.answer("HELP", "", "214 2.0.0 see RFC 5321").await?),
            "QUIT" => {
                self.answer("QUIT", "", "221 2.0.0 goodbye").await;
                return Some(Next::End);
            }
            _ => drop(self.answer("UNKNOWN", verb, "500 5.5.2 command unrecognized").await?),
        }
        Some(Next::Go)
    }

    fn capabilities(&self) -> String {
        let mut lines = vec![format!("250-{}", self.behaviour.host)];
        lines.extend(self.behaviour.capabilities.iter().map(|c| format!("250-{c}")));
        if self.behaviour.starttls && !self.tls && self.behaviour.tls.is_some() {
            lines.push("250-STARTTLS".to_owned());
        }
        if !self.behaviour.mechanisms.is_empty() && (self.tls || self.behaviour.auth_before_tls) {
            let separator = if self.behaviour.auth_old_form { "=" } else { " " };
            lines.push(format!("250-AUTH{separator}{}", self.behaviour.mechanisms.join(" ")));
        }
        lines.push("250 ENHANCEDSTATUSCODES".to_owned());
        lines.join("\n")
    }

    async fn auth(&mut self, argument: &str) -> Option<()> {
        let (mechanism, initial) = argument.split_once(' ').unwrap_or((argument, ""));
        let mechanism = mechanism.to_ascii_uppercase();
        let known = self.behaviour.mechanisms.iter().any(|m| *m == mechanism);
        if !known || (!self.tls && !self.behaviour.auth_before_tls) {
            let usual = if self.tls || self.behaviour.tls.is_none() {
                "504 5.5.4 mechanism not supported"
            } else {
                "538 5.7.11 encryption required"
            };
            self.answer("AUTH", &mechanism, usual).await?;
            return Some(());
        }
        let user = match mechanism.as_str() {
            "PLAIN" => {
                let token = if initial.is_empty() { self.ask("").await? } else { initial.to_owned() };
                self.check_plain(&token)
            }
            "LOGIN" => {
                let user = if initial.is_empty() { self.ask("VXNlcm5hbWU6").await? } else { initial.to_owned() };
                let password = self.ask("UGFzc3dvcmQ6").await?;
                let text = |b: &str| STANDARD.decode(b.trim()).ok().and_then(|o| String::from_utf8(o).ok());
                text(&user).zip(text(&password)).and_then(|(user, password)| self.check(&user, &password))
            }
            _ => {
                let challenge = format!("<{}.{}@{}>", self.client.port(), std::process::id(), self.behaviour.host);
                let response = self.ask(&STANDARD.encode(&challenge)).await?;
                let text =
                    STANDARD.decode(response.trim()).ok().and_then(|o| String::from_utf8(o).ok()).unwrap_or_default();
                let (user, digest) = text.rsplit_once(' ').unwrap_or_default();
                let right = self
                    .site
                    .accounts
                    .get(user)
                    .is_some_and(|password| sasl::cram_md5_digest(challenge.as_bytes(), password) == digest);
                right.then(|| user.to_owned())
            }
        };
        let usual = if user.is_some() {
            "235 2.7.0 authentication successful"
        } else {
            "535 5.7.8 authentication credentials invalid"
        };
        if self.answer("AUTH", &mechanism, usual).await?.starts_with("235") {
            self.user = user;
        }
        Some(())
    }

    async fn ask(&mut self, challenge: &str) -> Option<String> {
        self.stream.write_all(format!("334 {challenge}\r\n").as_bytes()).await.ok()?;
        self.stream.flush().await.ok()?;
        self.line().await
    }

    fn check_plain(&self, token: &str) -> Option<String> {
        let octets = STANDARD.decode(token.trim()).ok()?;
        let mut parts = octets.splitn(3, |&b| b == 0).map(|p| String::from_utf8_lossy(p).into_owned());
        let (authzid, user, password) = (parts.next()?, parts.next()?, parts.next()?);
        (authzid.is_empty() || authzid == user).then_some(())?;
        self.check(&user, &password)
    }

    fn check(&self, user: &str, password: &str) -> Option<String> {
        self.site.accounts.get(user).filter(|held| held.expose_secret() == password).map(|_| user.to_owned())
    }

    async fn mail(&mut self, argument: &str) -> Option<()> {
        let submission = self.behaviour.role != Role::Mx;
        let usual = match (self.helo.is_some(), path(argument, "FROM")) {
            (false, _) => "503 5.5.1 say EHLO first".to_owned(),
            (_, None) => "501 5.5.4 syntax: MAIL FROM:<address>".to_owned(),
            (true, Some(_)) if submission && !self.tls && !self.behaviour.lax => {
                "530 5.7.0 Must issue a STARTTLS command first".to_owned()
            }
            (true, Some(sender)) => {
                self.sender = Some(sender);
                self.recipients.clear();
                "250 2.1.0 ok".to_owned()
            }
        };
        if !self.answer("MAIL", argument, &usual).await?.starts_with('2') {
            self.sender = None;
        }
        Some(())
    }

    async fn rcpt(&mut self, argument: &str) -> Option<()> {
        let recipient = path(argument, "TO");
        let usual = match (&self.sender, &recipient) {
            (None, _) => "503 5.5.1 say MAIL first".to_owned(),
            (_, None) => "501 5.5.4 syntax: RCPT TO:<address>".to_owned(),
            (Some(_), Some(_)) if self.recipients.len() >= MAX_RECIPIENTS => "452 4.5.3 too many recipients".to_owned(),
            (Some(_), Some(address)) => self.judge(address),
        };
        if self.answer("RCPT", argument, &usual).await?.starts_with('2') {
            self.recipients.extend(recipient.map(|r| self.local(&r).unwrap_or(r)));
        }
        Some(())
    }

    /// The usual reply to a recipient.
    fn judge(&self, address: &str) -> String {
        let domain = address.rsplit_once('@').map(|(_, d)| d.to_ascii_lowercase());
        if let Some(zone) = &self.listed {
            return format!("554 5.7.1 Service unavailable; Client host [{}] blocked using {zone}", self.client.ip());
        }
        if domain.as_deref() != Some(self.site.domain.as_str()) {
            let may = self.user.is_some() || self.behaviour.relays;
            return if may { "250 2.1.5 ok".to_owned() } else { format!("554 5.7.1 <{address}>: Relay access denied") };
        }
        if self.behaviour.role != Role::Mx && self.user.is_none() && !self.behaviour.lax {
            return "530 5.7.0 authentication required".to_owned();
        }
        match self.local(address) {
            Some(_) => "250 2.1.5 ok".to_owned(),
            None if self.behaviour.catch_all => "250 2.1.5 ok".to_owned(),
            None => format!("550 5.1.1 <{address}>: Recipient address rejected: User unknown"),
        }
    }

    /// The mailbox of a local address or name; postmaster and abuse are the first user's.
    fn local(&self, address: &str) -> Option<String> {
        let lower = address.to_ascii_lowercase();
        let full = if lower.contains('@') { lower } else { format!("{lower}@{}", self.site.domain) };
        let (name, domain) = full.rsplit_once('@')?;
        if domain != self.site.domain {
            return None;
        }
        if ["postmaster", "abuse"].contains(&name) {
            return self.site.accounts.keys().next().cloned();
        }
        self.site.accounts.contains_key(&full).then_some(full)
    }

    async fn data(&mut self) -> Option<()> {
        if self.recipients.is_empty() {
            self.answer("DATA", "", "503 5.5.1 no recipients").await?;
            return Some(());
        }
        if !self.answer("DATA", "", "354 end with <CRLF>.<CRLF>").await?.starts_with('3') {
            return Some(());
        }
        let Some(message) = self.content().await? else {
            self.answer("CONTENT", "", "552 5.3.4 message too big").await?;
            return Some(());
        };
        let recipients = std::mem::take(&mut self.recipients);
        self.sender = None;
        // What a rule refuses or never answers is not queued: only a 250 promises anything.
        let verdict = self.judge_by_rules("CONTENT", &message);
        if !verdict.takes() {
            return self.answer_by(verdict, "CONTENT", "", "250 2.0.0 ok").await.map(drop);
        }
        let date = jiff::Zoned::now().strftime("%a, %d %b %Y %H:%M:%S %z");
        let with = if self.tls { "ESMTPS" } else { "ESMTP" };
        let head = format!(
            "Received: from {} ([{}])\r\n\tby {} with {with};\r\n\t{date}\r\n",
            self.helo.as_deref().unwrap_or("unknown"),
            self.client.ip(),
            self.behaviour.host
        );
        match self.site.store.enqueue(&recipients, [head.as_bytes(), &message].concat()).await {
            Ok(queued) => {
                let usual = format!("250 2.0.0 Ok: queued as {}", queued.id());
                let answered = self.answer_by(verdict, "CONTENT", "", &usual).await;
                if !self.behaviour.loses {
                    self.site.store.deliver_later(queued, self.behaviour.folder, self.behaviour.delivery_delay).await;
                }
                answered.map(drop)
            }
            Err(_) => self.answer_by(verdict, "CONTENT", "", "452 4.3.1 insufficient system storage").await.map(drop),
        }
    }

    /// The message up to its final dot, dots unstuffed; the inner `None` is one that is too big. Only
    /// CRLF, dot, CRLF ends it, unless the client ends its commands in LF alone as well: then nobody can
    /// have smuggled them.
    async fn content(&mut self) -> Option<Option<Vec<u8>>> {
        let lenient = self.bare_line_feeds || self.behaviour.bare_line_feeds_end;
        let ended = |line: &[u8]| line.ends_with(b"\r\n") || (lenient && line.ends_with(b"\n"));
        let mut message = Vec::new();
        let mut too_big = false;
        let mut at_line_start = true;
        // Where the search for the next LF goes on: what has been searched holds none.
        let mut searched = 0;
        let mut read = 0;
        loop {
            while let Some(length) = self.held.get(searched..).and_then(|rest| rest.iter().position(|&b| b == b'\n')) {
                let line = self.held.get(read..=searched + length).unwrap_or_default();
                (read, searched) = (searched + length + 1, searched + length + 1);
                let dot = at_line_start && line.first() == Some(&b'.');
                if dot && matches!(line, b".\r\n" | b".\n") && ended(line) {
                    self.held.drain(..read);
                    return Some((!too_big).then_some(message));
                }
                at_line_start = ended(line);
                too_big |= message.len() + line.len() > MAX_MESSAGE;
                if !too_big {
                    message.extend_from_slice(line.get(usize::from(dot)..).unwrap_or_default());
                }
            }
            self.held.drain(..read);
            (read, searched) = (0, self.held.len());
            if self.held.len() > MAX_MESSAGE {
                return None;
            }
            self.fill().await?;
        }
    }
}

/// The address of `FROM:<a@b>`, with or without blanks, as people type it.
fn path(argument: &str, keyword: &str) -> Option<String> {
    let (head, rest) = argument.split_once(':')?;
    if !head.trim().eq_ignore_ascii_case(keyword) {
        return None;
    }
    let rest = rest.trim();
    match rest.strip_prefix('<') {
        Some(inner) => inner.split_once('>').map(|(address, _)| address.trim().to_owned()),
        None => rest.split_whitespace().next().map(str::to_owned),
    }
}

/// The octets of a reply whose lines are separated by LF; lines without a code get that of the first.
fn wire(reply: &str) -> Vec<u8> {
    reply.split('\n').flat_map(|line| [line.as_bytes(), b"\r\n"].concat()).collect()
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn what_people_type_by_hand() {
        assert_eq!(path("from: <anna@lab.example>", "FROM").as_deref(), Some("anna@lab.example"));
        assert_eq!(path("FROM:<> SIZE=10", "FROM").as_deref(), Some(""));
        assert_eq!(path("to: bert@lab.example", "TO").as_deref(), Some("bert@lab.example"));
        assert_eq!(path("<bert@lab.example>", "TO"), None);
    }
}
