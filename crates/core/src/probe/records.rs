//! What is asked of the records that a mail domain lives by: SPF with all it leads to, DKIM keys, DMARC up the
//! tree, who takes its reports, MTA-STS with its policy, TLS reporting, BIMI.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{join, join_all, join5};
use maildoctor_wire::records::bimi::is_bimi;
use maildoctor_wire::records::dkim::is_key;
use maildoctor_wire::records::dmarc::{self, Dmarc};
use maildoctor_wire::records::mtasts::is_sts;
use maildoctor_wire::records::spf::{self, Ask, Identity};
use maildoctor_wire::records::tlsrpt::is_tlsrpt;
use tokio::sync::OnceCell;

use super::{Context, sts};
use crate::questions::dns::{Dns, Followed, RecordType, Via};
use crate::questions::mailbox::{Arrival, Arrived, client_of};
use crate::questions::policies::{Views, holds, record_type, texts};
use crate::questions::signing::{USUAL_SELECTORS, selector, signers};
use crate::questions::smtp::Path;
use crate::questions::sts::host_of;
use crate::questions::trace::HandedOver;
use crate::subject::Domain;

/// The most selectors that are asked for besides.
const MAX_SELECTORS: usize = 16;

/// The most hosts whose leave for reports is asked for.
const MAX_REPORTERS: usize = 8;

/// The most messages whose way is followed.
const MAX_CLIENTS: usize = 2;

/// The rounds in which a policy is followed: one more than includes may nest.
const MAX_ROUNDS: usize = 24;

/// After this long a resolver out there is asked beside the one here, which may be silent to the end.
const HESITATION: Duration = Duration::from_secs(3);

/// The questions of one whole look: hostile policies lead far.
const MAX_QUESTIONS: usize = 300;

type Cell = Arc<OnceCell<Dns>>;

/// The questions of one look, each asked once.
struct Book<'a> {
    context: &'a Context,
    asked: Mutex<HashMap<(Via, String, RecordType), Cell>>,
}

impl Book<'_> {
    fn cell(&self, via: Via, name: &str, rtype: RecordType) -> Option<Cell> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (via, name.to_ascii_lowercase(), rtype);
        if !asked.contains_key(&key) && asked.len() >= MAX_QUESTIONS {
            return None;
        }
        Some(asked.entry(key).or_default().clone())
    }

    async fn ask(&self, via: Via, name: &str, rtype: RecordType) -> Option<Dns> {
        let cell = self.cell(via, name, rtype)?;
        let asked = cell.get_or_init(|| async {
            let wire = self.context.lookup(&Followed { rtype, via }, &Domain::new(name), via, name, rtype).await;
            Dns { wire }
        });
        Some(asked.await.clone())
    }

    fn known(&self, via: Via, name: &str, rtype: RecordType) -> Option<Dns> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.get(&(via, name.to_ascii_lowercase(), rtype)).and_then(|cell| cell.get().cloned())
    }

    /// The resolver out there that is asked where the one here has nothing.
    fn elsewhere(&self) -> Option<Via> {
        self.context.options.foreign_resolvers.first().map(|addr| Via::Foreign(*addr))
    }

    /// Asks the resolver here, and one out there where it does not show what is looked for, or hesitates.
    async fn find(&self, name: &str, rtype: RecordType, fits: impl Fn(&Dns) -> bool) -> Vec<Dns> {
        let mut own = std::pin::pin!(self.ask(Via::Own, name, rtype));
        let Some(via) = self.elsewhere() else { return own.await.into_iter().collect() };
        let elsewhere = self.ask(via, name, rtype);
        let (own, other) = match tokio::time::timeout(HESITATION, &mut own).await {
            Ok(own) if own.iter().any(&fits) => (own, None),
            Ok(own) => (own, elsewhere.await),
            Err(_) => join(own, elsewhere).await,
        };
        own.into_iter().chain(other).collect()
    }

    async fn texts(&self, name: &str, fits: impl Fn(&str) -> bool) -> Vec<String> {
        let views = self.find(name, RecordType::Txt, |view| texts(view).iter().any(|text| fits(text))).await;
        views.iter().flat_map(texts).filter(|text| fits(text)).collect()
    }

    fn answer(&self, ask: &Ask) -> Option<spf::Answer> {
        let rtype = record_type(ask.rtype);
        let own = self.known(Via::Own, &ask.name, rtype);
        let other = self.elsewhere().and_then(|via| self.known(via, &ask.name, rtype));
        let views =
            Views { own: own.as_ref(), others: other.iter().collect(), others_expected: self.elsewhere().is_some() };
        views.answer(ask.rtype)
    }

    async fn answer_all(&self, asks: Vec<Ask>) {
        join_all(asks.iter().map(|ask| self.find(&ask.name, record_type(ask.rtype), |view| holds(view, ask.rtype))))
            .await;
    }
}

