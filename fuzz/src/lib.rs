//! From the octets of a fuzzer to input that gets deep into a parser.
//!
//! Octets alone seldom say `250-` or `include:`. Input that begins with an octet above 127 is therefore read
//! as a list of words of the protocol; any other is taken as it stands, so that a corpus file is plain text.

/// What the input says, by the words of a protocol.
pub fn said(input: &[u8], words: &[&str]) -> Vec<u8> {
    match input.split_first() {
        Some((first, rest)) if *first > 127 => rest.iter().flat_map(|octet| word(*octet, words)).copied().collect(),
        _ => input.to_vec(),
    }
}

/// The same as text; what is no UTF-8 is replaced.
pub fn text(input: &[u8], words: &[&str]) -> String {
    String::from_utf8_lossy(&said(input, words)).into_owned()
}

/// Octets that parsers treat in their own way.
const SPECIAL: [&[u8]; 8] = [b"\0", b"0", b" ", b"\n", b".", b"\"", b"\xff", b"\\"];

/// An octet as one word of the list; every eighth as a special octet.
fn word<'a>(octet: u8, words: &[&'a str]) -> &'a [u8] {
    let place = usize::from(octet);
    let special = SPECIAL.get(place / 8 % SPECIAL.len()).filter(|_| place.is_multiple_of(8));
    match special {
        Some(octet) => octet,
        None => words.get(place % words.len().max(1)).map_or(&[], |word| word.as_bytes()),
    }
}

/// The octets in pieces whose sizes the input itself sets, none of them empty.
pub fn pieces<'a>(octets: &'a [u8], sizes: &[u8]) -> Vec<&'a [u8]> {
    let mut out = Vec::new();
    let mut rest = octets;
    for size in sizes.iter().cycle().take(octets.len()) {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at((usize::from(*size) % 17 + 1).min(rest.len()));
        out.push(piece);
        rest = after;
    }
    if !rest.is_empty() {
        out.push(rest);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stands_for_itself_and_a_high_octet_makes_words() {
        assert_eq!(said(b"250 ok", &["a"]), b"250 ok");
        assert_eq!(said(&[200, 1, 2, 8], &["x", "y"]), b"yx0");
    }

    #[test]
    fn pieces_make_up_the_whole() {
        let octets: Vec<u8> = (0..200).collect();
        assert_eq!(pieces(&octets, &[0, 3, 255]).concat(), octets);
        assert_eq!(pieces(&octets, &[]).concat(), octets);
    }
}
