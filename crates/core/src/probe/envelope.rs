//! The envelope, never past RCPT: who may write to whom. Each recipient has a transaction of its own.

use std::time::Duration;

use maildoctor_wire::dialogue::{Command, Exchange, Phase};
use maildoctor_wire::wording::{Meaning, meaning};

use super::Context;
use super::session::{Session, Way};
use crate::questions::smtp::{Channel, Mail, Rcpt, Recipient, Sender, StepWire, Vrfy};
use crate::subject::Service;

/// What is tried in one session.
#[derive(Clone)]
pub struct Envelope {
    /// The address under test.
    pub target: Option<String>,
    /// The domain under test.
    pub domain: Option<String>,
    /// The sender that is not the null sender, where one is known; else ours is tried where the null sender is refused.
    pub sender: Option<String>,
    /// The outside recipient of the relay test.
    pub relay: Option<String>,
    /// A local part that cannot exist.
    pub nobody: String,
    /// After AUTH, or as a stranger.
    pub authenticated: bool,
}

/// What came of a transaction.
struct Tried {
    /// The sender was accepted.
    sender: bool,
    /// The recipient was accepted.
    recipient: bool,
    /// The session is over.
    over: bool,
}

impl Envelope {
    /// The envelope of a sender, whose mail goes to one recipient.
    pub fn of_sender(sender: &str, recipient: &str) -> Self {
        Self {
            target: Some(recipient.to_owned()),
            domain: None,
            sender: Some(sender.to_owned()),
            relay: None,
            nobody: String::new(),
            authenticated: false,
        }
    }

    /// Tries the envelope of a sender: one transaction, never past RCPT. Gives whether the server answered it.
    pub async fn as_sender(&self, context: &Context, way: &Way, session: &mut Session) -> bool {
        let Some(recipient) = self.target.as_deref() else { return false };
        let tried = self.transaction(context, way, session, (Sender::Given, Recipient::Target), recipient).await;
        tried.is_some_and(|tried| !tried.over)
    }

    /// Tries the envelope of a stranger on a mail exchanger. `took_target` is told, as soon as it is known, whether
    /// the address under test was accepted. Gives whether the server ended the session at the null sender, so that nothing else
    /// was tried.
    pub async fn as_stranger(
        &self,
        context: &Context,
        way: &Way,
        session: &mut Session,
        took_target: impl Fn(bool),
    ) -> bool {
        let tries = [
            (Recipient::Target, self.target.clone()),
            (Recipient::Random, self.domain.as_ref().map(|d| format!("{}@{d}", self.nobody))),
            (Recipient::Postmaster, self.domain.as_ref().map(|d| format!("postmaster@{d}"))),
        ];
        let mut null_taken = true;
        for (recipient, address) in tries {
            let Some(address) = address.filter(|_| context.options.wants("envelope")) else {
                continue;
            };
            let mut accepted = false;
            if null_taken {
                let tried = self.transaction(context, way, session, (Sender::Null, recipient), &address).await;
                let Some(tried) = tried else {
                    return false;
                };
                if tried.over {
                    return recipient == Recipient::Target && !tried.sender;
                }
                null_taken = tried.sender;
                accepted = tried.recipient;
            }
            // A server that takes no bounces may take the rest; and one that takes bounces may dislike this sender.
            let for_its_own_sake = recipient == Recipient::Target && self.sender_is_tried(context);
            if !null_taken || for_its_own_sake {
                let tried = self.transaction(context, way, session, (Sender::Given, recipient), &address).await;
                let Some(tried) = tried else {
                    return false;
                };
                if tried.over {
                    // The end of the session may show only now.
                    return recipient == Recipient::Target && !null_taken && !tried.sender;
                }
                accepted |= tried.recipient;
            }
            if recipient == Recipient::Target {
                took_target(accepted);
            }
        }
        if context.options.wants("relay")
            && let Some(relay) = &self.relay
            && let sender = if null_taken { self.own_sender() } else { Sender::Given }
            && let tried = self.transaction(context, way, session, (sender, Recipient::Relay), relay).await
            && tried.is_none_or(|tried| tried.over)
        {
            return false;
        }
        if context.options.wants("envelope") && self.domain.is_some() {
            self.step(context, way, session, &Command::Vrfy(&self.nobody)).await;
        }
        false
    }

