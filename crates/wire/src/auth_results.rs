//! Authentication-Results headers (RFC 8601): what a server found of SPF, DKIM, DMARC and ARC.

use serde::{Deserialize, Serialize};

/// The most results of one header that are read.
const MAX_RESULTS: usize = 50;

/// What one server found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthResults {
    /// The authserv-id: the server that says it. `None` where the header has none, as Microsoft writes it.
    pub server: Option<String>,
    /// What it found, in order.
    pub results: Vec<MethodResult>,
}

/// What came of one method.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MethodResult {
    /// `spf`, `dkim`, `dmarc`, `arc` …, in lower case.
    pub method: String,
    /// `pass`, `fail`, `none` …, in lower case.
    pub result: String,
    /// What the result rests on: `header.d` and its value.
    pub properties: Vec<(String, String)>,
    /// What the server adds: the text of `reason=`, else of the first comment.
    pub reason: Option<String>,
}

impl MethodResult {
    /// The value of a property, such as `header.d`.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Reads the value of a header; `None` where it holds neither a server nor a result.
pub fn parse(value: &str) -> Option<AuthResults> {
    let mut read = AuthResults::default();
    for (place, part) in parts(value).into_iter().enumerate() {
        let mut words = part.words.into_iter();
        let Some((key, result)) = words.next() else { continue };
        match result {
            None if place == 0 => read.server = Some(key),
            // Amazon and Yahoo divide properties by semicolons too.
            Some(value) if is_property(&key, &value) => {
                if let Some(last) = read.results.last_mut() {
                    last.properties.push((key, value));
                }
            }
            Some(result) if read.results.len() < MAX_RESULTS => {
                let method = key.split('/').next().unwrap_or_default().to_ascii_lowercase();
                let pairs = words.filter_map(|(key, value)| Some((key, value?)));
                let (reasons, properties): (Vec<_>, Vec<_>) =
                    pairs.partition(|(key, _)| key.eq_ignore_ascii_case("reason"));
                let reason = reasons.into_iter().next().map(|(_, text)| text).or(part.comment);
                read.results.push(MethodResult { method, result: result.to_ascii_lowercase(), properties, reason });
            }
            _ => {}
        }
    }
    (read.server.is_some() || !read.results.is_empty()).then_some(read)
}

/// Whether a pair is no method with its result, which is one word of a registry (RFC 8601 section 2.7): an address, a name.
fn is_property(key: &str, value: &str) -> bool {
    value.contains(['.', '@', ':']) || key.eq_ignore_ascii_case("helo")
}

/// What stands between two semicolons: words, each with its value behind an equals sign, and the first comment.
#[derive(Default)]
struct Part {
    words: Vec<(String, Option<String>)>,
    comment: Option<String>,
}

/// Takes a header apart at its semicolons, heeding comments, which may nest, and quoted strings.
fn parts(value: &str) -> Vec<Part> {
    let mut out = vec![Part::default()];
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    let (mut word, mut comment) = (String::new(), String::new());
    let take = |out: &mut Vec<Part>, word: &mut String| {
        let Some(part) = out.last_mut() else { return };
        let text = std::mem::take(word);
        match (text.split_once('='), part.words.last_mut()) {
            _ if text.is_empty() => {}
            // `key = value`, with blanks around the sign.
            (Some(("", value)), Some((_, slot @ None))) => *slot = Some(value.to_owned()),
            (None, Some((_, Some(slot)))) if slot.is_empty() => *slot = text,
            (Some((key, value)), _) => part.words.push((key.to_owned(), Some(value.to_owned()))),
            (None, _) => part.words.push((text, None)),
        }
    };
    for c in value.chars() {
        let plain = !std::mem::take(&mut escaped);
        match c {
            '\\' if plain && (quoted || depth > 0) => escaped = true,
            '"' if plain && depth == 0 => quoted = !quoted,
            _ if quoted => word.push(c),
            '(' if plain => {
                if depth == 0 {
                    take(&mut out, &mut word);
                }
                depth += 1;
            }
            ')' if plain && depth > 0 => {
                depth -= 1;
                if let Some(part) = out.last_mut().filter(|_| depth == 0) {
                    part.comment.get_or_insert_with(|| std::mem::take(&mut comment));
                    comment.clear();
                }
            }
            _ if depth > 0 => comment.push(c),
            ';' => {
                take(&mut out, &mut word);
                out.push(Part::default());
            }
            c if c.is_whitespace() => take(&mut out, &mut word),
            c => word.push(c),
        }
    }
    take(&mut out, &mut word);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn headers_of_several_servers() {
        let gmail = parse(
            "mx.google.com;\r\n       dkim=neutral (body hash did not verify) header.i=@example.org header.s=m1;\r\n       spf=pass (google.com: domain of a@example.org designates 192.0.2.1 as permitted sender) smtp.mailfrom=a@example.org;\r\n       dmarc=fail (p=NONE sp=NONE dis=NONE) header.from=example.org",
        )
        .unwrap();
        assert_eq!(gmail.server.as_deref(), Some("mx.google.com"));
        let all: Vec<_> = gmail.results.iter().map(|r| (r.method.as_str(), r.result.as_str())).collect();
        assert_eq!(all, [("dkim", "neutral"), ("spf", "pass"), ("dmarc", "fail")]);
        assert_eq!(gmail.results[0].reason.as_deref(), Some("body hash did not verify"));
        assert_eq!(gmail.results[2].property("header.from"), Some("example.org"));
        let microsoft =
            parse("spf=fail (sender IP is 192.0.2.1) smtp.mailfrom=example.org; dmarc=fail action=none").unwrap();
        assert_eq!((microsoft.server, microsoft.results.len()), (None, 2));
        let odd = parse("example.com 1; dkim/1 = fail reason = \"bad; key\" (c (d)) header.d=example.net").unwrap();
        assert_eq!(odd.results[0].reason.as_deref(), Some("bad; key"));
        assert_eq!(odd.results[0].property("header.d"), Some("example.net"));
        assert_eq!(parse("mail.example.org; none").unwrap().results, []);
        let divided = parse(
            "mx.example.org; spf=pass client-ip=192.0.2.1; envelope-from=a@example.net; helo=localhost; dkim=pass",
        );
        let divided = divided.unwrap().results;
        assert_eq!((divided.len(), divided[0].property("envelope-from")), (2, Some("a@example.net")));
        assert_eq!(parse(" ; "), None);
    }

    proptest! {
        #[test]
        fn any_header_can_be_read(text in "[a-z=;()\"\\\\ ./]{0,80}|.{0,80}") {
            let _ = parse(&text);
        }
    }
}
