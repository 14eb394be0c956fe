//! Where the walk through the DNS begins: the root servers, and the keys of the root that are trusted.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hickory_proto::dnssec::rdata::DNSKEY;
use hickory_proto::dnssec::{Algorithm, DigestType, PublicKeyBuf};
use hickory_proto::rr::Name;

use crate::questions::dns::walk::Anchor;
use crate::questions::dns::{from_hex, to_hex};

/// The largest file that is read, in octets: the real ones have a few thousand.
const MAX_FILE: u64 = 256 * 1024;

/// The most root servers that are kept from a file.
const MAX_ROOTS: usize = 64;

/// The most trusted keys that are kept from a file.
const MAX_ANCHORS: usize = 16;

/// The keys of the root that IANA has published (root-anchors.xml): KSK-2017 and KSK-2024, by their SHA-256.
const ROOT_KEYS: [(u16, &str); 2] = [
    (20326, "e06d44b80b8f1d39a95c0b0d7c65d08458e880409bbc683457104237c7f8ec8d"),
    (38696, "683d2d0acb8c9b712a1948b27f741219298d0a450d612c483af444a4c0fb2b16"),
];

/// The algorithm of both, RSA/SHA-256, and the number of SHA-256 among the digests of DS records.
const RSA_SHA256: u8 = 8;
const SHA256: u8 = 2;

/// The root servers as IANA publishes them (`named.root`): letter, IPv4 and IPv6.
const ROOT_SERVERS: [(&str, &str, &str); 13] = [
    ("a", "198.41.0.4", "2001:503:ba3e::2:30"),
    ("b", "170.247.170.2", "2801:1b8:10::b"),
    ("c", "192.33.4.12", "2001:500:2::c"),
    ("d", "199.7.91.13", "2001:500:2d::d"),
    ("e", "192.203.230.10", "2001:500:a8::e"),
    ("f", "192.5.5.241", "2001:500:2f::f"),
    ("g", "192.112.36.4", "2001:500:12::d0d"),
    ("h", "198.97.190.53", "2001:500:1::53"),
    ("i", "192.36.148.17", "2001:7fe::53"),
    ("j", "192.58.128.30", "2001:503:c27::2:30"),
    ("k", "193.0.14.129", "2001:7fd::1"),
    ("l", "199.7.83.42", "2001:500:9f::42"),
    ("m", "202.12.27.33", "2001:dc3::35"),
];

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// It cannot be read.
    #[error("{} cannot be read: {why}; give {wanted}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why not.
        why: String,
        /// What it should hold.
        wanted: &'static str,
    },
    /// It holds nothing of what is needed.
    #[error("{} holds no {wanted}", file.display())]
    Empty {
        /// The file.
        file: PathBuf,
        /// What it should hold.
        wanted: &'static str,
    },
}

/// A server of the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootServer {
    /// Its name.
    pub host: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

/// Where a walk begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    /// The root servers.
    pub servers: Vec<RootServer>,
    /// The keys of the root that are trusted; with none nothing is validated.
    pub anchors: Vec<Anchor>,
}

impl Roots {
    /// The root servers and trusted keys of files, or those built in. The Internet's keys are not those of root servers of one's own:
    /// with those and without keys for them nothing is validated.
    ///
    /// # Errors
    /// [`RootsError`] where the file cannot be read or holds nothing to be used.
    pub fn load(hints: Option<&Path>, trusted: Option<&Path>) -> Result<Self, RootsError> {
        let wanted = "root hints: A or AAAA records of root servers in zone-file form";
        let servers = match hints {
            Some(file) => some(root_servers(&text_of(file, wanted)?), file, wanted)?,
            None => built_in(),
        };
        let wanted = "trust anchor: DS or DNSKEY records of the root in zone-file form, as unbound's root.key has them";
        let anchors = match trusted {
            Some(file) => some(anchors(&text_of(file, wanted)?), file, wanted)?,
            None if hints.is_some() => Vec::new(),
            None => built_in_keys(),
        };
        Ok(Self { servers, anchors })
    }
}

