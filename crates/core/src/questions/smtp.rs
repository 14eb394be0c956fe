//! Questions to an SMTP server: each keeps the exchange as it was on the wire.

use maildoctor_wire::banner::Banner as BannerText;
use maildoctor_wire::dialogue::Exchange;
use maildoctor_wire::ehlo::Capabilities;
use maildoctor_wire::reply::Reply;
use maildoctor_wire::software::{Place, Recognised, recognise};
use maildoctor_wire::wording::{Meaning, meaning};
use serde::{Deserialize, Serialize};

use super::tcp::{Connect, Role};
use super::tls::Handshake;
use crate::case::{Case, Graph, Observation, Question, Seen, Why};
use crate::subject::{Account, Service, VantageId};

/// Before TLS or under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// Plain text.
    Plain,
    /// Under TLS, by STARTTLS or from the start.
    Tls,
}

/// Which envelope sender was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sender {
    /// The null sender, `<>`.
    Null,
    /// The sender of `--mail-from`, or the user's own address.
    Given,
}

/// Which recipient was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Recipient {
    /// The address under test.
    Target,
    /// postmaster of the domain.
    Postmaster,
    /// A mailbox that cannot exist.
    Random,
    /// An outside address: the relay test.
    Relay,
}

/// What AUTH was tried with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Credentials {
    /// The user name and password given.
    Given,
    /// The token of `--auth-token-file`, unchanged.
    Token,
    /// Wrong on purpose (`--probe-auth`).
    Wrong,
}

/// `smtp.banner/1`: the greeting, waited for with nothing sent. The second visit comes after the first
/// and shows what a cache makes of it; the third and the fourth are the same from an address that the server has not
/// seen before; the fifth by XCLIENT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Banner {
    /// 1 to 5.
    pub visit: u8,
}

/// The first banner of a service.
pub const FIRST: Banner = Banner { visit: 1 };

/// The banner once more.
pub const SECOND: Banner = Banner { visit: 2 };

/// The banner as a stranger gets it: from another address of the same place.
pub const FRESH: Banner = Banner { visit: 3 };

/// Once more from that address, where the first time was slow.
pub const FRESH_AGAIN: Banner = Banner { visit: 4 };

/// The wire facts of a banner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BannerWire {
    /// The wait and the reply.
    #[serde(flatten)]
    pub exchange: Exchange,
    /// What came behind the banner unasked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early: Option<String>,
    /// On a silent port: a ClientHello was answered by TLS, so the port wants TLS at once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub answers_tls: bool,
    /// The address that we came from, where it is not our usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<std::net::IpAddr>,
}

/// `smtp.ehlo/1`: what the server says it can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ehlo {
    /// Before TLS or under it.
    pub channel: Channel,
}

/// `smtp.helo/1`: HELO, tried where EHLO was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Helo;

/// `smtp.starttls/1`: the reply to STARTTLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Starttls;

/// `smtp.injection/1`: a NOOP pipelined behind STARTTLS, and whether it was answered under TLS
/// (CVE-2011-0411).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Injection;

/// What became of the pipelined command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InjectionWire {
    /// TLS was set up.
    pub tls: bool,
    /// A reply came under TLS before anything was sent there.
    pub answered: Option<String>,
}

/// `smtp.auth/1`: one AUTH exchange, on a connection of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Auth {
    /// With what.
    pub with: Credentials,
    /// 1, or 2 for the one try with another mechanism.
    pub attempt: u8,
}

/// The wire facts of an AUTH exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthWire {
    /// The mechanism.
    pub mechanism: String,
    /// The user name.
    pub user: String,
    /// Under TLS, verified or not, or in the clear.
    pub channel: Channel,
    /// Each command (secrets left out) and reply.
    pub exchanges: Vec<Exchange>,
    /// Why the mechanism itself could not go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// `smtp.mail/1`: MAIL FROM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// The sender.
    pub sender: Sender,
    /// Before TLS or under it.
    pub channel: Channel,
    /// After a successful AUTH.
    pub authenticated: bool,
}

/// `smtp.rcpt/1`: RCPT TO, never followed by DATA here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rcpt {
    /// The recipient.
    pub recipient: Recipient,
    /// The sender of the transaction.
    pub sender: Sender,
    /// After a successful AUTH.
    pub authenticated: bool,
}

/// `smtp.vrfy/1`: VRFY of a mailbox that cannot exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vrfy;

