//! The forms in which programs save messages, and what is none of them.

use std::borrow::Cow;

use maildoctor_wire::octets::with_line_ends;

use super::NoMessage;

/// How much is looked at to know the form.
const HEAD_OCTETS: usize = 256;

/// How files begin that hold messages in a form of their own.
const PACKED: [(&[u8], NoMessage); 5] = [
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", NoMessage::Outlook),
    (b"!BDN", NoMessage::Outlook),
    (b"PK\x03\x04", NoMessage::Packed),
    (b"\x1f\x8b", NoMessage::Packed),
    (b"\x78\x9f\x3e\x22", NoMessage::Outlook),
];

/// The octets of a message as they came over the wire, as far as the program that saved them left them so.
///
/// # Errors
/// [`NoMessage`] where the file is of another kind, or nothing is in it.
pub(super) fn plain(octets: &[u8]) -> Result<Cow<'_, [u8]>, NoMessage> {
    if let Some((_, error)) = PACKED.iter().find(|(magic, _)| octets.starts_with(magic)) {
        return Err(*error);
    }
    let octets = match utf16(octets) {
        Some(text) => Cow::Owned(text),
        None => Cow::Borrowed(octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets)),
    };
    let octets = trimmed(octets);
    if octets.iter().all(|octet| octet.is_ascii_whitespace() || *octet == 0) {
        return Err(NoMessage::Empty);
    }
    Ok(with_line_ends(octets))
}

/// Text in UTF-16, as shells of Windows write it, in UTF-8.
fn utf16(octets: &[u8]) -> Option<Vec<u8>> {
    let (text, is_little) = match octets {
        [0xff, 0xfe, rest @ ..] => (rest, true),
        [0xfe, 0xff, rest @ ..] => (rest, false),
        [a, 0, b, 0, ..] if *a != 0 && *b != 0 => (octets, true),
        [0, a, 0, b, ..] if *a != 0 && *b != 0 => (octets, false),
        _ => return None,
    };
    let units = text.chunks_exact(2).filter_map(|pair| <[u8; 2]>::try_from(pair).ok());
    let units = units.map(|pair| if is_little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) });
    Some(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect::<String>().into_bytes())
}

/// Without empty lines before the header; and of Apple Mail's .emlx, which begins with a line with the length, the message.
fn trimmed(octets: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let blank = octets.iter().take_while(|octet| octet.is_ascii_whitespace()).count();
    // A blank before the name of a field is no empty line.
    let start = octets.get(..blank).and_then(|head| head.iter().rposition(|b| matches!(b, b'\n' | b'\r')));
    let start = start.map_or(0, |at| at + 1);
    let head = octets.get(start..).unwrap_or_default();
    let line =
        head.iter().take(HEAD_OCTETS).position(|b| *b == b'\n').and_then(|end| head.get(..end)).unwrap_or_default();
    let length = std::str::from_utf8(line).ok().and_then(|line| line.trim().parse::<usize>().ok());
    let (from, to) = match length {
        Some(length) => (start + line.len() + 1, (start + line.len() + 1).saturating_add(length).min(octets.len())),
        None => (start, octets.len()),
    };
    match octets {
        _ if (from, to) == (0, octets.len()) => octets,
        Cow::Borrowed(octets) => Cow::Borrowed(octets.get(from..to).unwrap_or_default()),
        Cow::Owned(octets) => Cow::Owned(octets.get(from..to).unwrap_or_default().to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(octets: &[u8]) -> Vec<u8> {
        plain(octets).unwrap().into_owned()
    }

    #[test]
    fn forms_in_which_messages_are_saved() {
        let message = b"A: b\r\n\r\nc\r\n".to_vec();
        let units: Vec<u16> = "A: b\r\n\r\nc\r\n".encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        let before = |head: &[u8], rest: &[u8]| [head, rest].concat();
        for form in [
            message.clone(),
            before(b"\xef\xbb\xbf", &message),
            before(b"\r\n \r\n", &message),
            before(b"11  \n", &before(&message, b"<?xml version=\"1.0\"?>")),
            before(b"\xff\xfe", &little),
            before(b"\xfe\xff", &big),
            little,
            big,
        ] {
            assert_eq!(of(&form), message, "{form:?}");
        }
        assert_eq!(of(b"A: b\r\rc\r"), b"A: b\n\nc\n");
        assert_eq!(of(b"\n A: b\n"), b" A: b\n");
    }

    #[test]
    fn files_that_are_none() {
        for (octets, error) in [
            (&b""[..], NoMessage::Empty),
            (b" \r\n\t", NoMessage::Empty),
            (b"\0\0\0\0", NoMessage::Empty),
            (b"\xff\xfe", NoMessage::Empty),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", NoMessage::Outlook),
            (b"PK\x03\x04x", NoMessage::Packed),
        ] {
            assert_eq!(plain(octets), Err(error), "{octets:?}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_can_be_read(octets in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b'\r'), Just(0), Just(b'1')], 0..200)) {
            let _ = plain(&octets);
        }
    }
}