fn built_in() -> Vec<RootServer> {
    ROOT_SERVERS
        .iter()
        .map(|(letter, v4, v6)| RootServer {
            host: format!("{letter}.root-servers.net"),
            addresses: [v4, v6].into_iter().filter_map(|ip| ip.parse().ok()).collect(),
        })
        .collect()
}

fn built_in_keys() -> Vec<Anchor> {
    let anchor =
        |(tag, data): (u16, &str)| Anchor { tag, algorithm: RSA_SHA256, digest: SHA256, data: data.to_owned() };
    ROOT_KEYS.map(anchor).to_vec()
}

fn text_of(file: &Path, wanted: &'static str) -> Result<String, RootsError> {
    use std::io::Read;
    let unreadable = |why: String| RootsError::Unreadable { file: file.to_owned(), why, wanted };
    let mut text = String::new();
    let opened = std::fs::File::open(file).map_err(|e| unreadable(e.to_string()))?;
    opened.take(MAX_FILE).read_to_string(&mut text).map_err(|e| unreadable(e.to_string()))?;
    Ok(text)
}

fn some<T>(found: Vec<T>, file: &Path, wanted: &'static str) -> Result<Vec<T>, RootsError> {
    if found.is_empty() { Err(RootsError::Empty { file: file.to_owned(), wanted }) } else { Ok(found) }
}

/// The records of a text in zone-file form (RFC 1035 section 5.1): owner, type and data words. Comments, TTLs, classes
/// and directives are passed over; parentheses join lines.
fn records(text: &str) -> Vec<(String, String, Vec<String>)> {
    let mut found = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut open = false;
    let mut owner = String::new();
    for line in text.lines() {
        let line = line.split(';').next().unwrap_or_default();
        let inherits = !open && line.starts_with([' ', '\t']);
        if inherits && !line.trim().is_empty() {
            words.push(owner.clone());
        }
        for word in line.replace('(', " ( ").replace(')', " ) ").split_whitespace() {
            match word {
                "(" => open = true,
                ")" => open = false,
                word => words.push(word.to_owned()),
            }
        }
        if open || words.is_empty() {
            continue;
        }
        let mut rest = std::mem::take(&mut words).into_iter();
        owner = rest.next().unwrap_or_default();
        let is_extra = |w: &String| w.chars().all(|c| c.is_ascii_digit()) || w.eq_ignore_ascii_case("IN");
        let mut rest = rest.skip_while(is_extra);
        if let Some(rtype) = rest.next().filter(|_| !owner.starts_with('$')) {
            found.push((owner.clone(), rtype.to_ascii_uppercase(), rest.collect()));
        }
    }
    found
}

fn root_servers(text: &str) -> Vec<RootServer> {
    let mut found: Vec<RootServer> = Vec::new();
    for (owner, rtype, data) in records(text) {
        let Some(address) = data.first().filter(|_| matches!(rtype.as_str(), "A" | "AAAA")) else { continue };
        let Ok(address) = address.parse::<IpAddr>() else { continue };
        let host = owner.trim_end_matches('.').to_ascii_lowercase();
        match found.iter_mut().find(|s| s.host == host) {
            Some(server) => server.addresses.push(address),
            None => found.push(RootServer { host, addresses: vec![address] }),
        }
    }
    found.truncate(MAX_ROOTS);
    found
}

/// The DS and DNSKEY records of the root in a text.
fn anchors(text: &str) -> Vec<Anchor> {
    let of_root = records(text).into_iter().filter(|(owner, ..)| owner == ".");
    let mut found: Vec<Anchor> = Vec::new();
    for (_, rtype, data) in of_root {
        let anchor = match rtype.as_str() {
            "DS" => from_ds(&data),
            "DNSKEY" => from_key(&data),
            _ => None,
        };
        found.extend(anchor.filter(|anchor| !found.contains(anchor)));
    }
    found.truncate(MAX_ANCHORS);
    found
}

