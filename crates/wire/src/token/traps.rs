//! Which trap a broken token fell into.
//!
//! With the right user name and password at hand the trap is proven: the wrong token is made again the
//! way a person would have made it, and compared octet by octet. Without them the shape must do.

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use super::{TextFlaw, Token, perl};

/// The octets of one base64 line of 76 characters.
const WRAPPED_LINE: usize = 57;

/// How sure a trap is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// The shape fits, and other shapes of mistake would fit as well.
    Possible,
    /// Hardly anything else gives this shape.
    Likely,
    /// The octets show it, or making the mistake again gives this very token.
    Proven,
}

/// A trap that a token fell into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trap {
    /// The catalogue's code.
    pub code: &'static str,
    /// How sure.
    pub certainty: Certainty,
    /// What is wrong with this token, in one sentence without a secret.
    pub says: String,
}

fn trap(code: &'static str, certainty: Certainty, says: impl Into<String>) -> Trap {
    Trap { code, certainty, says: says.into() }
}

/// The traps of a token; `known` are the user name and password it should carry.
pub fn traps(token: &Token, known: Option<(&str, &SecretString)>) -> Vec<Trap> {
    let mut found = of_the_text(token);
    match known.and_then(|(user, password)| made_again(token, user, password)) {
        Some(proven) => {
            found.retain(|t| !proven.iter().any(|p| p.code == t.code));
            found.extend(proven);
        }
        None => {
            let right = known.is_some_and(|(user, password)| token.is_for(user, password));
            if !right {
                for shaped in of_the_shape(token) {
                    if !found.iter().any(|t| t.code == shaped.code) {
                        found.push(shaped);
                    }
                }
            }
        }
    }
    found
}

fn of_the_text(token: &Token) -> Vec<Trap> {
    let mut found = Vec::new();
    if token.flaws.contains(&TextFlaw::BrokenInside) {
        found.push(trap(
            "auth-token-line-wrapped",
            Certainty::Proven,
            "the base64 text is broken into several lines, and a server reads only the first",
        ));
    }
    if token.flaws.contains(&TextFlaw::UrlAlphabet) {
        found.push(trap(
            "auth-token-encoding",
            Certainty::Proven,
            "the text uses - or _, the base64 alphabet of URLs; SASL wants + and /",
        ));
    } else if token.flaws.iter().any(|f| matches!(f, TextFlaw::Padding | TextFlaw::LooseBits)) {
        found.push(trap(
            "auth-token-encoding",
            Certainty::Proven,
            "the = signs at the end are not as base64 wants them, so characters were lost or added",
        ));
    }
    found
}

/// One way to make a token by hand: which mistakes, and what comes out.
struct Making {
    codes: Vec<&'static str>,
    octets: Zeroizing<Vec<u8>>,
}

/// Tries the mistakes, alone and together, until one gives the very octets.
fn made_again(token: &Token, user: &str, password: &SecretString) -> Option<Vec<Trap>> {
    if token.is_for(user, password) {
        return None;
    }
    let mut fitting: Vec<Making> =
        makings(user, password.expose_secret()).into_iter().filter(|m| m.octets == token.octets).collect();
    fitting.sort_by_key(|making| making.codes.len());
    let best = fitting.into_iter().next()?;
    Some(best.codes.into_iter().map(|code| trap(code, Certainty::Proven, proven_words(code))).collect())
}

fn makings(user: &str, password: &str) -> Vec<Making> {
    let mut out = Vec::new();
    for mask in 0_u8..128 {
        let on = |bit: u8| mask & (1 << bit) != 0;
        let mut codes = Vec::new();
        let (mut user_text, mut password_text) = (user.to_owned(), Zeroizing::new(password.to_owned()));
        if on(0) {
            codes.push("auth-token-at-lost");
            user_text = perl::arrays_lost(&user_text);
            password_text = Zeroizing::new(perl::arrays_lost(&password_text));
        }
        if on(1) {
            codes.push("auth-token-dollar-eaten");
            user_text = perl::scalars_lost(&user_text);
            password_text = Zeroizing::new(perl::scalars_lost(&password_text));
        }
        let separated = |text: &str| {
            if on(2) { perl::after_backslash_zero(text) } else { [b"\0", text.as_bytes()].concat() }
        };
        if on(2) {
            codes.push("auth-token-octal-eaten");
        }
        if on(3) {
            codes.push("auth-token-no-leading-nul");
        }
        let head = if on(3) { user_text.clone().into_bytes() } else { separated(&user_text) };
        let mut octets = Zeroizing::new([head, separated(&password_text)].concat());
        match (on(4), on(5)) {
            (false, false) => {}
            (lf, cr) => {
                codes.push("auth-token-trailing-newline");
                octets.extend_from_slice(match (cr, lf) {
                    (true, true) => b"\r\n",
                    (true, false) => b"\r",
                    _ => b"\n",
                });
            }
        }
        if on(6) {
            codes.push("auth-token-line-wrapped");
            for lines in 1..=octets.len().saturating_sub(1) / WRAPPED_LINE {
                let cut = octets.get(..lines * WRAPPED_LINE).unwrap_or_default().to_vec();
                out.push(Making { codes: codes.clone(), octets: Zeroizing::new(cut) });
            }
        } else {
            out.push(Making { codes, octets });
        }
    }
    out
}

fn proven_words(code: &str) -> &'static str {
    match code {
        "auth-token-at-lost" => {
            "an @ and the word behind it are gone: perl took them for an array inside double quotes"
        }
        "auth-token-dollar-eaten" => {
            "a $ and the word behind it are gone: perl took them for a variable inside double quotes"
        }
        "auth-token-octal-eaten" => "a digit behind \\0 was read as part of an octal number, so the separator is gone",
        "auth-token-no-leading-nul" => {
            "the NUL before the user name is missing, so the server takes the user name for another identity"
        }
        "auth-token-trailing-newline" => "the password ends in a line break that does not belong to it",
        _ => "the token ends at the encoder's 76-column line break, so the end of the password is missing",
    }
}

