//! Opening an SMTP session: connect, banner, EHLO, STARTTLS, EHLO again. The first visit to a service
//! writes every step down; later visits (one for each AUTH try, one for each message) only use them.

use std::net::SocketAddr;
use std::time::Duration;

use futures::future::join;
use maildoctor_wire::dialogue::{Command, End, Exchange, Phase};
use maildoctor_wire::ehlo::Capabilities;
use maildoctor_wire::wording::{Meaning, meaning};

use super::Context;
use super::talk::Talk;
use super::tls;
use crate::case::Question;
use crate::questions::smtp::{
    BannerWire, Channel, Ehlo, Errand, FIRST, FRESH, FRESH_AGAIN, Helo, Injection, InjectionWire, Quit, Rset, SECOND,
    Starttls, StepWire, Visited, VisitedWire,
};
use crate::questions::tcp::{Connect, ConnectWire, Opened, Role};
use crate::questions::tls::{Handshake, Shaken, SmallSegments, SmallSegmentsWire, TlsView};
use crate::subject::Service;
use crate::vantage::{Connection, SMALL_SEGMENT};

/// How long a port that is not known to be in use may keep us.
pub const UNEXPECTED_LIMIT: Duration = Duration::from_secs(5);

/// From this wait on a banner is tried a second time.
pub const SECOND_VISIT_FROM: Duration = Duration::from_secs(3);

/// What a server has in its cache comes within this time, however far away it is.
const FROM_A_CACHE: Duration = Duration::from_millis(400);

/// How long a banner may be waited for once more, after it came after `first`: long enough for what is kept in a cache, and so
/// short that the run takes less than a tenth longer than the wait, with all that comes after it.
pub fn once_more(context: &Context, first: Duration) -> Duration {
    context.limit().min((first / 16).max(FROM_A_CACHE))
}

/// How long the others of our connections to a server are waited for, where it says that there are too many.
const CROWD_PATIENCE: Duration = Duration::from_secs(5);

/// How long a server may take to notice that a connection of ours has ended.
const CROWD_SETTLES: Duration = Duration::from_millis(500);

/// How long the probes that look behind a failure may take.
const LOOK_BEHIND: Duration = Duration::from_secs(8);

/// One way to a server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Way {
    /// Address and port.
    pub service: SocketAddr,
    /// The name by which we came there.
    pub host: Option<String>,
    /// What the service is for.
    pub role: Role,
    /// Whether it is expected to be open.
    pub expected: bool,
}

impl Way {
    fn on(&self) -> Service {
        Service(self.service)
    }

    fn name(&self) -> String {
        self.host.clone().unwrap_or_else(|| self.service.ip().to_string())
    }
}

/// A session that greeted and took EHLO or HELO.
pub struct Session {
    /// The dialogue.
    pub talk: Talk,
    /// What it is for.
    pub errand: Errand,
    /// Before TLS or under it.
    pub channel: Channel,
    /// TLS stands, and a client that verifies would go on.
    pub verified: bool,
    /// What the server said it can do last.
    pub capabilities: Option<Capabilities>,
    /// MAIL was accepted, and nothing ended its transaction yet.
    pub in_transaction: bool,
}

impl Session {
    /// Ends the transaction before, where there is one; `None` where the session does not live on.
    pub async fn fresh(&mut self, context: &Context, way: &Way) -> Option<()> {
        if std::mem::take(&mut self.in_transaction) {
            let (said, times) = context.timed(self.talk.say(&Command::Rset, context.limit())).await;
            let wire = StepWire { argument: None, exchange: said.ok()? };
            context.record(&Rset { errand: self.errand }, &way.on(), times, &wire);
        }
        (!self.talk.dialogue().is_over()).then_some(())
    }

    /// Whether the server lists a mechanism for AUTH.
    pub fn offers_auth(&self) -> bool {
        self.capabilities.as_ref().is_some_and(|c| !c.mechanisms().is_empty())
    }

