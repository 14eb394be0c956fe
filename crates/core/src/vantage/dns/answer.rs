//! What an answer of a DNS server says, record for record.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hickory_proto::dnssec::PublicKey;
use hickory_proto::dnssec::rdata::DNSSECRData;
use hickory_proto::op::{Edns, Message, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{Name, RData};

use crate::questions::dns::{Data, DnsResult, ExtendedError, Record, to_hex};

/// The most records of the answer section that are kept.
const MAX_RECORDS: usize = 512;

/// The most records of each other section: thirteen name servers with four addresses each, and signatures.
const MAX_ASIDE: usize = 72;

/// The largest message that a case keeps as it came, in octets.
const MAX_KEPT: usize = 8192;

/// What an answer says. `raw` is the message as it came, where it is to be kept.
pub(super) fn answered(message: &Message, raw: Option<&[u8]>) -> DnsResult {
    let records = |section: &[hickory_proto::rr::Record], most: usize| section.iter().take(most).map(record).collect();
    DnsResult::Answered {
        rcode: rcode_name(message.metadata.response_code),
        aa: message.metadata.authoritative,
        ad: message.metadata.authentic_data,
        ra: message.metadata.recursion_available,
        answers: records(&message.answers, MAX_RECORDS),
        authority: records(&message.authorities, MAX_ASIDE),
        additional: records(&message.additionals, MAX_ASIDE),
        ede: message.edns.as_ref().map(extended_errors).unwrap_or_default(),
        raw: raw.filter(|octets| octets.len() <= MAX_KEPT).map(|octets| STANDARD.encode(octets)),
    }
}

fn extended_errors(edns: &Edns) -> Vec<ExtendedError> {
    edns.options()
        .as_ref()
        .iter()
        .filter_map(|(code, option)| match (u16::from(*code), option) {
            (15, EdnsOption::Unknown(_, data)) => {
                let (code, text) = data.split_at_checked(2)?;
                Some(ExtendedError {
                    code: u16::from_be_bytes(code.try_into().ok()?),
                    text: maildoctor_wire::octets::escape(text),
                })
            }
            _ => None,
        })
        .collect()
}

fn rcode_name(code: ResponseCode) -> String {
    match code {
        ResponseCode::NoError => "NOERROR".to_owned(),
        ResponseCode::FormErr => "FORMERR".to_owned(),
        ResponseCode::ServFail => "SERVFAIL".to_owned(),
        ResponseCode::NXDomain => "NXDOMAIN".to_owned(),
        ResponseCode::NotImp => "NOTIMP".to_owned(),
        ResponseCode::Refused => "REFUSED".to_owned(),
        other => format!("RCODE{}", u16::from(other)),
    }
}

fn text(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_owned()
}

fn record(record: &hickory_proto::rr::Record) -> Record {
    let data = match &record.data {
        RData::A(a) => Data::A { address: a.0 },
        RData::AAAA(a) => Data::Aaaa { address: a.0 },
        RData::MX(mx) => Data::Mx { preference: mx.preference, exchange: text(&mx.exchange) },
        RData::NS(ns) => Data::Ns { host: text(&ns.0) },
        RData::CNAME(c) => Data::Cname { target: text(&c.0) },
        RData::PTR(p) => Data::Ptr { host: text(&p.0) },
        RData::SOA(soa) => Data::Soa { primary: text(&soa.mname), serial: soa.serial, minimum: soa.minimum },
        RData::TXT(txt) => Data::Txt { text: maildoctor_wire::octets::escape(&txt.txt_data.concat()) },
        RData::SRV(srv) => {
            Data::Srv { priority: srv.priority, weight: srv.weight, port: srv.port, target: text(&srv.target) }
        }
        RData::TLSA(tlsa) => Data::Tlsa {
            usage: u8::from(tlsa.cert_usage),
            selector: u8::from(tlsa.selector),
            matching: u8::from(tlsa.matching),
            data: to_hex(&tlsa.cert_data),
        },
        RData::DNSSEC(DNSSECRData::DS(ds)) => {
            Data::Ds { tag: ds.key_tag(), algorithm: ds.algorithm().into(), digest: ds.digest_type().into() }
        }
        RData::DNSSEC(DNSSECRData::DNSKEY(key)) => Data::Dnskey {
            flags: key.flags(),
            algorithm: key.public_key().algorithm().into(),
            tag: key.calculate_key_tag().unwrap_or_default(),
        },
        RData::DNSSEC(DNSSECRData::RRSIG(sig)) => {
            let input = sig.input();
            Data::Rrsig {
                covers: input.type_covered.into(),
                algorithm: input.algorithm.into(),
                tag: input.key_tag,
                signer: text(&input.signer_name),
                inception: input.sig_inception.get(),
                expiration: input.sig_expiration.get(),
            }
        }
        other => Data::Other { number: u16::from(other.record_type()) },
    };
    Record { name: text(&record.name), ttl: record.ttl, data }
}