/// Asks for every record of a domain.
pub async fn look(context: &Context, domain: &str) {
    let book = Book { context, asked: Mutex::default() };
    let guessed = join_all(USUAL_SELECTORS.iter().map(|guess| {
        let (book, name) = (&book, selector(guess, domain));
        async move { book.ask(Via::Own, &name, RecordType::Txt).await }
    }));
    let named = keys(&book, context.options.dkim_selectors.iter().map(|s| selector(s, domain)).collect());
    let reporting = format!("_smtp._tls.{domain}");
    let transport = join(book.texts(&reporting, is_tlsrpt), transport_policy(&book, domain));
    join5(policy(&book, domain), guessed, named, transport, authorised(&book, domain)).await;
}

/// MTA-STS, and the policy itself where there is said to be one.
async fn transport_policy(book: &Book<'_>, domain: &str) {
    if book.texts(&format!("_mta-sts.{domain}"), is_sts).await.is_empty() {
        return;
    }
    let host = host_of(domain);
    let there = |view: &Dns| view.definite().is_some_and(|answer| !answer.addresses().is_empty());
    let (v4, v6) = join(book.find(&host, RecordType::A, there), book.find(&host, RecordType::Aaaa, there)).await;
    let mut addresses: Vec<IpAddr> = Vec::new();
    for view in v4.iter().chain(&v6) {
        let new = view.definite().map(|answer| answer.addresses()).unwrap_or_default();
        addresses.extend(new.into_iter().filter(|ip| !addresses.contains(ip)).collect::<Vec<_>>());
    }
    if !addresses.is_empty() {
        sts::fetch(book.context, domain, &addresses).await;
    }
}

/// What the test messages that arrived name: the keys that signed them, and the client that handed them over.
pub async fn follow_arrivals(context: &Context, domain: &str) {
    let book = Book { context, asked: Mutex::default() };
    let sender = context.options.user.as_deref().filter(|user| user.contains('@'));
    let (mut signatures, mut clients) = (Vec::new(), Vec::new());
    for (seen, wire) in context.recorder.so_far::<Arrival>() {
        let (Arrived::Found { hops, headers, .. }, Ok(asked)) =
            (wire.arrived, serde_json::from_value::<Arrival>(seen.asked))
        else {
            continue;
        };
        let own = signers(&headers).into_iter().filter(|(_, d)| Domain::new(d).as_str() == domain);
        signatures.extend(own.map(|(s, _)| selector(&s, domain)));
        let client = client_of(&hops).filter(|_| asked.path == Path::Submission);
        clients.extend(client.map(|(ip, helo)| (ip, helo.to_owned())));
    }
    let senders = async {
        if let Some(sender) = sender {
            evaluate(&book, &clients, sender).await;
        }
    };
    join(keys(&book, signatures), senders).await;
}

/// The keys at some names: the texts that may be one, or why they could not be asked for.
pub async fn keys_of(context: &Context, names: &[String]) -> HashMap<String, Result<Vec<String>, String>> {
    let book = Book { context, asked: Mutex::default() };
    let asked = join_all(names.iter().map(|name| {
        let book = &book;
        async move {
            let views = book.find(name, RecordType::Txt, |view| !texts(view).is_empty()).await;
            let told = views.iter().any(|view| view.definite().is_some());
            let silence = || views.first().map_or_else(|| "too many questions".to_owned(), Dns::in_words);
            let said = if told { Ok(views.iter().flat_map(texts).collect()) } else { Err(silence()) };
            (name.clone(), said)
        }
    }));
    asked.await.into_iter().collect()
}

