//! The AUTH PLAIN token: made, read, and held against the traps people fall into when they make it by hand.

mod perl;
mod traps;

use base64::Engine;
use base64::alphabet::STANDARD as STANDARD_ALPHABET;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

pub use traps::{Certainty, Trap, traps};

/// The longest token that is read, in octets of text.
pub const MAX_TOKEN_OCTETS: usize = 64 * 1024;

/// A text that is no token at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// There is nothing in it.
    #[error("the token is empty")]
    Empty,
    /// It is too long to be one.
    #[error("the token is longer than {MAX_TOKEN_OCTETS} octets")]
    TooLong,
    /// A character that no base64 has.
    #[error("the token is no base64: `{0}` cannot stand in one")]
    NotBase64(char),
}

/// A flaw of the base64 text itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TextFlaw {
    /// `-` or `_`: the alphabet of URLs, which SASL does not use.
    UrlAlphabet,
    /// The `=` at the end are missing, or too many, or stand in the middle.
    Padding,
    /// A line break or blank inside: an encoder that wraps its lines.
    BrokenInside,
    /// A line break before the first or after the last character.
    BrokenAround,
    /// Bits at the end that belong to no octet.
    LooseBits,
}

/// A token as it decodes. Neither `Debug` nor anything else shows the password.
pub struct Token {
    octets: Zeroizing<Vec<u8>>,
    /// Flaws of the text.
    pub flaws: Vec<TextFlaw>,
    /// The octets of each line, where the text was broken into several.
    lines: Vec<usize>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Token({} octets, {:?})", self.octets.len(), self.flaws)
    }
}

/// The token for a user and a password: `authzid NUL user NUL password` in base64 (RFC 4616).
pub fn encode(user: &str, password: &SecretString, authzid: &str) -> SecretString {
    crate::sasl::plain(user, password, authzid)
}

impl Token {
    /// Reads a token, forgiving what can be forgiven and naming it.
    ///
    /// # Errors
    /// [`TokenError`] for a text that is no base64 in any way.
    pub fn decode(text: &SecretString) -> Result<Self, TokenError> {
        let text = text.expose_secret();
        if text.len() > MAX_TOKEN_OCTETS {
            return Err(TokenError::TooLong);
        }
        let mut flaws = Vec::new();
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(TokenError::Empty);
        }
        if trimmed.len() != text.len() {
            flaws.push(TextFlaw::BrokenAround);
        }
        let pieces: Vec<&str> = trimmed.split_whitespace().collect();
        if pieces.len() > 1 {
            flaws.push(TextFlaw::BrokenInside);
        }
        let mut letters = Zeroizing::new(String::with_capacity(trimmed.len()));
        let mut padding = String::new();
        for c in pieces.concat().chars() {
            match c {
                '-' | '_' => {
                    if !flaws.contains(&TextFlaw::UrlAlphabet) {
                        flaws.push(TextFlaw::UrlAlphabet);
                    }
                    letters.push(if c == '-' { '+' } else { '/' });
                }
                '=' => padding.push(c),
                c if c.is_ascii_alphanumeric() || c == '+' || c == '/' => letters.push(c),
                c => return Err(TokenError::NotBase64(c)),
            }
        }
        let wanted = (4 - letters.len() % 4) % 4;
        let at_the_end = trimmed.trim_end_matches('=').chars().all(|c| c != '=');
        if padding.len() != wanted || wanted == 3 || !at_the_end {
            flaws.push(TextFlaw::Padding);
        }
        if letters.len() % 4 == 1 {
            // A single letter over is not even one octet.
            letters.pop();
            flaws.push(TextFlaw::LooseBits);
        }
        let forgiving = GeneralPurpose::new(
            &STANDARD_ALPHABET,
            GeneralPurposeConfig::new()
                .with_decode_padding_mode(DecodePaddingMode::Indifferent)
                .with_decode_allow_trailing_bits(true),
        );
        let octets = forgiving.decode(letters.as_bytes()).map_err(|_| TokenError::NotBase64('='))?;
        let lines = pieces.iter().map(|p| p.trim_end_matches('=').len() * 3 / 4).collect();
        Ok(Self { octets: Zeroizing::new(octets), flaws, lines })
    }

    /// How many octets it holds.
    pub fn len(&self) -> usize {
        self.octets.len()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// The parts between NULs; the last is the password, where there are three.
    fn parts(&self) -> Vec<&[u8]> {
        self.octets.splitn(3, |&b| b == 0).collect()
    }

    /// The authorization identity: what stands before the first NUL.
    pub fn authzid(&self) -> Option<String> {
        let parts = self.parts();
        (parts.len() == 3).then(|| parts.first().map(|p| crate::octets::escape(p)).unwrap_or_default())
    }

    /// The user, where the token has three parts.
    pub fn user(&self) -> Option<String> {
        let parts = self.parts();
        (parts.len() == 3).then(|| parts.get(1).map(|p| crate::octets::escape(p)).unwrap_or_default())
    }

    /// How many octets the password has, where the token has three parts. The password itself is
    /// never given.
    pub fn password_octets(&self) -> Option<usize> {
        let parts = self.parts();
        (parts.len() == 3).then(|| parts.get(2).map_or(0, |p| p.len()))
    }

    /// Whether it is what these credentials should give.
    pub fn is_for(&self, user: &str, password: &SecretString) -> bool {
        *self.octets == *Zeroizing::new(format!("\0{user}\0{}", password.expose_secret()).into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(text: &str) -> Token {
        Token::decode(&text.to_owned().into()).unwrap()
    }

    #[test]
    fn the_guides_token() {
        let token = decode("AGptczFAam1zMS5uZXQAbm90Lm15LnJlYWwucGFzc3dvcmQ=");
        assert_eq!(token.user().as_deref(), Some("jms1@jms1.net"));
        assert_eq!((token.authzid().as_deref(), token.password_octets()), (Some(""), Some(20)));
        assert!(token.flaws.is_empty());
    }

    #[test]
    fn flaws_of_the_text_are_named() {
        assert_eq!(decode("AGEAYg").flaws, [TextFlaw::Padding]);
        assert_eq!(decode("AGEAYg==\n").flaws, [TextFlaw::BrokenAround]);
        assert_eq!(decode("AGEA\nYg==").flaws, [TextFlaw::BrokenInside]);
        assert_eq!(decode("AGEA-_8=").flaws, [TextFlaw::UrlAlphabet]);
        assert_eq!(Token::decode(&"!".to_owned().into()).unwrap_err(), TokenError::NotBase64('!'));
    }

    #[test]
    fn debug_shows_no_octet() {
        assert!(!format!("{:?}", decode("AGFubmEAZ2VoZWlt")).contains("geheim"));
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes(user in "[^\0]{1,30}", password in "[^\0]{0,40}") {
            let secret: SecretString = password.clone().into();
            let token = Token::decode(&encode(&user, &secret, "")).unwrap();
            prop_assert!(token.is_for(&user, &secret));
            prop_assert_eq!(token.password_octets(), Some(password.len()));
        }

        #[test]
        fn any_text_can_be_read(text in ".{0,200}") {
            if let Ok(token) = Token::decode(&text.into()) {
                let _ = traps(&token, None);
            }
        }
    }
}