    /// Says goodbye.
    pub async fn leave(self, context: &Context, way: &Way) {
        leave(context, way, self.errand, self.talk).await;
    }
}

async fn leave(context: &Context, way: &Way, errand: Errand, talk: Talk) {
    if let (Some(exchange), times) = context.timed(talk.quit()).await {
        context.record(&Quit { errand }, &way.on(), times, &StepWire { argument: None, exchange });
    }
}

/// What a visit came to.
pub struct Visit {
    /// The session, where there is one to go on with.
    pub session: Option<Session>,
    /// The server offers STARTTLS, and TLS did not come about.
    pub tls_failed: bool,
}

/// A server that was reached and listened to; nothing was said yet.
pub struct Arrived<'a> {
    pen: Pen<'a>,
    /// The dialogue; `None` where TLS had to come first and did not, or the server wanted no more connections.
    talk: Option<Talk>,
    verified: bool,
    helo: String,
    /// The server greeted.
    pub greeted: bool,
    /// It turned us away as too many, or for no reason that shows: alone we may be let in.
    crowded: bool,
    /// How long the banner took.
    pub banner: Duration,
    /// The name that the server greeted with.
    pub greets_as: Option<String>,
}

/// Writes every step down on the first look, and of later visits what they are made for.
struct Pen<'a> {
    context: &'a Context,
    way: &'a Way,
    errand: Errand,
    /// How long the banner is waited for, at most.
    patience: Duration,
}

impl Pen<'_> {
    fn writes(&self) -> bool {
        self.errand == Errand::Look
    }

    fn note<Q: Question<On = Service>>(&self, question: &Q, times: (Duration, Duration), wire: &Q::Wire) {
        if self.writes() {
            self.context.record(question, &self.way.on(), times, wire);
        }
    }
}

/// Opens the connection and writes down what came of it.
async fn connect(pen: &Pen<'_>) -> Option<Connection> {
    let Pen { context, way, .. } = pen;
    let limit = if way.expected { context.limit() } else { context.limit().min(UNEXPECTED_LIMIT) };
    let _step = context.recorder.step(format!("connection to {} port {}", way.name(), way.service.port()));
    let dial = async {
        match pen.errand {
            Errand::Small | Errand::SmallPackets => context.vantage.connect_in_small_segments(way.service, limit).await,
            _ => Some(context.vantage.connect(way.service, limit).await),
        }
    };
    let (result, times) = context.timed(dial).await;
    let (opened, connection) = match result? {
        Ok(connection) => (Opened::Open { local: connection.local }, Some(connection)),
        Err(opened) => (opened, None),
    };
    let wire = ConnectWire { role: way.role, host: way.host.clone(), ipv6: way.service.is_ipv6(), opened };
    pen.note(&Connect, times, &wire);
    connection
}

/// Opens a connection and nothing more, written down: for ports that are only asked whether they live.
pub async fn knock(context: &Context, way: &Way) -> bool {
    connect(&Pen { context, way, errand: Errand::Look, patience: context.limit() }).await.is_some()
}

/// Waits for the banner once more, from an address of this place that the server has not seen, where there is one: for
/// a client that it knows, a server may leave out what strangers wait for. Where the stranger waits, a second time.
pub async fn as_a_stranger(context: &Context, way: &Way) {
    let Some(source) = context.vantage.fresh_source(way.service) else { return };
    let mut patience = context.limit();
    for question in [FRESH, FRESH_AGAIN] {
        let limit = context.limit().min(UNEXPECTED_LIMIT);
        let Ok(connection) = context.vantage.connect_from(source, way.service, limit).await else { return };
        let _step = context.recorder.step(format!("banner of {} for {source}", way.name()));
        let mut talk = Talk::new(connection);
        let (heard, times) = context.timed(talk.hear(patience)).await;
        let Some(exchange) = heard.or_else(|| talk.give_up()) else { return };
        let slow = exchange.whole().is_some() && times.1 >= SECOND_VISIT_FROM;
        let wire = BannerWire { exchange, early: None, answers_tls: false, source: Some(source) };
        context.record(&question, &way.on(), times, &wire);
        leave(context, way, Errand::Fresh, talk).await;
        if !slow {
            return;
        }
        patience = once_more(context, times.1);
    }
}

