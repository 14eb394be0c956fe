//! A message as the walk kept it, by sets of records with the signatures over each.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hickory_proto::dnssec::rdata::{DNSSECRData, RRSIG};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::questions::dns::{Dns, DnsResult};

/// The most records of a section that are looked at.
const MAX_RECORDS: usize = 256;

/// The records of one type at one name.
#[derive(Debug, Clone)]
pub(super) struct Set {
    pub(super) name: Name,
    pub(super) rtype: RecordType,
    pub(super) records: Vec<Record>,
    pub(super) signatures: Vec<RRSIG>,
}

/// A message by its sets.
#[derive(Debug)]
pub(super) struct Sections {
    pub(super) nxdomain: bool,
    pub(super) authoritative: bool,
    pub(super) answer: Vec<Set>,
    pub(super) authority: Vec<Set>,
}

impl Sections {
    /// The sets of an answer that says something definite; `None` where it does not, or was not kept whole.
    pub(super) fn of(answer: &Dns) -> Option<Self> {
        let DnsResult::Answered { raw: Some(raw), .. } = &answer.wire.result else { return None };
        let message = Message::from_vec(&STANDARD.decode(raw).ok()?).ok()?;
        let code = message.metadata.response_code;
        matches!(code, ResponseCode::NoError | ResponseCode::NXDomain).then(|| Self {
            nxdomain: code == ResponseCode::NXDomain,
            authoritative: message.metadata.authoritative,
            answer: sets(&message.answers),
            authority: sets(&message.authorities),
        })
    }

    pub(super) fn in_answer(&self, name: &Name, rtype: RecordType) -> Option<&Set> {
        self.answer.iter().find(|set| set.rtype == rtype && set.name == *name)
    }

    /// Wherever it stands: a referral has the DS records of the zone below in its authority section.
    pub(super) fn anywhere(&self, name: &Name, rtype: RecordType) -> Option<&Set> {
        self.answer.iter().chain(&self.authority).find(|set| set.rtype == rtype && set.name == *name)
    }
}

fn sets(section: &[Record]) -> Vec<Set> {
    let mut found: Vec<Set> = Vec::new();
    for record in section.iter().take(MAX_RECORDS) {
        let signature = match &record.data {
            RData::DNSSEC(DNSSECRData::RRSIG(signature)) => Some(signature),
            _ => None,
        };
        let rtype = signature.map_or_else(|| record.record_type(), |s| s.input().type_covered);
        let place = found.iter().position(|set| set.rtype == rtype && set.name == record.name);
        let place = place.unwrap_or_else(|| {
            found.push(Set { name: record.name.clone(), rtype, records: Vec::new(), signatures: Vec::new() });
            found.len() - 1
        });
        let Some(set) = found.get_mut(place) else { continue };
        match signature {
            Some(signature) => set.signatures.push(signature.clone()),
            // A record that stands twice is signed once (RFC 4034 section 6.3).
            None if set.records.iter().any(|held| held.data == record.data) => {}
            None => set.records.push(record.clone()),
        }
    }
    found
}

/// A name as hickory has it, with its final dot.
pub(super) fn name(text: &str) -> Option<Name> {
    Name::from_ascii(format!("{}.", text.trim_end_matches('.'))).ok()
}

/// A name without its final dot; the root as `.`.
pub(super) fn text(name: &Name) -> String {
    let text = name.to_lowercase().to_ascii();
    match text.trim_end_matches('.') {
        "" => ".".to_owned(),
        text => text.to_owned(),
    }
}