fn of_the_shape(token: &Token) -> Vec<Trap> {
    let octets = token.octets.as_slice();
    let mut found = Vec::new();
    let nuls = octets.iter().filter(|&&b| b == 0).count();
    let starts_with_nul = octets.first() == Some(&0);
    let stray = octets.iter().take(octets.len().saturating_sub(2)).any(|&b| (1..32).contains(&b) || b == b'?');
    match (nuls, starts_with_nul) {
        (2.., false) => found.push(trap(
            "auth-token-authzid",
            Certainty::Proven,
            format!(
                "an authorization identity, {}, stands before the first NUL: the token asks to act as that user",
                token.authzid().unwrap_or_default()
            ),
        )),
        (2.., true) => {
            let user = token.user().unwrap_or_default();
            if !user.contains('@') && user.contains('.') {
                found.push(trap(
                    "auth-token-at-lost",
                    Certainty::Likely,
                    format!(
                        "the user name {user} has a dot and no @, as perl leaves an address written in double quotes"
                    ),
                ));
            }
        }
        (1, false) if stray && octets.first().is_some_and(|&b| b < 32) => found.push(octal()),
        (1, false) => found.push(trap(
            "auth-token-no-leading-nul",
            Certainty::Proven,
            "the token has one NUL and does not begin with it: the NUL before the user name is missing",
        )),
        (0 | 1, _) if stray => found.push(octal()),
        _ => {}
    }
    if matches!(octets.last(), Some(b'\n' | b'\r')) && nuls >= 1 {
        found.push(trap("auth-token-trailing-newline", Certainty::Proven, proven_words("auth-token-trailing-newline")));
    }
    let whole_lines = !octets.is_empty() && octets.len().is_multiple_of(WRAPPED_LINE);
    if whole_lines && token.lines.len() == 1 {
        let says = format!(
            "the token holds exactly {} octets, full base64 lines of 76 characters: its end may be cut off",
            octets.len()
        );
        found.push(trap("auth-token-line-wrapped", Certainty::Possible, says));
    }
    found
}

fn octal() -> Trap {
    trap(
        "auth-token-octal-eaten",
        Certainty::Likely,
        "a control character or ? stands where a NUL should separate: a digit behind \\0 was read as octal",
    )
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    const USER: &str = "anna@example.org";

    fn codes(octets: &[u8], known: Option<(&str, &str)>) -> Vec<(&'static str, Certainty)> {
        let token = Token::decode(&STANDARD.encode(octets).into()).unwrap();
        let password: Option<SecretString> = known.map(|(_, p)| p.to_owned().into());
        let known = known.map(|(user, _)| user).zip(password.as_ref());
        traps(&token, known).into_iter().map(|t| (t.code, t.certainty)).collect()
    }

    #[test]
    fn a_right_token_is_in_no_trap() {
        assert_eq!(codes(b"\0anna@example.org\0geheim", None), []);
        assert_eq!(codes(b"\0anna@example.org\0geheim", Some((USER, "geheim"))), []);
        assert_eq!(codes(b"\0anna\0ge?heim", None), []);
    }

    #[test]
    fn each_trap_by_its_shape() {
        assert_eq!(codes(b"anna@example.org\0geheim", None), [("auth-token-no-leading-nul", Certainty::Proven)]);
        assert_eq!(codes(b"\0anna.org\0geheim", None), [("auth-token-at-lost", Certainty::Likely)]);
        assert_eq!(codes(b"\0anna@example.org\x0234", None), [("auth-token-octal-eaten", Certainty::Likely)]);
        assert_eq!(codes(b"\0anna\0geheim\n", None), [("auth-token-trailing-newline", Certainty::Proven)]);
        assert_eq!(codes(b"anna\0anna\0geheim", None), [("auth-token-authzid", Certainty::Proven)]);
    }

    #[test]
    fn each_trap_is_proven_by_making_it_again() {
        let proven = |octets: &[u8], password: &str| -> Vec<&str> {
            codes(octets, Some((USER, password)))
                .into_iter()
                .map(|(code, c)| {
                    assert_eq!(c, Certainty::Proven);
                    code
                })
                .collect()
        };
        assert_eq!(proven(b"anna@example.org\0geheim", "geheim"), ["auth-token-no-leading-nul"]);
        assert_eq!(proven(b"\0anna.org\0geheim", "geheim"), ["auth-token-at-lost"]);
        assert_eq!(proven(b"\0anna@example.org\x0ageheim", "12geheim"), ["auth-token-octal-eaten"]);
        assert_eq!(proven(b"\0anna@example.org\0ge", "ge$heim"), ["auth-token-dollar-eaten"]);
        assert_eq!(proven(b"\0anna@example.org\0geheim\r\n", "geheim"), ["auth-token-trailing-newline"]);
        assert_eq!(
            proven(b"anna.org\0geheim\n", "geheim"),
            ["auth-token-at-lost", "auth-token-no-leading-nul", "auth-token-trailing-newline"]
        );
        let long = "x".repeat(60);
        let cut = [b"\0anna@example.org\0".as_slice(), long.as_bytes()].concat();
        assert_eq!(proven(&cut[..57], &long), ["auth-token-line-wrapped"]);
    }

    #[test]
    fn digits_8_and_9_do_no_harm() {
        assert_eq!(codes(b"\0anna@example.org\x009x", Some((USER, "9x"))), []);
    }
}