/// The first visit, every step written down, under TLS where that can be had.
pub async fn first_visit(context: &Context, way: &Way) -> Visit {
    match arrive(context, way, Errand::Look).await {
        Some(arrived) => Box::pin(arrived.introduce(true)).await,
        None => Visit { session: None, tls_failed: false },
    }
}

/// A later visit, written down as a whole; `tls` says whether STARTTLS is used where it is offered.
pub async fn later_visit(context: &Context, way: &Way, errand: Errand, tls: bool) -> Option<Session> {
    // On the heap: visits are made from many places, and each would have room for the whole of one.
    let visit = Box::pin(async { arrive(context, way, errand).await?.introduce(tls).await.session });
    let (session, times) = context.timed(visit).await;
    context.record(&Visited { errand }, &way.on(), times, &VisitedWire { ready: session.is_some() });
    session
}

/// Connects, and waits for the banner; `None` where nothing is open.
pub async fn arrive<'a>(context: &'a Context, way: &'a Way, errand: Errand) -> Option<Arrived<'a>> {
    arrive_within(context, way, errand, context.limit()).await
}

/// The same, with a bound of its own on the wait for the banner.
pub async fn arrive_within<'a>(
    context: &'a Context,
    way: &'a Way,
    errand: Errand,
    patience: Duration,
) -> Option<Arrived<'a>> {
    let pen = || Pen { context, way, errand, patience };
    let connection = connect(&pen()).await?;
    let mut arrived = Box::pin(listen(pen(), connection)).await;
    if arrived.crowded {
        // The server may count our other connections.
        arrived.talk = None;
        let limit = CROWD_PATIENCE.min(context.left());
        let settles = CROWD_SETTLES.min(limit);
        if let Some(Ok(connection)) = context.vantage.connect_alone(way.service, limit, settles).await {
            arrived = Box::pin(listen(pen(), connection)).await;
        }
    }
    Some(arrived)
}

