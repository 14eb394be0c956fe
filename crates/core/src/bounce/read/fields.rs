//! Header fields (RFC 5322 section 2.2) and the fields of delivery reports, which have the same form.

use maildoctor_wire::octets::escape;

/// The longest field that is kept, in octets.
const MAX_FIELD_OCTETS: usize = 16 * 1024;

/// Name in lower case, and unfolded value, of each field in a block of them; the block ends at the first empty line.
pub(super) fn fields(block: &str) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = Vec::new();
    for line in block.lines().take_while(|line| !line.trim().is_empty()) {
        match out.last_mut() {
            Some((_, value)) if line.starts_with([' ', '\t']) => {
                if value.len() + line.len() < MAX_FIELD_OCTETS {
                    value.push(' ');
                    value.push_str(line.trim());
                }
            }
            _ => out.extend(field(line)),
        }
    }
    out
}

fn field(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    let is_name = !name.is_empty() && name.trim_end().bytes().all(|b| b.is_ascii_graphic());
    is_name.then(|| (name.trim_end().to_ascii_lowercase(), limited(value.trim(), MAX_FIELD_OCTETS).to_owned()))
}

/// `type; value` of a field of a report (RFC 3464 section 2.1.2); without a type all is value.
pub(super) fn typed(value: &str) -> &str {
    value.split_once(';').map_or(value, |(_, rest)| rest).trim()
}

/// A name or an address without what people put around it.
pub(super) fn bare(text: &str) -> &str {
    let text = text.rsplit_once('<').map_or(text, |(_, inner)| inner);
    text.split_once('>').map_or(text, |(inner, _)| inner).trim().trim_matches(['"', '\'', ',', ';', ':'])
}

/// Whether a word has the form of an address: something, an at sign, a domain.
pub(in crate::bounce) fn is_address(word: &str) -> bool {
    word.len() <= 320
        && word.rsplit_once('@').is_some_and(|(local, domain)| {
            let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
            !local.is_empty()
                && !local.contains(['<', '>', '(', ')', ',', ';', '"'])
                && domain.chars().all(plain)
                && domain.starts_with(char::is_alphanumeric)
                && domain.ends_with(char::is_alphanumeric)
        })
}

/// Whether a word has the form of a host's name with a dot in it, or of an address literal.
pub(super) fn is_host(word: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    word.len() <= 253 && word.contains('.') && !word.starts_with(['.', '-']) && word.bytes().all(plain)
        || word.parse::<std::net::IpAddr>().is_ok()
}

/// A text of a peer's as it is kept.
pub(super) fn kept(text: &str) -> String {
    escape(text.as_bytes())
}

/// The beginning of a text, cut between characters.
pub(super) fn limited(text: &str, octets: usize) -> &str {
    let mut cut = text.len().min(octets);
    while !text.is_char_boundary(cut) {
        cut -= 1;
    }
    text.get(..cut).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_unfolded_and_end_at_the_empty_line() {
        let read = fields("A: one\n two\nB : three\nno field\nC:\n\nD: body\n");
        let read: Vec<_> = read.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(read, [("a", "one two"), ("b", "three"), ("c", "")]);
    }

    #[test]
    fn addresses_and_hosts() {
        assert!(is_address("anna@example.org") && is_address("o'neil+x@example.org"));
        assert!(!is_address("@example.org") && !is_address("anna@") && !is_address("a@b,c"));
        assert!(is_host("mx.example.org") && is_host("2001:db8::1") && !is_host("localhost") && !is_host("5.1.1 x"));
        assert_eq!(bare("Anna <anna@example.org>"), "anna@example.org");
        assert_eq!(limited("aé", 2), "a");
    }
}
