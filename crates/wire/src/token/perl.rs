//! What perl makes of a double-quoted string, as far as the token traps need it (perlop, "Quote and
//! Quote-like Operators"): arrays and scalars that do not exist vanish, and `\0` takes octal digits.

/// The text with every `@name` gone, as perl leaves it where no such array exists.
pub(super) fn arrays_lost(text: &str) -> String {
    names_lost(text, '@')
}

/// The text with every `$name` gone, as perl leaves it where no such scalar exists.
pub(super) fn scalars_lost(text: &str) -> String {
    names_lost(text, '$')
}

fn names_lost(text: &str, sigil: char) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(sigil) {
        out.push_str(before);
        match name_length(after) {
            Some(length) => rest = after.get(length..).unwrap_or_default(),
            None => {
                out.push(sigil);
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// How much of the text behind a sigil perl takes for a name: an identifier with packages
/// (`a::b`), a run of digits, or either in braces.
fn name_length(after: &str) -> Option<usize> {
    if let Some(inner) = after.strip_prefix('{') {
        let (name, _) = inner.split_once('}')?;
        return (bare_length(name)? == name.len()).then_some(name.len() + 2);
    }
    bare_length(after)
}

fn bare_length(text: &str) -> Option<usize> {
    let word = |s: &str| s.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    let first = text.bytes().next()?;
    if first.is_ascii_digit() {
        return Some(text.bytes().take_while(u8::is_ascii_digit).count());
    }
    let mut length = word(text);
    while let Some(after) = text.get(length..).and_then(|rest| rest.strip_prefix("::")) {
        match word(after) {
            0 => break,
            more => length += 2 + more,
        }
    }
    (length > 0).then_some(length)
}

/// `\0` and what follows it: up to two more octal digits are taken with it and make one character.
pub(super) fn after_backslash_zero(text: &str) -> Vec<u8> {
    let digits = text.bytes().take(2).take_while(|b| (b'0'..=b'7').contains(b)).count();
    let (eaten, rest) = text.split_at(digits);
    let code = eaten.bytes().fold(0, |n, d| n * 8 + (d - b'0'));
    let mut out = vec![code];
    out.extend_from_slice(rest.as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// What the real perl makes of a double-quoted string.
    fn perl(inside: &str) -> Vec<u8> {
        let out =
            Command::new("perl").args(["-e", &format!("print \"{inside}\"")]).output().expect("perl is installed");
        out.stdout
    }

    #[test]
    fn arrays_are_lost_as_in_perl() {
        for text in [
            "anna@example.org",
            "a@b",
            "a@",
            "@x@y.z",
            "a@example-host.org",
            "a@1b",
            "a@ b",
            "a@b::c.d",
            "a@.b",
            "a@{name}x",
        ] {
            assert_eq!(arrays_lost(text).as_bytes(), perl(text), "{text}");
        }
    }

    #[test]
    fn scalars_are_lost_as_in_perl() {
        for text in ["pa$word", "pa$wo.rd", "$x1y", "a$1b", "a${b}c", "pa$a::b!"] {
            assert_eq!(scalars_lost(text).as_bytes(), perl(text), "{text}");
        }
    }

    #[test]
    fn octal_digits_are_eaten_as_in_perl() {
        for text in ["1abc", "12abc", "123abc", "8abc", "18abc", "779", "abc", "", "007"] {
            assert_eq!(after_backslash_zero(text), perl(&format!("\\0{text}")), "{text}");
        }
    }
}