/// What a connection is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Errand {
    /// The first look, and what goes on in its session: the envelope of a stranger, or the account.
    Look,
    /// The banner once more, for the first was slow; and then as `Injection`.
    Again,
    /// A command pipelined behind STARTTLS.
    Injection,
    /// A session without TLS where the one under TLS did not come about.
    WithoutTls,
    /// MAIL on a submission port before TLS.
    BeforeTls,
    /// AUTH once more.
    Auth,
    /// Another sender, where the server ended the session at the null sender.
    Sender,
    /// A test message.
    Message,
    /// What is behind a handshake that failed.
    Behind,
    /// Once more in small segments, where a handshake stalled.
    Small,
    /// Commands that fill a packet, where a message got no answer.
    LargePacket,
    /// The same in small segments.
    SmallPackets,
    /// The banner once more, from an address that the server has not seen.
    Fresh,
    /// The same, from an address that the server is told.
    Xclient,
}

/// `smtp.visit/1`: a later visit from the connection up to a session that is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visited {
    /// What it is for.
    pub errand: Errand,
}

/// What a later visit came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisitedWire {
    /// There is a session.
    pub ready: bool,
}

/// `smtp.rset/1`: RSET between two transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rset {
    /// What the session is for.
    pub errand: Errand,
}

/// `smtp.quit/1`: QUIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quit {
    /// What the session is for.
    pub errand: Errand,
}

/// By which path a test message was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Path {
    /// To the mail exchanger, as a stranger.
    Mx,
    /// By submission, as the user.
    Submission,
    /// By an outside provider.
    Outside,
}

/// `smtp.message/1`: a test message, from DATA to the reply after the final dot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The path.
    pub path: Path,
}

/// The wire facts of a test message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageWire {
    /// The mark by which it is found again.
    pub mark: String,
    /// MAIL, RCPT, DATA and the content, as far as it came.
    pub exchanges: Vec<Exchange>,
    /// The queue id of the final reply.
    pub queue_id: Option<String>,
}

impl MessageWire {
    /// The exchange that ended it: the first that failed, or the final one.
    pub fn last(&self) -> Option<&Exchange> {
        self.exchanges.last()
    }

    /// Whether the server took the message.
    pub fn accepted(&self) -> bool {
        use maildoctor_wire::dialogue::Phase;
        self.last().is_some_and(|e| e.phase == Phase::Content && e.whole().is_some_and(Reply::is_positive))
    }
}

/// One exchange and nothing else: the wire facts of most steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepWire {
    /// The path of MAIL, RCPT or VRFY, or our own name in EHLO.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argument: Option<String>,
    /// The exchange.
    #[serde(flatten)]
    pub exchange: Exchange,
}

/// A step as it reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepView {
    /// The argument.
    pub argument: String,
    /// The exchange.
    pub exchange: Exchange,
    /// What a negative reply means.
    pub meaning: Option<Meaning>,
    /// The capabilities of a whole 250 reply to EHLO.
    pub capabilities: Option<Capabilities>,
}

impl StepView {
    pub(super) fn of(wire: StepWire) -> Self {
        use maildoctor_wire::dialogue::Phase;
        let whole = wire.exchange.whole();
        Self {
            argument: wire.argument.unwrap_or_default(),
            meaning: whole.and_then(|reply| meaning(wire.exchange.phase, reply)),
            capabilities: whole.filter(|_| wire.exchange.phase == Phase::Ehlo).and_then(Capabilities::of),
            exchange: wire.exchange,
        }
    }

    /// The whole reply, where one came.
    pub fn reply(&self) -> Option<&Reply> {
        self.exchange.whole()
    }

    /// `Some` where the reply was 2xx or 3xx.
    pub fn accepted(&self) -> Option<()> {
        self.reply().filter(|r| r.is_positive()).map(|_| ())
    }
}

/// A banner as it reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BannerView {
    /// The wire facts.
    pub wire: BannerWire,
    /// What a whole 220 says.
    pub banner: Option<BannerText>,
}

impl BannerView {
    /// The whole reply, whatever its code.
    pub fn reply(&self) -> Option<&Reply> {
        self.wire.exchange.whole()
    }

    /// `Some` where the server greeted with a whole 220.
    pub fn greeted(&self) -> Option<&BannerText> {
        self.banner.as_ref()
    }
}

/// The connection of the service stands.
fn needs_open(case: &Case, on: &Service, from: &VantageId) -> Result<(), Why> {
    case.ask(&Connect, on, from)?.need(|c| c.open())
}

fn role(case: &Case, on: &Service, from: &VantageId) -> Option<Role> {
    case.ask(&Connect, on, from).ok().map(|c| c.role)
}

/// The server greeted, under TLS where TLS comes first.
fn needs_greeting(case: &Case, on: &Service, from: &VantageId) -> Result<(), Why> {
    needs_open(case, on, from)?;
    case.ask(&FIRST, on, from)?.need(|b| b.greeted()).map(|_| ())
}