/// What SPF and DMARC need for a message that was received: the policies of the author's domain up the tree, and of the
/// envelope sender's.
pub async fn of_message(context: &Context, author: &str, from: Option<HandedOver>) {
    let book = Book { context, asked: Mutex::default() };
    let policies = join_all(dmarc::walk(author).into_iter().map(|name| {
        let book = &book;
        async move { book.texts(&format!("_dmarc.{name}"), dmarc::is_dmarc).await }
    }));
    let client = async {
        if let Some(HandedOver { ip, helo, sender }) = &from {
            evaluate(&book, &[(*ip, helo.clone())], sender).await;
        }
    };
    join(policies, client).await;
}

/// Whatever SPF needs to be evaluated for clients, with their EHLO names, that send in a sender's name.
pub async fn follow_senders(context: &Context, clients: Vec<(IpAddr, String)>, sender: &str) {
    evaluate(&Book { context, asked: Mutex::default() }, &clients, sender).await;
}

async fn evaluate(book: &Book<'_>, clients: &[(IpAddr, String)], sender: &str) {
    join_all(clients.iter().take(MAX_CLIENTS).map(|(ip, helo)| async move {
        let identity = Identity { ip: *ip, helo, mail_from: sender };
        for _ in 0..MAX_QUESTIONS {
            match spf::evaluate(&identity, &|ask| book.answer(ask)) {
                Ok(_) => break,
                Err(ask) => book.answer_all(vec![ask]).await,
            }
        }
    }))
    .await;
}

/// Keys that somebody names, and which must be there.
async fn keys(book: &Book<'_>, names: Vec<String>) {
    join_all(names.iter().take(MAX_SELECTORS).map(|name| book.texts(name, is_key))).await;
}

/// SPF, and every record it leads to.
async fn policy(book: &Book<'_>, domain: &str) {
    let obsolete = async { book.ask(Via::Own, domain, RecordType::Spf).await };
    let walk = async {
        for _ in 0..MAX_ROUNDS {
            match spf::tree(domain, &|ask| book.answer(ask)) {
                Ok(_) => break,
                Err(asks) => book.answer_all(asks).await,
            }
        }
    };
    join(obsolete, walk).await;
}

/// DMARC up the tree, who takes its reports, and BIMI, which rests on it.
async fn authorised(book: &Book<'_>, domain: &str) {
    let names = dmarc::walk(domain);
    let found = join_all(names.iter().map(|name| {
        let at = format!("_dmarc.{name}");
        async move { (name.clone(), book.texts(&at, dmarc::is_dmarc).await) }
    }));
    let indicator = format!("default._bimi.{domain}");
    let (found, indicators) = join(found, book.texts(&indicator, is_bimi)).await;
    let records: Vec<(String, Dmarc)> =
        found.into_iter().filter_map(|(name, texts)| Some((name, Dmarc::parse(texts.first()?)))).collect();
    let organisation = dmarc::organisational(domain, &records);
    let reporters = async {
        let Some((at, record)) = records.first() else { return };
        let hosts = record.rua.iter().chain(&record.ruf).filter_map(|uri| dmarc::report_host(uri));
        let mut names: Vec<String> = hosts
            .filter(|host| !dmarc::belongs(host, organisation))
            .map(|host| format!("{at}._report._dmarc.{host}"))
            .collect();
        names.sort();
        names.dedup();
        join_all(names.iter().take(MAX_REPORTERS).map(|name| book.texts(name, dmarc::is_dmarc))).await;
    };
    let inherited = async {
        if indicators.is_empty() && organisation != domain {
            book.texts(&format!("default._bimi.{organisation}"), is_bimi).await;
        }
    };
    join(reporters, inherited).await;
}