    /// Whether the address under test is tried with the sender as well, though the null sender is taken. A stranger who
    /// uses an address of the domain itself is refused by strict servers, and rightly.
    fn sender_is_tried(&self, context: &Context) -> bool {
        let domain = self.sender.as_deref().and_then(|sender| sender.rsplit_once('@')).map(|(_, domain)| domain);
        let is_another = |own: &str| domain.is_some_and(|domain| !domain.eq_ignore_ascii_case(own));
        context.options.mail_from.is_some() || self.domain.as_deref().is_some_and(is_another)
    }

    /// Tries the relay of an authenticated user.
    pub async fn as_user(&self, context: &Context, way: &Way, session: &mut Session) {
        let outside = self.relay.clone().filter(|_| context.options.wants("relay"));
        if let Some(relay) = outside {
            let _ = self.transaction(context, way, session, (self.own_sender(), Recipient::Relay), &relay).await;
        } else if let Some(target) = &self.target {
            let _ = self.transaction(context, way, session, (self.own_sender(), Recipient::Target), target).await;
        }
    }

    fn own_sender(&self) -> Sender {
        if self.sender.is_some() { Sender::Given } else { Sender::Null }
    }

    /// MAIL and RCPT, after RSET where a transaction came before; `None` where the server could not be asked.
    async fn transaction(
        &self,
        context: &Context,
        way: &Way,
        session: &mut Session,
        who: (Sender, Recipient),
        address: &str,
    ) -> Option<Tried> {
        let (sender, recipient) = who;
        let authenticated = self.authenticated;
        let reverse_path = match (sender, &self.sender) {
            (Sender::Null, _) => String::new(),
            (Sender::Given, Some(given)) => given.clone(),
            (Sender::Given, None) => format!("postmaster@{}", context.helo(session.talk.local()).await),
        };
        let question = Mail { sender, channel: session.channel, authenticated };
        let _step = context.recorder.step(format!("reply to MAIL and RCPT of {}", way.service));
        session.fresh(context, way).await?;
        let (exchange, times) = said(context, session, &Command::Mail(&reverse_path)).await?;
        let mail = positive(&exchange);
        session.in_transaction = mail;
        context.record(&question, &Service(way.service), times, &StepWire { argument: Some(reverse_path), exchange });
        let (mut sender_taken, mut rcpt) = (mail, false);
        if mail {
            let question = Rcpt { recipient, sender, authenticated };
            let (exchange, times) = said(context, session, &Command::Rcpt(address)).await?;
            rcpt = positive(&exchange);
            // Many servers say only here that they do not take the sender.
            sender_taken =
                exchange.whole().and_then(|reply| meaning(Phase::Rcpt, reply)) != Some(Meaning::SenderRejected);
            context.record(
                &question,
                &Service(way.service),
                times,
                &StepWire { argument: Some(address.to_owned()), exchange },
            );
        }
        Some(Tried { sender: sender_taken, recipient: rcpt, over: session.talk.dialogue().is_over() })
    }

    async fn step(&self, context: &Context, way: &Way, session: &mut Session, command: &Command<'_>) {
        if let Some((exchange, times)) = said(context, session, command).await {
            context.record(
                &Vrfy,
                &Service(way.service),
                times,
                &StepWire { argument: Some(self.nobody.clone()), exchange },
            );
        }
    }
}

/// Whether MAIL is accepted on a submission port before TLS (RFC 6409, 530 expected).
pub async fn mail_before_tls(context: &Context, way: &Way, session: &mut Session, sender: &str) {
    let question = Mail { sender: Sender::Given, channel: Channel::Plain, authenticated: false };
    if let Some((exchange, times)) = said(context, session, &Command::Mail(sender)).await {
        context.record(
            &question,
            &Service(way.service),
            times,
            &StepWire { argument: Some(sender.to_owned()), exchange },
        );
    }
}

async fn said(
    context: &Context,
    session: &mut Session,
    command: &Command<'_>,
) -> Option<(Exchange, (Duration, Duration))> {
    let (said, times) = context.timed(session.talk.say(command, context.limit())).await;
    said.ok().map(|exchange| (exchange, times))
}

fn positive(exchange: &Exchange) -> bool {
    exchange.whole().is_some_and(maildoctor_wire::reply::Reply::is_positive)
}