/// TLS stands.
fn needs_tls(case: &Case, on: &Service, from: &VantageId) -> Result<(), Why> {
    needs_open(case, on, from)?;
    if role(case, on, from).is_some_and(Role::implicit_tls) {
        return case.ask(&Handshake, on, from)?.need(|h| h.done()).map(|_| ());
    }
    let plain = case.ask(&Ehlo { channel: Channel::Plain }, on, from)?;
    plain.need(|e| e.capabilities.as_ref().filter(|c| c.offers("STARTTLS")))?;
    case.ask(&Handshake, on, from)?.need(|h| h.done()).map(|_| ())
}

/// EHLO or HELO was accepted, in either channel.
fn needs_session(case: &Case, on: &Service, from: &VantageId) -> Result<(), Why> {
    needs_greeting(case, on, from)?;
    session(case, on, from)
}

fn session(case: &Case, on: &Service, from: &VantageId) -> Result<(), Why> {
    let spoken = |channel| case.ask(&Ehlo { channel }, on, from).and_then(|e| e.need(|e| e.accepted()));
    spoken(Channel::Tls).or_else(|_| spoken(Channel::Plain)).or_else(|why| {
        let helo = case.ask(&Helo, on, from).and_then(|e| e.need(|e| e.accepted()));
        helo.map_err(|_| why)
    })
}

/// Whether a service greets and takes EHLO or HELO: it works as a way in, as far as can be told
/// without an envelope.
pub fn greeted(case: &Case, on: &Service, from: &VantageId) -> bool {
    needs_session(case, on, from).is_ok()
}

/// The capabilities as clients see them: under TLS where it can be had, in the clear only where STARTTLS is
/// not offered. What a server lists before TLS says nothing about what it lists under it.
///
/// # Errors
/// Why no EHLO reply that counts is known whole.
pub fn capabilities<'c>(
    case: &'c Case,
    on: &Service,
    from: &VantageId,
) -> Result<(Seen<'c, StepView>, &'c Capabilities), Why> {
    let at = |channel| {
        let seen = case.ask(&Ehlo { channel }, on, from)?;
        let capabilities = seen.need(|e| e.capabilities.as_ref())?;
        Ok((seen, capabilities))
    };
    let under_tls: Result<_, Why> = at(Channel::Tls);
    match (under_tls, at(Channel::Plain)) {
        (Ok(under_tls), _) => Ok(under_tls),
        (Err(_), Ok((seen, plain))) if !plain.offers("STARTTLS") => Ok((seen, plain)),
        (Err(why), _) => Err(why),
    }
}

/// Which server it is, by all that it said.
pub fn software(case: &Case, on: &Service) -> Option<Recognised> {
    let mut replies: Vec<(Place, Reply)> = Vec::new();
    let subject = crate::subject::Subject::from(*on);
    for seen in case.every::<Banner>().filter(|s| s.observation().subject == subject) {
        replies.extend(seen.reply().cloned().map(|r| (Place::Banner, r)));
    }
    for seen in case.every::<Ehlo>().filter(|s| s.observation().subject == subject) {
        replies.extend(seen.reply().cloned().map(|r| (Place::Ehlo, r)));
    }
    for seen in case.every::<Rcpt>().filter(|s| s.observation().subject == subject) {
        replies.extend(seen.reply().cloned().map(|r| (Place::Reply, r)));
    }
    for seen in case.every::<Message>().filter(|s| s.observation().subject == subject) {
        replies.extend(seen.exchanges.iter().filter_map(|e| e.whole().cloned()).map(|r| (Place::Reply, r)));
    }
    recognise(replies.iter().map(|(place, reply)| (*place, reply)))
}

macro_rules! step {
    ($question:ident, $probe:literal, $needs:expr) => {
        impl Question for $question {
            const PROBE: &'static str = $probe;
            type On = Service;
            type Wire = StepWire;
            type View = StepView;

            fn read(wire: StepWire) -> Option<StepView> {
                Some(StepView::of(wire))
            }

            fn needs(&self, case: &Case, on: &Service, from: &VantageId) -> Result<(), Why> {
                let needs: fn(&$question, &Case, &Service, &VantageId) -> Result<(), Why> = $needs;
                needs(self, case, on, from)
            }
        }
    };
}
pub(super) use step;

