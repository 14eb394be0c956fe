//! What a banner says of its server (RFC 5321 section 4.2).

use crate::reply::Reply;

/// A banner read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Banner {
    /// The first word, where it can be a host name or an address literal.
    pub host: Option<String>,
    /// Whether something on the way has turned it into asterisks, as Cisco PIX and ASA do.
    pub masked: bool,
    /// Product and version, where the banner tells a version number.
    pub version: Option<String>,
}

impl Banner {
    /// Reads a 220 reply; `None` for any other.
    pub fn of(reply: &Reply) -> Option<Self> {
        if reply.code != 220 {
            return None;
        }
        let text = reply.lines.first().map(String::as_str).unwrap_or_default();
        let first = text.split_whitespace().next().unwrap_or_default();
        Some(Self {
            host: could_be_host(first).then(|| first.to_owned()),
            masked: is_masked(&reply.text()),
            version: version(&reply.text()),
        })
    }
}

/// A domain name with a dot, a bare name, or an address literal; not a word such as `Welcome,`.
fn could_be_host(word: &str) -> bool {
    if word.starts_with('[') && word.ends_with(']') {
        return true;
    }
    let mut labels = word.trim_end_matches('.').split('.');
    let label_ok = |l: &str| {
        !l.is_empty() && l.len() <= 63 && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let known_word =
        ["ESMTP", "SMTP", "WELCOME", "HELLO", "MAIL", "READY", "SERVICE"].contains(&word.to_ascii_uppercase().as_str());
    !known_word
        && labels.clone().count() > 0
        && labels.clone().all(label_ok)
        && labels.next_back().is_some_and(|l| !l.bytes().all(|b| b.is_ascii_digit()))
}

/// Mostly asterisks: PIX leaves only the characters of `220`, blanks, and now and then a 2 or 0.
fn is_masked(text: &str) -> bool {
    let stars = text.bytes().filter(|b| *b == b'*').count();
    let others = text.bytes().filter(|b| !matches!(b, b'*' | b'2' | b'0' | b' ')).count();
    stars >= 6 && others * 4 <= stars
}

/// A word of digits and dots of at least two numbers, with the word before it.
fn version(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split([' ', '(', ')', ';', ',', '/']).filter(|w| !w.is_empty()).collect();
    words.windows(2).skip(1).find_map(|pair| {
        let [name, number] = pair else { return None };
        let bare = number.trim_start_matches(['v', 'V']);
        let numbers: Vec<&str> = bare.split('.').collect();
        let digits = |s: &&str| s.bytes().next().is_some_and(|b| b.is_ascii_digit());
        let is_version = numbers.len() >= 2 && numbers.iter().all(digits) && numbers.len() <= 5;
        let is_address = bare.parse::<std::net::IpAddr>().is_ok() && !name.eq_ignore_ascii_case("version");
        // A clock time or a day is no version; neither is an address.
        let named = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && name.bytes().any(|b| b.is_ascii_alphabetic());
        (is_version && !is_address && named && !number.contains(':')).then(|| format!("{name} {number}"))
    })
}

/// Whether a server's own name is one that nobody outside can resolve: `localhost`, no dot, or a
/// suffix that is kept for private use.
pub fn is_private_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    if name.starts_with('[') {
        return false;
    }
    const SUFFIXES: [&str; 8] =
        ["localhost", "localdomain", "local", "lan", "internal", "intranet", "home.arpa", "invalid"];
    !name.contains('.') || SUFFIXES.iter().any(|s| name.strip_suffix(s).is_some_and(|head| head.ends_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(text: &str) -> Banner {
        Banner::of(&Reply::line(220, text)).unwrap()
    }

    #[test]
    fn names_versions_and_masks() {
        assert_eq!(of("mx.example.org ESMTP Postfix").host.as_deref(), Some("mx.example.org"));
        assert_eq!(of("mx.example.org ESMTP Postfix").version, None);
        assert_eq!(
            of("mx.example.org ESMTP Exim 4.96 Tue, 24 Nov 2026 13:00:00 +0000").version.as_deref(),
            Some("Exim 4.96")
        );
        assert_eq!(
            of("example.org ModusMail ESMTP Receiver version 4.5.123 ready").version.as_deref(),
            Some("version 4.5.123")
        );
        assert_eq!(of("ESMTP ready").host, None);
        assert!(of("***2**********0*0***********2002****2***0**00").masked);
        assert!(!of("mx.example.org ESMTP *** no spam ***").masked);
        assert_eq!(of("mx.example.org ESMTP 192.0.2.7 ready").version, None);
    }

    #[test]
    fn names_for_private_use() {
        for name in ["localhost", "localhost.localdomain", "mail", "exchange.corp.local", "mx.lan"] {
            assert!(is_private_name(name), "{name}");
        }
        assert!(!is_private_name("mx.example.org") && !is_private_name("[192.0.2.1]"));
    }

    proptest! {
        #[test]
        fn any_banner_can_be_read(text in ".{0,120}") {
            let b = of(&text);
            let _ = b.host.map(|h| is_private_name(&h));
        }
    }
}
