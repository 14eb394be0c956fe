//! A ClientHello of our own, and what a server answers to it.
//!
//! rustls speaks TLS 1.2 and 1.3 with modern suites only. Before "nobody can shake hands" is claimed,
//! this hello offers everything from SSLv3 up with every suite there has been, and looks at the answer.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use tls_parser::{TlsMessage, TlsMessageHandshake, parse_tls_plaintext};

/// The most octets of an answer that are read: a ServerHello is in the first few hundred, and a certificate soon after.
pub const MAX_ANSWER_OCTETS: usize = 18 * 1024;

/// The type of a record with handshake messages, and the types of two such messages (RFC 5246 sections 6.2.1 and 7.4).
const HANDSHAKE: u8 = 22;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;

/// What a server answered to the hello.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum HelloAnswer {
    /// It would shake hands with this version and cipher suite.
    ServerHello {
        /// `SSLv3`, `TLS 1.0`, `TLS 1.1`, `TLS 1.2`.
        version: String,
        /// The suite's registered name, or its number.
        cipher: String,
        /// The server's own certificate, DER in Base64; `None` where it shows none. Up to TLS 1.2 it is sent in the clear.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        certificate: Option<String>,
    },
    /// It sent an alert.
    Alert {
        /// The alert's name: `handshake_failure`, `protocol_version` …
        alert: String,
    },
    /// It sent something that is no TLS.
    NotTls {
        /// The first octets, made harmless.
        octets: String,
    },
}

/// The suites that are offered: those of SSLv3 to TLS 1.2 that servers have had in use, strong and weak.
const SUITES: &[u16] = &[
    0xc02f, 0xc030, 0xc02b, 0xc02c, 0xcca8, 0xcca9, 0xc027, 0xc028, 0xc023, 0xc024, 0xc013, 0xc014, 0xc009, 0xc00a,
    0x009e, 0x009f, 0xccaa, 0x0067, 0x006b, 0x0033, 0x0039, 0x009c, 0x009d, 0x003c, 0x003d, 0x002f, 0x0035, 0x0041,
    0x0084, 0x0045, 0x0088, 0x0096, 0x009a, 0xc012, 0xc008, 0x0016, 0x000a, 0x0013, 0xc011, 0xc007, 0x0005, 0x0004,
    0x0009, 0x0015, 0x0012, 0x0003, 0x0006, 0x0008, 0x0014, 0x0011, 0x0018, 0x001b, 0x0034, 0x003a, 0xc018, 0xc019,
    0x0001, 0x0002, 0x003b, 0xc006, 0xc010,
];

/// The versions a hello can offer as its highest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// SSL 3.0 (RFC 6101).
    Ssl3,
    /// TLS 1.0 (RFC 2246).
    Tls10,
    /// TLS 1.1 (RFC 4346).
    Tls11,
    /// TLS 1.2 (RFC 5246).
    Tls12,
}

impl Version {
    fn number(self) -> u16 {
        match self {
            Version::Ssl3 => 0x0300,
            Version::Tls10 => 0x0301,
            Version::Tls11 => 0x0302,
            Version::Tls12 => 0x0303,
        }
    }
}

/// The octets of a ClientHello that offers `highest` and everything below, to the server named.
pub fn client_hello(highest: Version, random: [u8; 32], server_name: Option<&str>) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(highest.number().to_be_bytes());
    body.extend(random);
    body.push(0);
    put_vector(&mut body, &SUITES.iter().flat_map(|s| s.to_be_bytes()).collect::<Vec<u8>>());
    body.extend([1, 0]);
    if highest > Version::Ssl3 {
        let mut extensions = Vec::new();
        if let Some(name) = server_name.filter(|n| n.is_ascii() && n.len() < 256) {
            let mut list = vec![0];
            put_vector(&mut list, name.as_bytes());
            let mut value = Vec::new();
            put_vector(&mut value, &list);
            put_extension(&mut extensions, 0, &value);
        }
        let groups: Vec<u8> = [0x001d_u16, 0x0017, 0x0018, 0x0019].iter().flat_map(|g| g.to_be_bytes()).collect();
        let mut value = Vec::new();
        put_vector(&mut value, &groups);
        put_extension(&mut extensions, 10, &value);
        put_extension(&mut extensions, 11, &[1, 0]);
        if highest == Version::Tls12 {
            let schemes: Vec<u8> =
                [0x0403_u16, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0603, 0x0806, 0x0601, 0x0203, 0x0201, 0x0202]
                    .iter()
                    .flat_map(|s| s.to_be_bytes())
                    .collect();
            let mut value = Vec::new();
            put_vector(&mut value, &schemes);
            put_extension(&mut extensions, 13, &value);
        }
        put_vector(&mut body, &extensions);
    }
    let mut handshake = vec![1];
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    handshake.extend(length.to_be_bytes().iter().skip(1));
    handshake.extend(body);
    let mut record = vec![22];
    record.extend(highest.number().min(Version::Tls10.number()).to_be_bytes());
    put_vector(&mut record, &handshake);
    record
}