step!(Ehlo, "smtp.ehlo/1", |question, case, on, from| match question.channel {
    Channel::Plain => needs_greeting(case, on, from),
    Channel::Tls => needs_tls(case, on, from),
});
step!(Helo, "smtp.helo/1", |_, case, on, from| needs_greeting(case, on, from));
step!(Starttls, "smtp.starttls/1", |_, case, on, from| {
    let ehlo = case.ask(&Ehlo { channel: Channel::Plain }, on, from)?;
    ehlo.need(|e| e.capabilities.as_ref().filter(|c| c.offers("STARTTLS"))).map(|_| ())
});
step!(Mail, "smtp.mail/1", |question, case, on, from| {
    needs_session(case, on, from)?;
    if question.authenticated { needs_auth(case, on, from) } else { Ok(()) }
});
step!(Rcpt, "smtp.rcpt/1", |question, case, on, from| {
    needs_session(case, on, from)?;
    if question.authenticated {
        needs_auth(case, on, from)?;
    }
    let mail = |channel| {
        let question = Mail { sender: question.sender, channel, authenticated: question.authenticated };
        case.ask(&question, on, from).and_then(|m| m.need(|m| m.accepted()))
    };
    mail(Channel::Tls).or_else(|why| mail(Channel::Plain).map_err(|other| why.min(other)))
});
step!(Vrfy, "smtp.vrfy/1", |_, case, on, from| needs_session(case, on, from));
step!(Rset, "smtp.rset/1", |_, case, on, from| needs_session(case, on, from));
step!(Quit, "smtp.quit/1", |_, case, on, from| needs_greeting(case, on, from));

fn needs_auth(case: &Case, on: &Service, from: &VantageId) -> Result<(), Why> {
    case.ask(&Auth { with: Credentials::Given, attempt: 1 }, on, from)?.need(|a| a.accepted())
}

impl Question for Banner {
    const PROBE: &'static str = "smtp.banner/1";
    type On = Service;
    type Wire = BannerWire;
    type View = BannerView;

    fn read(wire: BannerWire) -> Option<BannerView> {
        let banner = wire.exchange.whole().and_then(BannerText::of);
        Some(BannerView { wire, banner })
    }

    fn needs(&self, case: &Case, on: &Service, from: &VantageId) -> Result<(), Why> {
        needs_open(case, on, from)?;
        if role(case, on, from).is_some_and(Role::implicit_tls) {
            return case.ask(&Handshake, on, from)?.need(|h| h.done()).map(|_| ());
        }
        Ok(())
    }
}

impl Question for Visited {
    const PROBE: &'static str = "smtp.visit/1";
    type On = Service;
    type Wire = VisitedWire;
    type View = VisitedWire;

    fn read(wire: VisitedWire) -> Option<VisitedWire> {
        Some(wire)
    }

    fn needs(&self, case: &Case, on: &Service, from: &VantageId) -> Result<(), Why> {
        needs_open(case, on, from)
    }
}

impl Question for Injection {
    const PROBE: &'static str = "smtp.injection/1";
    type On = Service;
    type Wire = InjectionWire;
    type View = InjectionWire;

    fn read(wire: InjectionWire) -> Option<InjectionWire> {
        Some(wire)
    }

    fn needs(&self, case: &Case, on: &Service, from: &VantageId) -> Result<(), Why> {
        Starttls.needs(case, on, from)
    }
}

impl Question for Auth {
    const PROBE: &'static str = "smtp.auth/1";
    type On = Service;
    type Wire = AuthWire;
    type View = AuthWire;

    fn read(wire: AuthWire) -> Option<AuthWire> {
        Some(wire)
    }

    fn needs(&self, case: &Case, on: &Service, from: &VantageId) -> Result<(), Why> {
        needs_session(case, on, from)?;
        let (seen, capabilities) = capabilities(case, on, from)?;
        if capabilities.mechanisms().is_empty() { Err(Why::Denied(seen.id())) } else { Ok(()) }
    }

    fn link(observation: &Observation, view: &AuthWire, graph: &mut Graph) {
        if let Some(service) = crate::case::subject_of::<Service>(observation) {
            graph.leans(&Account(view.user.clone()), service);
        }
    }
}

impl AuthWire {
    /// The final reply.
    pub fn reply(&self) -> Option<&Reply> {
        self.exchanges.last().and_then(Exchange::whole)
    }

    /// `Some` where the server said 235.
    pub fn accepted(&self) -> Option<()> {
        self.reply().filter(|r| r.code == 235).map(|_| ())
    }

    /// What a refusal means.
    pub fn meaning(&self) -> Option<Meaning> {
        self.reply().and_then(|reply| meaning(maildoctor_wire::dialogue::Phase::Auth, reply))
    }
}

impl Question for Message {
    const PROBE: &'static str = "smtp.message/1";
    type On = Service;
    type Wire = MessageWire;
    type View = MessageWire;

    fn read(wire: MessageWire) -> Option<MessageWire> {
        Some(wire)
    }

    fn needs(&self, case: &Case, on: &Service, from: &VantageId) -> Result<(), Why> {
        needs_session(case, on, from)
    }
}
