//! SASL mechanisms, the client's side, as state machines: challenge in, response out, all in base64.
//!
//! PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC 2195) and XOAUTH2 are a few lines each and stand here;
//! SCRAM (RFC 5802, RFC 7677) is rsasl's. The server's half that a receiver needs is here too.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use rsasl::config::SASLConfig;
use rsasl::prelude::{Mechname, SASLClient, Session, State as RsaslState};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

/// The most SCRAM iterations that we compute: a server could otherwise keep us busy for hours.
pub const MAX_ITERATIONS: u32 = 1_000_000;

/// A mechanism we can speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Mechanism {
    /// RFC 4616.
    #[serde(rename = "PLAIN")]
    Plain,
    /// The old two-question form.
    #[serde(rename = "LOGIN")]
    Login,
    /// RFC 2195.
    #[serde(rename = "CRAM-MD5")]
    CramMd5,
    /// RFC 5802.
    #[serde(rename = "SCRAM-SHA-1")]
    ScramSha1,
    /// RFC 7677.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// An OAuth token as Google and Microsoft take it.
    #[serde(rename = "XOAUTH2")]
    Xoauth2,
}

impl Mechanism {
    /// All that a password can be used with, the most common first.
    pub const WITH_PASSWORD: [Mechanism; 5] =
        [Mechanism::Plain, Mechanism::Login, Mechanism::ScramSha256, Mechanism::ScramSha1, Mechanism::CramMd5];

    /// The registered name.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::Login => "LOGIN",
            Mechanism::CramMd5 => "CRAM-MD5",
            Mechanism::ScramSha1 => "SCRAM-SHA-1",
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::Xoauth2 => "XOAUTH2",
        }
    }
}

/// Why an exchange cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SaslError {
    /// The challenge is no base64.
    #[error("the server's challenge is no base64")]
    NotBase64,
    /// More challenges than the mechanism has.
    #[error("the server asks for more than the mechanism has")]
    TooManyChallenges,
    /// SCRAM with so many iterations that it would keep us busy.
    #[error("the server asks for {0} iterations, more than {MAX_ITERATIONS}")]
    TooManyIterations(u64),
    /// The mechanism's own check failed.
    #[error("the mechanism failed: {0}")]
    Mechanism(String),
}

/// A mechanism under way.
pub struct Client {
    mechanism: Mechanism,
    user: String,
    password: SecretString,
    step: usize,
    scram: Option<Session>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({}, {}, step {})", self.mechanism.name(), self.user, self.step)
    }
}

impl Client {
    /// Begins with a user name and a password (or, for XOAUTH2, an access token).
    ///
    /// # Errors
    /// Where user name or password cannot be used with the mechanism.
    pub fn new(mechanism: Mechanism, user: &str, password: &SecretString) -> Result<Self, SaslError> {
        let scram = match mechanism {
            Mechanism::ScramSha1 | Mechanism::ScramSha256 => Some(scram_session(mechanism, user, password)?),
            _ => None,
        };
        Ok(Self { mechanism, user: user.to_owned(), password: password.clone(), step: 0, scram })
    }

    /// The initial response, for a mechanism where the client speaks first.
    ///
    /// # Errors
    /// [`SaslError::Mechanism`] where the mechanism itself fails.
    pub fn initial(&mut self) -> Result<Option<SecretString>, SaslError> {
        match self.mechanism {
            Mechanism::Plain => {
                self.step = 1;
                Ok(Some(plain(&self.user, &self.password, "")))
            }
            Mechanism::Xoauth2 => {
                self.step = 1;
                let text = format!("user={}\u{1}auth=Bearer {}\u{1}\u{1}", self.user, self.password.expose_secret());
                Ok(Some(STANDARD.encode(text).into()))
            }
            Mechanism::ScramSha1 | Mechanism::ScramSha256 => {
                self.step = 1;
                self.scram_step(None).map(Some)
            }
            Mechanism::Login | Mechanism::CramMd5 => Ok(None),
        }
    }

    /// The response to a 334 challenge (its text after the code).
    ///
    /// # Errors
    /// Where the challenge cannot be answered.
    pub fn respond(&mut self, challenge: &str) -> Result<SecretString, SaslError> {
        self.step += 1;
        if self.step > 4 {
            return Err(SaslError::TooManyChallenges);
        }
        match (self.mechanism, self.step) {
            // PLAIN without an initial response: the challenge is empty, whatever the server writes.
            (Mechanism::Plain, 1) => Ok(plain(&self.user, &self.password, "")),
            (Mechanism::Login, 1) => Ok(STANDARD.encode(&self.user).into()),
            (Mechanism::Login, 2) => Ok(STANDARD.encode(self.password.expose_secret()).into()),
            (Mechanism::CramMd5, 1) => {
                let challenge = STANDARD.decode(challenge.trim()).map_err(|_| SaslError::NotBase64)?;
                let digest = cram_md5_digest(&challenge, &self.password);
                Ok(STANDARD.encode(format!("{} {digest}", self.user)).into())
            }
            // The error challenge of XOAUTH2 is answered with nothing.
            (Mechanism::Xoauth2, 2) => Ok(String::new().into()),
            (Mechanism::ScramSha1 | Mechanism::ScramSha256, _) => {
                let challenge = STANDARD.decode(challenge.trim()).map_err(|_| SaslError::NotBase64)?;
                let iterations = scram_iterations(&challenge);
                if iterations > u64::from(MAX_ITERATIONS) {
                    return Err(SaslError::TooManyIterations(iterations));
                }
                self.scram_step(Some(&challenge))
            }
            _ => Err(SaslError::TooManyChallenges),
        }
    }

