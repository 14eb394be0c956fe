//! The case: everything that was seen in a run, and the only memory of it.
//!
//! Probes write observations into a [`Recorder`]; rules ask the finished [`Case`] typed questions. A case
//! is saved as JSON (`maildoctor/case/1`) and diagnosed again from it, offline, with the same answer.

mod ask;
mod derived;
mod graph;
mod observation;
mod record;
mod redact;

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use ask::{Question, Seen, Skip, Why};
pub use derived::Derived;
pub use graph::{Graph, Leans};
pub use observation::{ObsId, Observation, Span, millis};
pub use record::{Noted, Recorder};

use crate::questions;
use crate::questions::place::Opening;
use crate::subject::{Domain, Kind, Subject, VantageId};

/// The schema that cases of this program carry.
pub const SCHEMA: &str = "maildoctor/case/1";

/// The largest case file that is read, in octets.
pub const MAX_CASE_OCTETS: u64 = 64 * 1024 * 1024;

/// A case that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// The text is no JSON of a case.
    #[error("this is no maildoctor case; give a file that `check --save` wrote")]
    Unreadable(#[from] serde_json::Error),
    /// Another schema, perhaps of a newer program.
    #[error(
        "the case has schema `{found}`, and this program reads `{SCHEMA}`; use a maildoctor as new as the one that saved it"
    )]
    Schema {
        /// What the file says.
        found: String,
    },
}

/// What was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TargetRecord {
    /// The target as it was typed.
    pub input: String,
    /// The mail domain under test, in A-label form; null where a host alone is tested.
    pub domain: Option<String>,
    /// The mail address under test.
    pub address: Option<String>,
    /// The host under test, where one was named.
    pub host: Option<String>,
}

/// One place that was looked from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct VantageRecord {
    /// The name it was given.
    pub name: String,
    /// `local`, `socks5`, `ssh` or `simulated`.
    pub kind: String,
    /// The source address that peers see, where it is known.
    pub source_ip: Option<std::net::IpAddr>,
    /// The resolver of this place.
    pub resolver: Option<std::net::SocketAddr>,
}

/// The options of the run that judgement depends on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Terms {
    /// Credentials or a token were given, so findings of party `client` count.
    pub credentials: bool,
    /// Submission was expected to work: an account was given, or an SRV record names it.
    pub submission_expected: bool,
    /// The user name, where one was given.
    pub user: Option<String>,
    /// Real messages were allowed.
    pub send: bool,
    /// A mailbox was named.
    pub mailbox: bool,
    /// The DKIM selectors that were named.
    pub dkim_selectors: Vec<String>,
    /// The areas that were to be checked (`--only`, `--skip`); empty means all.
    pub areas: Vec<String>,
    /// One step's bound, in milliseconds.
    pub timeout_ms: u64,
    /// The run's bound, in milliseconds.
    pub deadline_ms: u64,
    /// Certificates, TLSA records and policies are judged as of so many days later (`--at`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_days: Option<u32>,
    /// Mail is sent, and not received.
    pub outbound: Option<Outbound>,
    /// The arguments of the run after the program's name, secrets left out: next tests build on them.
    pub arguments: Vec<String>,
}

/// Mail that is sent (`check --outbound`): the sender is under test, and whether the target takes its mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Outbound {
    /// The sender's address.
    pub sender: String,
    /// The sender's domain, in A-label form.
    pub domain: String,
    /// The address that mail is sent from, where it was named.
    pub source: Option<std::net::IpAddr>,
    /// We stand where mail is sent from, so that the receiver's replies are those that the sender gets.
    pub talks: bool,
}

impl Terms {
    /// Whether the user gave an option, such as `--listen`.
    pub fn gives(&self, option: &str) -> bool {
        let names =
            |word: &String| word.strip_prefix(option).is_some_and(|rest| rest.is_empty() || rest.starts_with('='));
        self.arguments.iter().any(names)
    }
}

/// A question that the plan left out, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Unasked {
    /// The probe.
    pub probe: String,
    /// The subject, or null where no subject was asked.
    pub subject: Option<Subject>,
    /// The reason; null where the deadline came first.
    pub skip: Option<Skip>,
}

