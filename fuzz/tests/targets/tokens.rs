//! AUTH: tokens that people made by hand, and the challenges of servers.

use maildoctor_fuzz::text;
use maildoctor_wire::sasl::{Client, Mechanism};
use maildoctor_wire::token::{self, Token};
use secrecy::{ExposeSecret, SecretString};

const PASSWORD: &str = "canary-7@secret$x\\1";

const WORDS: &[&str] = &[
    "AGFubmEAc2VjcmV0",
    "=",
    "==",
    "\n",
    "\r\n",
    " ",
    "-",
    "_",
    "+",
    "/",
    "A",
    "AA",
    "cj0=",
    "VXNlcm5hbWU6",
    "UGFzc3dvcmQ6",
    "PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2U+",
    // r=x,s=c2FsdA==,i=4096 and the same with far too many rounds.
    "cj14LHM9YzJGc2RBPT0saT00MDk2",
    "cj14LHM9YzJGc2RBPT0saT05OTk5OTk5OTk5OTk=",
    "dj1hYWFh",
    "\0",
    "anna",
];

#[test]
fn tokens_are_read_and_tell_no_secret() {
    bolero::check!().with_test_time(crate::BRIEF).for_each(|input: &[u8]| {
        let written = SecretString::from(text(input, WORDS));
        let Ok(token) = Token::decode(&written) else {
            return;
        };
        let known = SecretString::from(PASSWORD);
        let _ = (token.len(), token.is_empty(), token.authzid(), token.user(), token.password_octets());
        for trap in token::traps(&token, Some(("anna", &known))).into_iter().chain(token::traps(&token, None)) {
            assert!(!trap.says.contains(PASSWORD), "{trap:?}");
        }
    });
}

#[test]
fn a_token_made_here_is_the_one_that_was_meant() {
    bolero::check!().with_test_time(crate::BRIEF).for_each(|input: &[u8]| {
        let password = text(input, WORDS).replace('\0', "");
        if password.is_empty() || password.len() > 4000 {
            return;
        }
        let password = SecretString::from(password);
        let token = Token::decode(&token::encode("anna@example.org", &password, ""));
        assert!(token.is_ok_and(|token| token.is_for("anna@example.org", &password)));
    });
}

#[test]
fn challenges_of_any_kind_come_to_an_end() {
    let password = SecretString::from(PASSWORD);
    bolero::check!().with_test_time(crate::BRIEF).for_each(|input: &[u8]| {
        let text = text(input, WORDS);
        for mechanism in Mechanism::WITH_PASSWORD.into_iter().chain([Mechanism::Xoauth2]) {
            let Ok(mut client) = Client::new(mechanism, "anna", &password) else {
                continue;
            };
            let _ = client.initial();
            let answered = text.split('\n').take(9).map_while(|challenge| client.respond(challenge).ok());
            let answers: Vec<SecretString> = answered.collect();
            assert!(answers.len() <= 4, "{mechanism:?}");
            assert!(answers.iter().all(|answer| !answer.expose_secret().contains(['\r', '\n'])));
            assert!(!format!("{client:?}").contains(PASSWORD));
        }
    });
}