/// Waits for what the server says first, under TLS where that comes first.
async fn listen(pen: Pen<'_>, connection: Connection) -> Arrived<'_> {
    let Pen { context, way, .. } = pen;
    let mut talk = Talk::new(connection);
    let mut verified = false;
    if way.role.implicit_tls() {
        (talk, verified) = match handshake(&pen, talk).await {
            Ok(stands) => stands,
            Err(shaken) => return Arrived::without_tls(pen, shaken),
        };
    }
    // Our name is looked up while the banner is waited for.
    let source = talk.local();
    let (banner, helo) = join(banner(&pen, &mut talk), context.helo(source)).await;
    let greets_as = banner.whole().and_then(maildoctor_wire::banner::Banner::of).and_then(|b| b.host);
    let greeted = banner.whole().is_some_and(|r| r.code == 220);
    let too_many = |m| matches!(m, Meaning::RateLimited | Meaning::Overloaded);
    let crowded = banner.whole().and_then(|reply| meaning(Phase::Banner, reply)).is_some_and(too_many);
    let banner = Duration::from_millis(banner.wait_ms());
    Arrived { pen, talk: Some(talk), verified, helo, greeted, crowded, banner, greets_as }
}

impl<'a> Arrived<'a> {
    /// TLS had to come first and did not. A server that turns clients away does so in plain text, and to whoever comes
    /// then it may show a healthy handshake.
    fn without_tls(pen: Pen<'a>, shaken: Option<Shaken>) -> Self {
        let crowded = match shaken {
            Some(Shaken::PlainText { said }) => said.starts_with('4'),
            Some(Shaken::Failed { .. }) => pen.writes(),
            _ => false,
        };
        let (helo, banner, greets_as) = (String::new(), Duration::ZERO, None);
        Self { pen, talk: None, verified: false, helo, greeted: false, crowded, banner, greets_as }
    }

    /// EHLO, and STARTTLS where it is wanted and offered.
    pub async fn introduce(self, tls: bool) -> Visit {
        let Self { pen, talk, verified, helo, greeted, .. } = self;
        let Pen { context, way, errand, .. } = pen;
        let implicit = way.role.implicit_tls();
        let Some(mut talk) = talk else {
            return Visit { session: None, tls_failed: implicit };
        };
        let channel = if implicit { Channel::Tls } else { Channel::Plain };
        let capabilities = if greeted { hello(&pen, &mut talk, &helo, channel).await } else { None };
        let Some(capabilities) = capabilities else {
            leave(context, way, errand, talk).await;
            return Visit { session: None, tls_failed: false };
        };
        let offered = capabilities.as_ref().is_some_and(|c| c.offers("STARTTLS"));
        if !tls || !offered || implicit {
            let session = Session { talk, errand, channel, verified, capabilities, in_transaction: false };
            return Visit { session: Some(session), tls_failed: false };
        }
        let at = context.recorder.now();
        let Ok(exchange) = talk.say(&Command::Starttls, context.limit()).await else {
            return Visit { session: None, tls_failed: false };
        };
        let go = exchange.whole().is_some_and(|r| r.code == 220);
        pen.note(&Starttls, (at, context.recorder.now() - at), &StepWire { argument: None, exchange });
        if !go {
            let alive = !talk.dialogue().is_over();
            let session = Session { talk, errand, channel, verified, capabilities, in_transaction: false };
            return Visit { session: alive.then_some(session), tls_failed: true };
        }
        let Ok((mut talk, verified)) = handshake(&pen, talk).await else {
            return Visit { session: None, tls_failed: true };
        };
        let spoken = hello(&pen, &mut talk, &helo, Channel::Tls).await;
        let session = spoken.map(|capabilities| Session {
            talk,
            errand,
            channel: Channel::Tls,
            verified,
            capabilities,
            in_transaction: false,
        });
        Visit { session, tls_failed: false }
    }

    /// Says goodbye without having said more.
    pub async fn leave(self) {
        if let Some(talk) = self.talk {
            leave(self.pen.context, self.pen.way, self.pen.errand, talk).await;
        }
    }
}

/// The banner; a silent port is listened to until the end of the run, while another connection asks
/// whether it wants TLS at once.
async fn banner(pen: &Pen<'_>, talk: &mut Talk) -> Exchange {
    let context = pen.context;
    let _step = context.recorder.step(format!("banner of {} port {}", pen.way.name(), pen.way.service.port()));
    let at = context.recorder.now();
    let mut answers_tls = false;
    let mut heard = talk.hear(pen.patience).await;
    if heard.is_none() && pen.writes() && !pen.way.role.implicit_tls() {
        let (again, tls) = join(talk.hear(context.left()), wants_tls(context, pen.way)).await;
        (heard, answers_tls) = (again, tls);
    }
    let exchange = heard.or_else(|| talk.give_up()).unwrap_or_else(|| silent(pen.patience));
    // Early talk: what comes on its own behind a whole banner.
    let early = talk.dialogue().early();
    let early = (!early.is_empty()).then(|| maildoctor_wire::octets::escape(early));
    let took = context.recorder.now() - at;
    let question = match pen.errand {
        Errand::Look => Some(FIRST),
        Errand::Again => Some(SECOND),
        _ => None,
    };
    if let Some(question) = question {
        let wire = BannerWire { exchange: exchange.clone(), early, answers_tls, source: None };
        context.record(&question, &pen.way.on(), (at, took), &wire);
    }
    exchange
}

fn silent(waited: Duration) -> Exchange {
    let done_ms = crate::case::millis(waited);
    Exchange {
        phase: Phase::Banner,
        command: None,
        sent_ms: 0,
        first_octet_ms: None,
        done_ms,
        reply: None,
        end: End::TimedOut,
    }
}

async fn wants_tls(context: &Context, way: &Way) -> bool {
    let Ok(connection) = context.vantage.connect(way.service, context.left().min(LOOK_BEHIND)).await else {
        return false;
    };
    let answer = tls::own_hello(connection, way.host.as_deref(), context.left().min(LOOK_BEHIND)).await;
    matches!(
        answer,
        Some(
            maildoctor_wire::hello::HelloAnswer::ServerHello { .. } | maildoctor_wire::hello::HelloAnswer::Alert { .. }
        )
    )
}

/// EHLO, and HELO where EHLO is refused. `None` where neither was accepted; the inner `None` is a server
/// that only knows HELO.
async fn hello(pen: &Pen<'_>, talk: &mut Talk, helo: &str, channel: Channel) -> Option<Option<Capabilities>> {
    let context = pen.context;
    let _step = context.recorder.step(format!("EHLO reply of {}", pen.way.name()));
    let at = context.recorder.now();
    let exchange = talk.say(&Command::Ehlo(helo), context.limit()).await.ok()?;
    let accepted = exchange.whole().is_some_and(|r| r.code == 250);
    let refused = exchange.whole().is_some_and(|r| r.class() == 5);
    pen.note(
        &Ehlo { channel },
        (at, context.recorder.now() - at),
        &StepWire { argument: Some(helo.to_owned()), exchange },
    );
    if accepted {
        return Some(talk.dialogue().capabilities().cloned());
    }
    if !refused {
        return None;
    }
    let at = context.recorder.now();
    let exchange = talk.say(&Command::Helo(helo), context.limit()).await.ok()?;
    let accepted = exchange.whole().is_some_and(|r| r.code == 250);
    pen.note(&Helo, (at, context.recorder.now() - at), &StepWire { argument: Some(helo.to_owned()), exchange });
    accepted.then_some(None)
}

/// Shakes hands on the talk's stream; where that fails, our own hello looks behind it on another
/// connection. Gives the talk under TLS and whether a client that verifies would go on, or what came of it instead.
async fn handshake(pen: &Pen<'_>, talk: Talk) -> Result<(Talk, bool), Option<Shaken>> {
    let context = pen.context;
    let way = pen.way;
    let _step = context.recorder.step(format!("TLS handshake with {}", way.name()));
    let name = way.host.clone().or_else(|| Some(way.service.ip().to_string()));
    let at = context.recorder.now();
    let limit = if pen.errand == Errand::Small { context.limit().min(LOOK_BEHIND) } else { context.limit() };
    let mut wire = None;
    let wrapped = talk
        .wrap(async |plain| {
            let (seen, stream) = tls::shake(&context.trusted, plain, name.as_deref(), limit).await;
            wire = Some(seen);
            stream.ok_or(())
        })
        .await;
    let took = context.recorder.now() - at;
    let mut wire = wire.ok_or(None)?;
    if let (Shaken::Failed { error, ended, .. }, true) = (&wire.shaken, pen.writes()) {
        let answer = look_behind(context, way, name.as_deref()).await;
        wire.shaken = match answer {
            Some(maildoctor_wire::hello::HelloAnswer::NotTls { octets }) if way.role.implicit_tls() => {
                Shaken::PlainText { said: octets }
            }
            hello => Shaken::Failed { error: error.clone(), ended: *ended, hello },
        };
    }
    pen.note(&Handshake, (at, took), &wire);
    match wire.shaken {
        Shaken::Stalled { .. } if pen.writes() => in_small_segments(context, way).await,
        _ if pen.errand == Errand::Small => {
            let done = matches!(wire.shaken, Shaken::Done { .. });
            let wire = SmallSegmentsWire { segment: SMALL_SEGMENT, done };
            context.record(&SmallSegments, &way.on(), (at, took), &wire);
        }
        _ => {}
    }
    let shaken = wire.shaken.clone();
    let view = <Handshake as Question>::read(wire);
    let good = view.is_some_and(|v: TlsView| v.verified(jiff::Timestamp::now()));
    wrapped.map(|(talk, _)| (talk, good)).map_err(|_| Some(shaken))
}

async fn look_behind(context: &Context, way: &Way, name: Option<&str>) -> Option<maildoctor_wire::hello::HelloAnswer> {
    let limit = context.left().min(LOOK_BEHIND);
    if way.role.implicit_tls() {
        let connection = context.vantage.connect(way.service, limit).await.ok()?;
        return tls::own_hello(connection, name, limit).await;
    }
    let mut talk = ready_for_tls(context, way).await?;
    let octets = maildoctor_wire::hello::client_hello(maildoctor_wire::hello::Version::Tls12, [0x5a; 32], name);
    talk.send_raw(&octets).await.ok()?;
    let heard = talk.read_raw(limit, maildoctor_wire::hello::has_told_all).await;
    maildoctor_wire::hello::read_answer(&heard)
}

/// A handshake that stalled once more, in small segments: where it comes about then, large packets are lost on the way.
async fn in_small_segments(context: &Context, way: &Way) {
    // Boxed: this visit ends in a handshake as well, which writes down what came of it.
    if let Some(session) = Box::pin(later_visit(context, way, Errand::Small, true)).await {
        session.leave(context, way).await;
    }
}

/// A fresh dialogue up to the 220 after STARTTLS.
async fn ready_for_tls(context: &Context, way: &Way) -> Option<Talk> {
    // Boxed: a visit may end in a handshake that fails, and this is what looks behind that.
    let mut session = Box::pin(later_visit(context, way, Errand::Behind, false)).await?;
    let exchange = session.talk.say(&Command::Starttls, context.limit()).await.ok()?;
    exchange.whole().filter(|r| r.code == 220)?;
    Some(session.talk)
}

/// Sends a NOOP in the same packet as STARTTLS, and looks whether it is answered under TLS. Where the server was
/// reached for this, and nothing was said yet.
pub async fn injection(arrived: Arrived<'_>) {
    let Pen { context, way, .. } = arrived.pen;
    let at = context.recorder.now();
    let Some(mut session) = arrived.introduce(false).await.session else {
        return;
    };
    if session.talk.send_raw(b"STARTTLS\r\nNOOP\r\n").await.is_err() {
        return;
    }
    let ready = session.talk.read_raw(context.limit().min(LOOK_BEHIND), |o| o.ends_with(b"\n")).await;
    if !ready.starts_with(b"220") {
        session.leave(context, way).await;
        return;
    }
    // A reply to the NOOP in the clear is honest: it is the one under TLS that counts.
    let name = way.host.clone();
    let limit = context.limit().min(LOOK_BEHIND);
    let wrapped = session
        .talk
        .wrap(async |plain| tls::shake(&context.trusted, plain, name.as_deref(), limit).await.1.ok_or(()))
        .await;
    let mut wire = InjectionWire { tls: wrapped.is_ok(), answered: None };
    if let Ok((mut talk, _)) = wrapped {
        // An honest server has one thing to answer under TLS: QUIT. A reply before its 221 is the NOOP's.
        if talk.send_raw(b"QUIT\r\n").await.is_ok() {
            let heard = talk.read_raw(context.limit().min(LOOK_BEHIND), |o| o.windows(4).any(|w| w == b"221 ")).await;
            wire.answered = (heard.starts_with(b"250")).then(|| maildoctor_wire::octets::escape(&heard));
        }
    }
    context.record(&Injection, &way.on(), (at, context.recorder.now() - at), &wire);
}
