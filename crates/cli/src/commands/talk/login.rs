//! `:auth`: whether the password may go over this connection, by which mechanism, and who is asked for it.

use maildoctor_core::typed::Session;
use maildoctor_wire::sasl::Mechanism;
use maildoctor_wire::typed::{Mode, Protocol};
use secrecy::SecretString;

use super::input::{Ask, Told};
use super::live::{Live, Next, heard};

/// The account as the command line has it.
pub(super) struct Account {
    pub(super) user: Option<String>,
    pub(super) password: Option<SecretString>,
    /// A password may go over unverified TLS or none.
    pub(super) insecure: bool,
}

/// Why the password is not sent over this connection; `verified`: its certificate verifies.
fn withheld(account: &Account, session: &Session, verified: bool) -> Option<&'static str> {
    match (session.conversation().is_secure(), verified) {
        (true, true) => None,
        _ if account.insecure => None,
        (false, _) => Some("a password is not sent without TLS: say :starttls first, or allow it with --insecure-auth"),
        (true, false) => Some(
            "a password is not sent to a server whose certificate does not verify: trust its root with --ca-file, give its name with --server-name, or allow it with --insecure-auth",
        ),
    }
}

/// The mechanism: the one that was named, or the first of ours that the server offers. `None` is the login of the
/// mailbox protocol itself.
fn offered_mechanism(
    protocol: Protocol,
    session: &Session,
    named: Option<Mechanism>,
) -> Result<Option<Mechanism>, String> {
    if named.is_some() || protocol != Protocol::Smtp {
        return Ok(named);
    }
    let Some(capabilities) = session.conversation().capabilities() else {
        return Err(
            "the server has not said yet what it offers: say EHLO first, or name a mechanism, such as :auth plain"
                .to_owned(),
        );
    };
    let offered = capabilities.mechanisms();
    match Mechanism::WITH_PASSWORD.into_iter().find(|m| offered.contains(&m.name())) {
        Some(mechanism) => Ok(Some(mechanism)),
        None if offered.is_empty() => {
            Err("the server offers no AUTH here; many offer it after :starttls only, or on port 587 or 465".to_owned())
        }
        None => Err(format!("the server offers {} and nothing that a password can be used with", offered.join(" "))),
    }
}

impl Live<'_> {
    pub(super) async fn log_in(&mut self, named: Option<Mechanism>, user: Option<String>) -> anyhow::Result<Next> {
        let Some(session) = &self.session else { return self.nobody() };
        if session.conversation().mode() != Mode::Command {
            return self.cannot("a login has to wait until the message or the exchange under way is at its end");
        }
        if let Some(why) = withheld(&self.settings.account, session, self.verified) {
            return self.cannot(why);
        }
        let mechanism = match offered_mechanism(self.peer.protocol, session, named) {
            Ok(mechanism) => mechanism,
            Err(why) => return self.cannot(&why),
        };
        let given = user.or_else(|| self.settings.account.user.clone());
        let user = match given {
            Some(user) => user,
            None if self.settings.typed_at => match self.ask(Ask::Open("User name: ".to_owned())).await? {
                Told::Open(user) if !user.is_empty() => user,
                _ => return self.cannot("no user name, no login"),
            },
            None => {
                return self
                    .cannot(":auth needs a user name in a script: write it behind the mechanism, or give --user");
            }
        };
        let password = match &self.settings.account.password {
            Some(password) => password.clone(),
            None if self.settings.typed_at => {
                let what = if mechanism == Some(Mechanism::Xoauth2) { "Access token" } else { "Password" };
                match self.ask(Ask::Hidden(format!("{what} (not shown): "))).await? {
                    Told::Hidden(password) => password,
                    _ => return self.cannot("no password, no login"),
                }
            }
            None => {
                return self.cannot(":auth needs a password in a script: give --password-file, --password-command or MAILDOCTOR_PASSWORD");
            }
        };
        self.begin_login(mechanism, &user, &password).await
    }

    async fn begin_login(
        &mut self,
        mechanism: Option<Mechanism>,
        user: &str,
        password: &SecretString,
    ) -> anyhow::Result<Next> {
        let Some(session) = &mut self.session else { return self.nobody() };
        let now = session.now();
        let conversation = session.conversation_mut();
        let begun = match mechanism {
            Some(mechanism) => conversation.authenticate(mechanism, user, password, now).map_err(|e| e.to_string()),
            None => conversation
                .log_in(user, password, now)
                .ok_or_else(|| "a user name or password with a line break cannot be sent".to_owned()),
        };
        match begun {
            Ok(spoken) => {
                self.screen.said(&spoken.shown)?;
                self.send(spoken).await
            }
            Err(why) => self.cannot(&why),
        }
    }

    /// An order that cannot be carried out: a person is told, a script ends.
    fn cannot(&mut self, why: &str) -> anyhow::Result<Next> {
        if self.settings.typed_at {
            self.screen.remark(why)?;
            return Ok(Next::Go);
        }
        self.complain(&format!("{why} (line {})", self.lines));
        Ok(Next::End(3))
    }

    /// Asks a question, while the server is listened to.
    async fn ask(&mut self, ask: Ask) -> anyhow::Result<Told> {
        self.input.ask(ask);
        loop {
            tokio::select! {
                told = self.input.told() => return Ok(told),
                happened = heard(&mut self.session) => {
                    self.happened(happened).await?;
                }
            }
        }
    }
}