    /// One step of SCRAM. A session that has ended, well or badly, is given up: rsasl panics when it is stepped
    /// again, and a server may send as many challenges as it likes.
    fn scram_step(&mut self, challenge: Option<&[u8]>) -> Result<SecretString, SaslError> {
        let mut session = self.scram.take().ok_or(SaslError::TooManyChallenges)?;
        let mut out = Vec::new();
        match session.step(challenge, &mut out) {
            Ok(RsaslState::Running) => self.scram = Some(session),
            Ok(RsaslState::Finished(_)) => {}
            Err(error) => return Err(SaslError::Mechanism(error.to_string())),
        }
        Ok(STANDARD.encode(out).into())
    }
}

fn scram_session(mechanism: Mechanism, user: &str, password: &SecretString) -> Result<Session, SaslError> {
    let failed = |e: String| SaslError::Mechanism(e);
    let config = SASLConfig::with_credentials(None, user.to_owned(), password.expose_secret().to_owned())
        .map_err(|e| failed(e.to_string()))?;
    let name = Mechname::parse(mechanism.name().as_bytes()).map_err(|e| failed(e.to_string()))?;
    SASLClient::new(config).start_suggested(&[name]).map_err(|e| failed(e.to_string()))
}

/// The `i=` of a SCRAM server-first message; 0 where there is none.
fn scram_iterations(message: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(message);
    text.split(',').find_map(|part| part.strip_prefix("i=")).map_or(0, |n| n.parse().unwrap_or(u64::MAX))
}

/// The PLAIN message in base64: `authzid NUL user NUL password`.
pub fn plain(user: &str, password: &SecretString, authzid: &str) -> SecretString {
    STANDARD.encode(format!("{authzid}\0{user}\0{}", password.expose_secret())).into()
}

/// HMAC-MD5 of a challenge under a password, in hexadecimal (RFC 2195).
pub fn cram_md5_digest(challenge: &[u8], password: &SecretString) -> String {
    // An HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Md5>::new_from_slice(password.expose_secret().as_bytes()) else {
        return String::new();
    };
    mac.update(challenge);
    mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secret(text: &str) -> SecretString {
        text.to_owned().into()
    }

    #[test]
    fn plain_is_the_guides_token() {
        let token = plain("jms1@jms1.net", &secret("not.my.real.password"), "");
        assert_eq!(token.expose_secret(), "AGptczFAam1zMS5uZXQAbm90Lm15LnJlYWwucGFzc3dvcmQ=");
    }

    #[test]
    fn cram_md5_as_in_rfc_2195() {
        let mut client = Client::new(Mechanism::CramMd5, "tim", &secret("tanstaaftanstaaf")).unwrap();
        assert!(client.initial().unwrap().is_none());
        let challenge = STANDARD.encode("<1896.697170952@postoffice.reston.mci.net>");
        let response = client.respond(&challenge).unwrap();
        assert_eq!(STANDARD.decode(response.expose_secret()).unwrap(), b"tim b913a602c7eda7a495b4e6e7334d3890");
    }

    #[test]
    fn login_answers_user_then_password_and_no_third_question() {
        let mut client = Client::new(Mechanism::Login, "anna", &secret("geheim")).unwrap();
        assert_eq!(client.respond("VXNlcm5hbWU6").unwrap().expose_secret(), "YW5uYQ==");
        assert_eq!(client.respond("UGFzc3dvcmQ6").unwrap().expose_secret(), "Z2VoZWlt");
        assert_eq!(client.respond("QWdhaW4/").unwrap_err(), SaslError::TooManyChallenges);
    }

    #[test]
    fn a_server_cannot_keep_us_busy_with_iterations() {
        let mut client = Client::new(Mechanism::ScramSha256, "anna", &secret("x")).unwrap();
        let first = client.initial().unwrap().unwrap();
        let first = String::from_utf8(STANDARD.decode(first.expose_secret()).unwrap()).unwrap();
        let nonce = first.rsplit_once("r=").unwrap().1;
        let challenge = STANDARD.encode(format!("r={nonce}abc,s=c2FsdA==,i=4000000000"));
        assert_eq!(client.respond(&challenge).unwrap_err(), SaslError::TooManyIterations(4_000_000_000));
    }

    #[test]
    fn challenges_after_the_end_of_scram_are_refused() {
        for mechanism in [Mechanism::ScramSha1, Mechanism::ScramSha256] {
            let mut client = Client::new(mechanism, "anna", &secret("geheim")).unwrap();
            client.initial().unwrap();
            for challenge in ["", "bm9uc2Vuc2U=", "", "bm9uc2Vuc2U="] {
                assert!(client.respond(challenge).is_err(), "{challenge}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_challenge_is_taken(challenges in proptest::collection::vec(".{0,60}", 0..6)) {
            for mechanism in Mechanism::WITH_PASSWORD {
                let mut client = Client::new(mechanism, "anna", &secret("geheim")).unwrap();
                let _ = client.initial();
                for challenge in &challenges {
                    let _ = client.respond(challenge);
                }
            }
        }
    }
}
