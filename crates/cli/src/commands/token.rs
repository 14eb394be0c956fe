//! `maildoctor token`: the AUTH PLAIN token, made safely and read back.

use std::io::{IsTerminal, Read};
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Subcommand;
use maildoctor_core::report::text::harmless;
use maildoctor_wire::token::{self, Certainty, MAX_TOKEN_OCTETS, Token};
use secrecy::{ExposeSecret, SecretString};

use super::secret::{self, PasswordArgs};
use crate::output;

/// Make or read an AUTH PLAIN token.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the token for a user and a password, and nothing else.
    ///
    /// Where nothing holds the password, it is asked for without echo.
    #[command(
        after_help = "Examples:\n  maildoctor token plain --user anna@example.org\n  maildoctor token plain --user anna@example.org --password-file pw"
    )]
    Plain {
        /// The user name.
        #[arg(long)]
        user: String,
        /// Act as another user: an authorization identity, which many servers refuse.
        #[arg(long, value_name = "Z", default_value = "")]
        authzid: String,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Say what a token holds, and which trap it fell into; the password is never shown.
    #[command(
        after_help = "Examples:\n  maildoctor token decode < token\n  maildoctor token decode --user anna@example.org --password-file pw < token\n\nExit code 1 where a trap is found."
    )]
    Decode {
        /// The token itself; others on this machine can read arguments, so it wants --insecure-argument.
        #[arg(requires = "insecure_argument")]
        token: Option<String>,
        /// Take the token from the command line all the same.
        #[arg(long)]
        insecure_argument: bool,
        /// The user name that the token should carry: proves what differs.
        #[arg(long, requires = "password_file")]
        user: Option<String>,
        /// The file with the password that the token should carry.
        #[arg(long, value_name = "FILE", requires = "user")]
        password_file: Option<PathBuf>,
    },
}

/// Runs the command and gives its exit code.
pub(crate) fn run(args: Args) -> anyhow::Result<u8> {
    match args.command {
        Command::Plain { user, authzid, password } => {
            if user.is_empty() || user.contains('\0') || authzid.contains('\0') {
                bail!("a user name must not be empty and holds no NUL; give --user NAME");
            }
            let password = password.read_or_ask("Password: ")?;
            output::print(&format!("{}\n", token::encode(&user, &password, &authzid).expose_secret()))?;
            Ok(0)
        }
        Command::Decode { token, user, password_file, .. } => {
            let text = match token {
                Some(token) => token.into(),
                None => from_input()?,
            };
            let password = password_file.as_deref().map(secret::from_file).transpose()?;
            decode(&text, user.as_deref().zip(password.as_ref()))
        }
    }
}

/// The token from standard input, or from a prompt without echo on a terminal.
fn from_input() -> anyhow::Result<SecretString> {
    if std::io::stdin().is_terminal() {
        return Ok(rpassword::prompt_password("Token: ").context("the token cannot be read from the terminal")?.into());
    }
    let mut text = String::new();
    std::io::stdin()
        .take(MAX_TOKEN_OCTETS as u64 + 1)
        .read_to_string(&mut text)
        .context("the token cannot be read from standard input: it is no text")?;
    // What a shell adds at the end of a line is no part of the token.
    Ok(text.strip_suffix('\n').map(|t| t.strip_suffix('\r').unwrap_or(t)).unwrap_or(&text).to_owned().into())
}

fn decode(text: &SecretString, known: Option<(&str, &SecretString)>) -> anyhow::Result<u8> {
    let token =
        Token::decode(text).map_err(|e| anyhow::anyhow!("{e}; give the base64 text that follows AUTH PLAIN"))?;
    let mut out = String::new();
    let mut line = |name: &str, value: String| out.push_str(&format!("{name:<24}{value}\n"));
    line("octets", token.len().to_string());
    line(
        "authorization identity",
        match token.authzid() {
            Some(z) if z.is_empty() => "none, as it should be".to_owned(),
            Some(z) => harmless(&z),
            None => "cannot be told: the token has not three parts".to_owned(),
        },
    );
    line(
        "user",
        token.user().map_or_else(|| "cannot be told: the token has not three parts".to_owned(), |u| harmless(&u)),
    );
    line(
        "password",
        match token.password_octets() {
            Some(0) => "empty".to_owned(),
            Some(n) => format!("{n} octets, not shown"),
            None => "none".to_owned(),
        },
    );
    if let Some((user, password)) = known {
        if token.is_for(user, password) {
            line("compared", "it is the right token for this user and password".to_owned());
        } else {
            let same_user = token.user().as_deref() == Some(user);
            line(
                "compared",
                if same_user {
                    "the user is right, the rest differs".to_owned()
                } else {
                    format!("it is not the token of {}", harmless(user))
                },
            );
        }
    }
    let traps = token::traps(&token, known);
    for trap in &traps {
        let sure = match trap.certainty {
            Certainty::Proven => "proven",
            Certainty::Likely => "likely",
            Certainty::Possible => "possible",
        };
        line("trap", format!("{} ({sure}): {}", trap.code, harmless(&trap.says)));
    }
    let differs = known.is_some_and(|(user, password)| !token.is_for(user, password));
    if traps.is_empty() {
        line(
            "trap",
            if differs {
                "none of the known ones: user or password are simply others".to_owned()
            } else {
                "none".to_owned()
            },
        );
    }
    output::print(&out)?;
    Ok(u8::from(!traps.is_empty() || differs))
}