/// A vector with a length of two octets.
fn put_vector(out: &mut Vec<u8>, octets: &[u8]) {
    out.extend(u16::try_from(octets.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(octets);
}

fn put_extension(out: &mut Vec<u8>, number: u16, value: &[u8]) {
    out.extend(number.to_be_bytes());
    put_vector(out, value);
}

/// Reads what a server answered; `None` where more octets are needed.
pub fn read_answer(octets: &[u8]) -> Option<HelloAnswer> {
    let not_tls = || HelloAnswer::NotTls {
        octets: crate::octets::escape(octets.get(..octets.len().min(60)).unwrap_or_default()),
    };
    match octets.first() {
        None => return None,
        Some(21 | 22) => {}
        Some(_) => return Some(not_tls()),
    }
    match parse_tls_plaintext(octets) {
        Ok((_, plaintext)) => plaintext.msg.iter().find_map(|message| match message {
            TlsMessage::Handshake(TlsMessageHandshake::ServerHello(hello)) => Some(HelloAnswer::ServerHello {
                version: version_name(hello.version.0),
                cipher: hello
                    .get_cipher()
                    .map_or_else(|| format!("0x{:04x}", hello.cipher.0), |suite| suite.name.to_owned()),
                certificate: certificate(octets).flatten().map(|der| STANDARD.encode(der)),
            }),
            TlsMessage::Alert(alert) => Some(HelloAnswer::Alert { alert: alert_name(alert.code.0) }),
            _ => None,
        }),
        Err(tls_parser::nom::Err::Incomplete(_)) if octets.len() < MAX_ANSWER_OCTETS => None,
        Err(_) => Some(not_tls()),
    }
}

/// Whether an answer has come as far as anything is read of it: a refusal, or a ServerHello with the certificate behind it.
pub fn has_told_all(octets: &[u8]) -> bool {
    match read_answer(octets) {
        None => false,
        Some(HelloAnswer::ServerHello { .. }) => certificate(octets).is_some(),
        Some(_) => true,
    }
}

/// The server's own certificate in DER (RFC 5246 section 7.4.2); `None` where more octets are needed, and nothing within where
/// the server goes on without one.
fn certificate(octets: &[u8]) -> Option<Option<Vec<u8>>> {
    let messages = handshake(octets);
    let mut rest = messages.as_slice();
    loop {
        let (&[kind, a, b, c], after) = rest.split_first_chunk()?;
        let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        let whole = after.get(..length);
        match kind {
            // Of the list only the first certificate is read: its length stands behind that of the list.
            CERTIFICATE => {
                let (&[_, _, _, a, b, c], list) = whole?.split_first_chunk()?;
                let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                return Some(list.get(..length).map(<[u8]>::to_vec));
            }
            SERVER_HELLO => rest = after.get(length..)?,
            _ => return Some(None),
        }
    }
}

/// The handshake messages of an answer, out of the records that they lie in.
fn handshake(octets: &[u8]) -> Vec<u8> {
    let mut messages = Vec::new();
    let mut rest = octets;
    while let Some((&[HANDSHAKE, _, _, high, low], after)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (record, next) = after.split_at(length.min(after.len()));
        messages.extend_from_slice(record);
        rest = next;
    }
    messages
}

/// Whether a suite, by its registered name, is broken, encrypts nothing or authenticates nobody (RFC 9325 section 4.1).
pub fn is_weak(cipher: &str) -> bool {
    const WEAK: [&str; 7] = ["_RC4_", "_RC2_", "_DES", "_3DES_", "_NULL_", "EXPORT", "_anon_"];
    WEAK.iter().any(|part| cipher.contains(part))
}

/// The usual name of a version number.
pub fn version_name(number: u16) -> String {
    match number {
        0x0300 => "SSLv3".to_owned(),
        0x0301 => "TLS 1.0".to_owned(),
        0x0302 => "TLS 1.1".to_owned(),
        0x0303 => "TLS 1.2".to_owned(),
        0x0304 => "TLS 1.3".to_owned(),
        other => format!("0x{other:04x}"),
    }
}

/// The registered name of an alert (RFC 8446 section 6).
pub fn alert_name(code: u8) -> String {
    let name = match code {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        22 => "record_overflow",
        40 => "handshake_failure",
        41 => "no_certificate",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        109 => "missing_extension",
        112 => "unrecognized_name",
        116 => "certificate_required",
        120 => "no_application_protocol",
        _ => return format!("alert {code}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn our_hello_reads_as_a_client_hello() {
        for version in [Version::Ssl3, Version::Tls10, Version::Tls11, Version::Tls12] {
            let octets = client_hello(version, [7; 32], Some("mx.example.org"));
            let (rest, record) = parse_tls_plaintext(&octets).unwrap();
            assert!(rest.is_empty());
            let TlsMessage::Handshake(TlsMessageHandshake::ClientHello(hello)) = &record.msg[0] else {
                panic!("{version:?}")
            };
            assert_eq!(hello.version.0, version.number());
            assert!(hello.ciphers.len() > 40);
        }
    }

    #[test]
    fn weak_suites_are_known_by_their_names() {
        let named = |number: u16| tls_parser::TlsCipherSuite::from_id(number).unwrap().name;
        for strong in [0xc02f, 0xc013, 0x009e, 0x002f, 0x0035, 0x0041, 0xccaa] {
            assert!(!is_weak(named(strong)), "{}", named(strong));
        }
        for weak in
            [0x0004, 0x0005, 0x000a, 0x0009, 0x0003, 0x0008, 0x0001, 0x003b, 0x0018, 0x0034, 0xc018, 0xc010, 0x0016]
        {
            assert!(is_weak(named(weak)), "{}", named(weak));
        }
    }

    #[test]
    fn answers_are_told_apart() {
        assert_eq!(read_answer(b""), None);
        assert_eq!(
            read_answer(&[21, 3, 1, 0, 2, 2, 40]),
            Some(HelloAnswer::Alert { alert: "handshake_failure".into() })
        );
        assert!(matches!(read_answer(b"220 mx"), Some(HelloAnswer::NotTls { .. })));
        assert_eq!(read_answer(&[22, 3, 3, 0, 80, 2]), None);
    }

    /// A message within the handshake: its type, its length in three octets, itself.
    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&[kind], &length[1..], body].concat()
    }

    #[test]
    fn the_certificate_stands_behind_the_hello_in_whatever_records() {
        let hello = message(SERVER_HELLO, &[&[3, 3][..], &[7; 32], &[0, 0xc0, 0x2f, 0]].concat());
        let der = [0x30, 3, 2, 1, 1];
        let list = [&[0, 0, 8, 0, 0, 5][..], &der].concat();
        let messages = [hello.clone(), message(CERTIFICATE, &list), message(14, &[])].concat();
        for size in [hello.len(), hello.len() + 3, messages.len()] {
            let record = |part: &[u8]| {
                [&[HANDSHAKE, 3, 3][..], &u16::try_from(part.len()).unwrap().to_be_bytes(), part].concat()
            };
            let (first, second) = messages.split_at(size);
            let octets = if second.is_empty() { record(first) } else { [record(first), record(second)].concat() };
            let told = (0..=octets.len()).find(|&n| has_told_all(&octets[..n])).unwrap();
            assert!(told > hello.len() + 5, "{size}");
            let Some(HelloAnswer::ServerHello { certificate, .. }) = read_answer(&octets) else { panic!("{size}") };
            assert_eq!(certificate, Some(STANDARD.encode(der)), "{size}");
        }
        // No certificate: a suite without authentication.
        let without = [hello, message(12, &[1])].concat();
        assert_eq!(
            certificate(&[&[HANDSHAKE, 3, 3, 0, u8::try_from(without.len()).unwrap()][..], &without].concat()),
            Some(None)
        );
    }

    proptest! {
        #[test]
        fn any_answer_can_be_read(octets in proptest::collection::vec(any::<u8>(), 0..300), handshake in any::<bool>()) {
            let mut octets = octets;
            if handshake && let Some(first) = octets.first_mut() {
                *first = 22;
            }
            let _ = read_answer(&octets);
        }
    }
}