fn from_ds(data: &[String]) -> Option<Anchor> {
    let [tag, algorithm, digest, hex @ ..] = data else { return None };
    let data = hex.concat().to_ascii_lowercase();
    let fits = from_hex(&data).is_some_and(|octets| matches!(octets.len(), 20 | 32 | 48));
    let anchor =
        Anchor { tag: tag.parse().ok()?, algorithm: algorithm.parse().ok()?, digest: digest.parse().ok()?, data };
    fits.then_some(anchor)
}

fn from_key(data: &[String]) -> Option<Anchor> {
    let [flags, _, algorithm, key @ ..] = data else { return None };
    let algorithm: u8 = algorithm.parse().ok()?;
    let key = PublicKeyBuf::new(STANDARD.decode(key.concat()).ok()?, Algorithm::from_u8(algorithm));
    let key = DNSKEY::with_flags(flags.parse().ok()?, key);
    let digest = key.to_digest(&Name::root(), DigestType::SHA256).ok().filter(|_| key.zone_key() && !key.revoke())?;
    Some(Anchor { tag: key.calculate_key_tag().ok()?, algorithm, digest: SHA256, data: to_hex(digest.as_ref()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hints_in_the_form_of_named_root_are_read() {
        let text = "; comment\n$TTL 5\n.  3600000  NS  A.ROOT-SERVERS.NET.\nA.ROOT-SERVERS.NET. 3600000 A 198.41.0.4\n\
                    A.ROOT-SERVERS.NET. 3600000 IN AAAA 2001:503:ba3e::2:30\nb.root. A not-an-address\n";
        let found = root_servers(text);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].host.as_str(), found[0].addresses.len()), ("a.root-servers.net", 2));
    }

    #[test]
    fn records_are_read_over_several_lines_and_inherit_their_owner() {
        let text = "a.root. 86400 IN A ( ; of two lines
  192.0.2.1 )
  AAAA 2001:db8::1
";
        let found = root_servers(text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].addresses.len(), 2);
    }

    #[test]
    fn what_is_built_in_is_whole() {
        let roots = Roots::load(None, None).unwrap();
        assert_eq!(roots.servers.iter().map(|s| s.addresses.len()).sum::<usize>(), 26);
        // The library holds the same keys whole.
        let keys = hickory_proto::dnssec::TrustAnchors::default();
        let key = |place| STANDARD.encode(hickory_proto::dnssec::PublicKey::public_bytes(keys.get(place).unwrap()));
        let text = format!(". IN DNSKEY 257 3 8 {}\n. 172800 DNSKEY 257 3 8 ( {} ) ; 38696\n", key(0), key(1));
        assert_eq!(anchors(&text), roots.anchors);
    }

    #[test]
    fn keys_of_the_root_are_read_in_either_form() {
        let ds =
            "; from iana.org\n. IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D084 58E880409BBC683457104237C7F8EC8D\n";
        assert_eq!(anchors(ds), built_in_keys()[..1]);
        for none in [
            "",
            "org. DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
            ". DS 1 8 2 zz",
            ". DNSKEY 257 3 8 !",
            ". DNSKEY 385 3 8 AwEAAQ==",
        ] {
            assert!(anchors(none).is_empty(), "{none}");
        }
    }

    #[test]
    fn roots_of_ones_own_are_validated_only_by_keys_of_ones_own() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "a.root. A 192.0.2.1\n").unwrap();
        assert!(Roots::load(Some(file.path()), None).unwrap().anchors.is_empty());
        assert!(matches!(Roots::load(None, Some(file.path())), Err(RootsError::Empty { .. })));
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in ".{0,400}") {
            let _ = (root_servers(&text), anchors(&text));
        }
    }
}
