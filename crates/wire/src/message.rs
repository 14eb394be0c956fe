//! The form of a message (RFC 5322): its header fields, where the body begins, and how its lines end.

use crate::octets::escape;

/// The longest line that is allowed, in octets without its end (RFC 5322 section 2.1.1).
pub const MAX_LINE: usize = 998;

/// The most header fields that are kept.
pub const MAX_FIELDS: usize = 1000;

/// What is kept of one field, in octets.
pub const MAX_FIELD: usize = 16 * 1024;

/// What is kept of all fields, in octets.
const MAX_HEADER: usize = 1024 * 1024;

/// A message taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form {
    /// Name and unfolded value of each header field, in the form of [`escape`].
    pub fields: Vec<(String, String)>,
    /// Whether the header was longer than is kept: of what is absent here nobody can say that it is missing.
    pub cut: bool,
    /// Where the body begins, in octets.
    pub body_at: usize,
    /// The first line that is too long: its number from 1, and its octets.
    pub long_line: Option<(u64, u64)>,
    /// The first line that ends with a bare LF in a message whose first line ends with CRLF.
    pub bare_lf: Option<u64>,
}

/// Takes a message apart. A message that is kept in a file of Unix has LF for every end of a line: that is no flaw. The
/// line `From ` of an mbox before it is passed over.
pub fn read(octets: &[u8]) -> Form {
    let mut form = Form::default();
    let (mut at, mut number, mut kept) = (0_usize, 0_u64, 0_usize);
    let (mut in_header, mut crlf) = (true, false);
    let mut field: Option<(String, Vec<u8>)> = None;
    while let Some(rest) = octets.get(at..).filter(|rest| !rest.is_empty()) {
        let end = rest.iter().position(|&b| b == b'\n');
        let raw = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        let line = raw.strip_suffix(b"\r").unwrap_or(raw);
        number += 1;
        crlf |= number == 1 && raw.len() != line.len();
        at += end.map_or(rest.len(), |end| end + 1);
        if line.len() > MAX_LINE {
            form.long_line.get_or_insert((number, line.len() as u64));
        }
        if crlf && end.is_some() && raw.len() == line.len() {
            form.bare_lf.get_or_insert(number);
        }
        if !in_header || number == 1 && line.starts_with(b"From ") {
            continue;
        }
        let folded = line.first().is_some_and(|b| matches!(b, b' ' | b'\t'));
        if let Some((_, value)) = field.as_mut().filter(|_| folded) {
            let room = MAX_FIELD.saturating_sub(value.len());
            form.cut |= line.len() > room;
            value.extend(line.iter().take(room));
            continue;
        }
        form.keep(field.take(), &mut kept);
        field = split(line);
        if field.is_none() {
            // The empty line, or a line that is no field: a body without the empty line before it.
            in_header = false;
            form.body_at = if line.is_empty() { at } else { at - end.map_or(raw.len(), |end| end + 1) };
        }
    }
    form.keep(field, &mut kept);
    if in_header {
        form.body_at = octets.len();
    }
    form
}

impl Form {
    fn keep(&mut self, field: Option<(String, Vec<u8>)>, kept: &mut usize) {
        let Some((name, value)) = field else { return };
        *kept += name.len() + value.len();
        if self.fields.len() >= MAX_FIELDS || *kept > MAX_HEADER {
            self.cut = true;
        } else {
            let value = value.split(|&b| b == b'\t').collect::<Vec<_>>().join(&b' ');
            self.fields.push((name, escape(value.trim_ascii())));
        }
    }
}

/// Name and value of a field's first line (RFC 5322 section 2.2; blanks before the colon as in section 4.5).
fn split(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let colon = line.iter().position(|&b| b == b':')?;
    let (name, value) = line.split_at_checked(colon)?;
    let name = name.trim_ascii_end();
    let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    is_name.then(|| {
        let value = value.get(1..).unwrap_or_default();
        (String::from_utf8_lossy(name).into_owned(), value.iter().copied().take(MAX_FIELD).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_body_and_flaws() {
        let form = read(b"A: one\r\n\ttwo\r\nB : three\r\n\r\nbody\nmore\r\n");
        assert_eq!(form.fields, [("A".into(), "one two".into()), ("B".into(), "three".into())]);
        assert_eq!((form.body_at, form.bare_lf), (27, Some(5)));
        let unix = format!("From a@b Tue\nA: one\n\n{}\n", "x".repeat(999));
        let form = read(unix.as_bytes());
        assert_eq!((form.fields.len(), form.bare_lf, form.long_line), (1, None, Some((4, 999))));
        assert_eq!(read(b"A: one\r\nno field\r\n").body_at, 8);
        assert_eq!(read(b"A: one").body_at, 6);
        let many = "A: b\r\n".repeat(5000);
        assert!(read(many.as_bytes()).cut && read(many.as_bytes()).fields.len() == MAX_FIELDS);
    }

    proptest! {
        #[test]
        fn anything_can_be_read(octets in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b'\r'), Just(b':'), Just(b'a')], 0..200)) {
            prop_assert!(read(&octets).body_at <= octets.len());
        }
    }
}