/// Everything that was seen in a run.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Case {
    /// [`SCHEMA`].
    pub schema: String,
    /// The program's version that wrote it.
    pub tool: String,
    /// What was asked for.
    pub target: TargetRecord,
    /// When the run began; `diagnose` takes start and duration as *now*.
    #[schemars(with = "String")]
    pub started_at: Timestamp,
    /// How long the run took, in milliseconds.
    pub duration_ms: u64,
    /// Where it was looked from; the first is the one that "here" means.
    pub vantages: Vec<VantageRecord>,
    /// The options that judgement depends on.
    pub terms: Terms,
    /// What the plan left out.
    pub unasked: Vec<Unasked>,
    /// What was seen, in the order in which it began.
    pub observations: Vec<Observation>,
    /// Fields that a newer program wrote.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
    #[serde(skip)]
    #[schemars(skip)]
    index: HashMap<(String, String, Subject), Vec<usize>>,
    #[serde(skip)]
    #[schemars(skip)]
    graph: Graph,
    #[serde(skip)]
    #[schemars(skip)]
    derived: Derived,
}

impl Case {
    /// A case without observations.
    pub fn new(target: TargetRecord, started_at: Timestamp, vantages: Vec<VantageRecord>, terms: Terms) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            target,
            started_at,
            duration_ms: 0,
            vantages,
            terms,
            unasked: Vec::new(),
            observations: Vec::new(),
            unknown: Map::new(),
            index: HashMap::new(),
            graph: Graph::default(),
            derived: Derived::default(),
        }
    }

    /// Reads a saved case.
    ///
    /// # Errors
    /// [`CaseError`] where the text is no case of a schema this program knows.
    pub fn from_json(text: &str) -> Result<Self, CaseError> {
        let value: Value = serde_json::from_str(text)?;
        match value.get("schema").and_then(Value::as_str) {
            Some(SCHEMA) => {}
            found => {
                return Err(CaseError::Schema { found: found.unwrap_or("none").to_owned() });
            }
        }
        let mut case: Self = serde_json::from_value(value)?;
        case.connect();
        Ok(case)
    }

    /// The case as JSON text, as `--save` writes it.
    ///
    /// # Errors
    /// Never for a case made by this program; the error is serde's own.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }

    /// Replaces the observations, and reads anew how the subjects hang together.
    pub fn set_observations(&mut self, observations: Vec<Observation>) {
        self.observations = observations;
        self.connect();
    }

    /// The same case without one observation: what the removal test takes away in turn.
    #[must_use]
    pub fn without(&self, id: ObsId) -> Self {
        let mut rest = self.clone();
        rest.set_observations(self.observations.iter().filter(|o| o.id != id).cloned().collect());
        rest
    }

    fn connect(&mut self) {
        self.derived = Derived::default();
        self.index.clear();
        for (place, observation) in self.observations.iter().enumerate() {
            let key = (observation.probe.clone(), observation.vantage.0.clone(), observation.subject.clone());
            self.index.entry(key).or_default().push(place);
        }
        let mut graph = Graph::default();
        for observation in &self.observations {
            graph.note(observation.subject.clone());
            questions::link(observation, &mut graph);
        }
        if let (Some(user), Some(domain)) = (&self.terms.user, self.mail_domain()) {
            graph.leans(&crate::subject::Account(user.clone()), &domain);
        }
        self.graph = graph;
    }

    /// Something that follows from the whole case and is dear to compute: made once for each kind of thing and key.
    pub fn derive<T: Clone + Send + Sync + 'static>(&self, key: &str, make: impl FnOnce() -> T) -> T {
        self.derived.get(key, make)
    }

    /// How the subjects hang together.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The mail domain under test.
    pub fn mail_domain(&self) -> Option<Domain> {
        self.target.domain.as_deref().map(Domain::new)
    }

    /// The domain of the sender, where mail is sent.
    pub fn sender_domain(&self) -> Option<Domain> {
        self.terms.outbound.as_ref().map(|outbound| Domain::new(&outbound.domain))
    }

    /// The domain whose records are judged: the sender's where mail is sent, otherwise the one that receives.
    pub fn records_domain(&self) -> Option<Domain> {
        self.sender_domain().or_else(|| self.mail_domain())
    }

    /// The instant that certificates, TLSA records and policies are held against: the end of the run, or as many days
    /// later as were asked for.
    pub fn as_of(&self) -> Timestamp {
        let days = i64::from(self.terms.at_days.unwrap_or_default());
        self.now().checked_add(jiff::SignedDuration::from_hours(24 * days)).unwrap_or(Timestamp::MAX)
    }

    /// The instant that other dates in the case are held against: the end of the run.
    pub fn now(&self) -> Timestamp {
        let millis = i64::try_from(self.duration_ms).unwrap_or(i64::MAX);
        self.started_at.checked_add(jiff::SignedDuration::from_millis(millis)).unwrap_or(self.started_at)
    }

    /// The places that were looked from, in order.
    pub fn vantage_ids(&self) -> impl Iterator<Item = VantageId> + '_ {
        self.vantages.iter().map(|v| VantageId(v.name.clone()))
    }

    /// An observation by its number.
    pub fn observation(&self, id: ObsId) -> Option<&Observation> {
        self.observations
            .binary_search_by_key(&id, |o| o.id)
            .ok()
            .and_then(|place| self.observations.get(place))
            .or_else(|| self.observations.iter().find(|o| o.id == id))
    }

    /// Asks a question on a subject, as seen from a vantage.
    ///
    /// # Errors
    /// Why nothing is known: the reason that says most.
    pub fn ask<Q: Question>(&self, question: &Q, on: &Q::On, from: &VantageId) -> Result<Seen<'_, Q::View>, Why> {
        let asked = serde_json::to_value(question).unwrap_or(Value::Null);
        let subject: Subject = on.clone().into();
        let key = (Q::PROBE.to_owned(), from.0.clone(), subject);
        let places = self.index.get(&key).map(Vec::as_slice).unwrap_or_default();
        for observation in places.iter().rev().filter_map(|&place| self.observations.get(place)) {
            if observation.asked == asked {
                return view_of::<Q>(observation)
                    .map(|view| Seen::new(view, observation))
                    .ok_or(Why::Failed(observation.id));
            }
        }
        if let Some(id) = self.never_opened(from) {
            return Err(Why::Blocked(id));
        }
        question.needs(self, on, from).map_err(Why::as_blocker)?;
        Err(self.why_unasked(&key.0, &key.2))
    }

    /// The first answer to a question that fits, where it was asked more than once; else the last, as [`Case::ask`] gives it.
    ///
    /// # Errors
    /// As [`Case::ask`].
    pub fn ask_first<Q: Question>(
        &self,
        question: &Q,
        on: &Q::On,
        from: &VantageId,
        fits: impl Fn(&Q::View) -> bool,
    ) -> Result<Seen<'_, Q::View>, Why> {
        let last = self.ask(question, on, from)?;
        let same = |seen: &Seen<'_, Q::View>| {
            let (one, other) = (seen.observation(), last.observation());
            (&one.asked, &one.subject, &one.vantage) == (&other.asked, &other.subject, &other.vantage)
        };
        Ok(self.every::<Q>().filter(same).find(|seen| fits(seen.view())).unwrap_or(last))
    }

    /// Every observation of one probe with its typed view, whatever its parameters: for rules that
    /// look over all the recipients, all the messages, all the resolvers.
    pub fn every<Q: Question>(&self) -> impl Iterator<Item = Seen<'_, Q::View>> {
        self.observations
            .iter()
            .filter(|o| o.probe == Q::PROBE)
            .filter_map(|o| view_of::<Q>(o).map(|view| Seen::new(view, o)))
    }

    /// The observation that shows that a place could not be looked from.
    fn never_opened(&self, from: &VantageId) -> Option<ObsId> {
        let key = (Opening::PROBE.to_owned(), from.0.clone(), Subject::from(from.clone()));
        let observation = self.index.get(&key)?.iter().find_map(|&place| self.observations.get(place))?;
        view_of::<Opening>(observation)?.failure().map(|_| observation.id)
    }

    fn why_unasked(&self, probe: &str, subject: &Subject) -> Why {
        let named = self.unasked.iter().find(|u| u.probe == probe && u.subject.as_ref() == Some(subject));
        let general = || self.unasked.iter().find(|u| u.probe == probe && u.subject.is_none());
        match named.or_else(general) {
            Some(Unasked { skip: Some(skip), .. }) => Why::Skipped(skip.clone()),
            Some(Unasked { skip: None, .. }) => Why::NotReached,
            None => Why::NotPlanned,
        }
    }
}

/// The typed view of an observation, computed at the first call.
fn view_of<Q: Question>(observation: &Observation) -> Option<&Q::View> {
    let cell = observation.view.get_or_init(|| {
        let wire = serde_json::from_value::<Q::Wire>(observation.outcome.clone()).ok()?;
        Some(Arc::new(Q::read(wire)?) as Arc<dyn Any + Send + Sync>)
    });
    cell.as_ref().and_then(|view| view.downcast_ref::<Q::View>())
}

/// Lets a question's `link` see its typed view: what [`questions::link`] calls for each known probe.
pub(crate) fn link_as<Q: Question>(observation: &Observation, graph: &mut Graph) {
    if let Some(view) = view_of::<Q>(observation) {
        Q::link(observation, view, graph);
    }
}

/// The subject of an observation as the kind a question is asked on.
pub(crate) fn subject_of<K: Kind>(observation: &Observation) -> Option<&K> {
    K::of(&observation.subject)
}
