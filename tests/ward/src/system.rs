//! A whole mail system on a trial's machine, planned healthy, broken by the trial, started, and shown to the program.

use std::{fs, path::PathBuf, process::Command};

use crate::{
    Authority, Daemon, Dovecot, Exim, Identity, OpenSmtpd, Postfix, Report, Tree, WardError, Zones,
    daemon::{output_of, write},
    dovecot,
    isolation::{answer_over_ipv6, folder},
    name_servers::{Beginning, nsd, unbound},
    names::{
        AUTHORITATIVE, AUTHORITATIVE_OUTSIDE, CLIENT_ADDRESS_6, DOMAIN, FOREIGN_RESOLVER, MX, MX_ADDRESS, MX_ADDRESS_6,
        PASSWORD, RESOLVER, SERVER_RESOLVER, USER,
    },
    program,
};

/// Which mail server receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mta {
    /// Postfix, with Dovecot behind it.
    Postfix,
    /// Exim, with Dovecot for the mailboxes.
    Exim,
    /// OpenSMTPD, with Dovecot for the mailboxes.
    OpenSmtpd,
    /// None: the trial puts something else there, or nothing.
    Nobody,
}

/// What is to be started. [`Plan::healthy`], then one thing broken.
#[derive(Debug)]
pub struct Plan {
    /// Who signs certificates; the program is told to trust its root.
    pub authority: Authority,
    /// What the servers show.
    pub identity: Identity,
    /// What the domain name system says.
    pub zones: Zones,
    /// What it says to the outside, where that is something else.
    pub outside: Option<Zones>,
    /// A tree of zones in the place of both, with servers of its own for each zone: the DNS is walked from its root.
    pub tree: Option<Tree>,
    /// Who receives mail.
    pub mta: Mta,
    /// Postfix's settings.
    pub postfix: Postfix,
    /// Exim's settings.
    pub exim: Exim,
    /// OpenSMTPD's settings.
    pub opensmtpd: OpenSmtpd,
    /// Dovecot's settings; `None`: it does not run.
    pub dovecot: Option<Dovecot>,
}

impl Plan {
    /// A system without fault: NSD, Unbound, Postfix, Dovecot.
    ///
    /// # Errors
    /// When no keys can be made.
    pub fn healthy() -> Result<Self, WardError> {
        let authority = Authority::named("Ward")?;
        let identity = authority.identity(&[MX, DOMAIN])?;
        Ok(Self {
            authority,
            identity,
            zones: Zones::healthy(),
            outside: None,
            tree: None,
            mta: Mta::Postfix,
            postfix: Postfix::healthy(),
            exim: Exim::healthy(),
            opensmtpd: OpenSmtpd::healthy(),
            dovecot: Some(Dovecot::healthy()),
        })
    }

    /// A healthy system whose DNS is a tree of zones, with a change in that, started.
    ///
    /// # Errors
    /// As [`Plan::healthy`] and [`Plan::start`].
    pub fn with_tree(mut tree: Tree, change: impl FnOnce(&mut Tree)) -> Result<MailSystem, WardError> {
        change(&mut tree);
        Self::healthy_but(|plan| plan.tree = Some(tree))
    }

    /// A healthy system with one change, started.
    ///
    /// # Errors
    /// As [`Plan::healthy`] and [`Plan::start`].
    pub fn healthy_but(change: impl FnOnce(&mut Self)) -> Result<MailSystem, WardError> {
        let mut plan = Self::healthy()?;
        change(&mut plan);
        plan.start()
    }

    /// The mail server at an IPv6 address: by the DNS it has no other, and the program comes from one as well.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn over_ipv6(mut self) -> Result<Self, WardError> {
        answer_over_ipv6(MX_ADDRESS_6)?;
        self.zones.domain.remove("mx1 A").add(format!("mx1 AAAA {MX_ADDRESS_6}"));
        self.zones.outside.add(format!("client AAAA {CLIENT_ADDRESS_6}"));
        let owner = |last: &str| format!("{}{}", last, ".0".repeat(14));
        self.zones
            .reverse_6
            .add(format!("{} PTR {MX}.", owner("0.1")))
            .add(format!("{} PTR client.outside.example.", owner("9.9")));
        let (both, listed) = (format!("{MX_ADDRESS}, [{MX_ADDRESS_6}]"), format!("<; {MX_ADDRESS} ; {MX_ADDRESS_6}"));
        self.postfix.set("inet_protocols", "all").set("inet_interfaces", &both);
        self.exim.set("disable_ipv6", "false").set("local_interfaces", &listed);
        if let Some(dovecot) = &mut self.dovecot {
            dovecot.extra.push_str(&format!("listen = {MX_ADDRESS}, {MX_ADDRESS_6}\n"));
        }
        Ok(self)
    }

    /// Starts everything and waits until it is up.
    ///
    /// # Errors
    /// When something does not come up.
    pub fn start(self) -> Result<MailSystem, WardError> {
        let folder = folder()?;
        for (name, text) in [
            ("root.pem", self.authority.root()),
            ("password", format!("{PASSWORD}\n")),
            ("wrong-password", "not the password\n".to_owned()),
        ] {
            write(folder.join(name), text)?;
        }
        let (tree, mut daemons) = match &self.tree {
            Some(tree) => (tree.start_servers()?, tree.start_resolvers()?),
            None => (Vec::new(), self.name_servers()?),
        };
        // Postfix comes first: it makes the folders in which Dovecot puts its sockets.
        match self.mta {
            Mta::Postfix => daemons.push(self.postfix.start(&self.identity)?),
            Mta::Exim => daemons.push(self.exim.start(&self.identity)?),
            Mta::OpenSmtpd => daemons.push(self.opensmtpd.start()?),
            Mta::Nobody => {}
        }
        if let Some(dovecot) = &self.dovecot {
            fs::create_dir_all("/var/spool/postfix/private").map_err(WardError::io("/var/spool/postfix/private"))?;
            daemons.push(dovecot.start(&self.identity)?);
        }
        Ok(MailSystem { folder, daemons, tree })
    }

    fn name_servers(&self) -> Result<Vec<Daemon>, WardError> {
        let begins = Beginning::at(AUTHORITATIVE);
        let mut daemons =
            vec![nsd(AUTHORITATIVE, &self.zones)?, unbound(RESOLVER, &begins)?, unbound(SERVER_RESOLVER, &begins)?];
        if let Some(outside) = &self.outside {
            daemons.push(nsd(AUTHORITATIVE_OUTSIDE, outside)?);
            daemons.push(unbound(FOREIGN_RESOLVER, &Beginning::at(AUTHORITATIVE_OUTSIDE))?);
        } else {
            daemons.push(unbound(FOREIGN_RESOLVER, &begins)?);
        }
        Ok(daemons)
    }
}

/// A mail system that runs, until this value is dropped.
#[derive(Debug)]
pub struct MailSystem {
    folder: PathBuf,
    daemons: Vec<Daemon>,
    /// The name servers of a tree of zones.
    tree: Vec<Daemon>,
}

impl MailSystem {
    /// Runs `maildoctor check` with `arguments` and what every trial gives: the resolvers, whom to trust.
    ///
    /// # Errors
    /// When the program does not run or its report cannot be read.
    pub fn check(&self, arguments: &[&str]) -> Result<Report, WardError> {
        let output = self.check_command(arguments)?.output().map_err(WardError::io("running the program"))?;
        Report::read(&output)
    }

    /// The command that [`MailSystem::check`] runs, for a trial that stops it half-way.
    ///
    /// # Errors
    /// Outside a trial.
    pub fn check_command(&self, arguments: &[&str]) -> Result<Command, WardError> {
        let mut command = Command::new(program::given()?);
        command
            .arg("check")
            .args(arguments)
            .args(["--resolver", RESOLVER, "--foreign-resolver", FOREIGN_RESOLVER, "--format", "json"])
            .arg("--ca-file")
            .arg(self.file("root.pem"))
            .env("TMPDIR", &self.folder);
        if self.folder.join("root.hints").exists() {
            command.arg("--root-hints").arg(self.file("root.hints"));
        }
        if self.folder.join("root.anchor").exists() {
            command.arg("--trust-anchor").arg(self.file("root.anchor"));
        }
        Ok(command)
    }

    /// The command that runs `maildoctor talk` with `arguments` and what every trial gives.
    ///
    /// # Errors
    /// Outside a trial.
    pub fn talk_command(&self, arguments: &[&str]) -> Result<Command, WardError> {
        let mut command = Command::new(program::given()?);
        command
            .arg("talk")
            .args(arguments)
            .args(["--resolver", RESOLVER, "--ca-file"])
            .arg(self.file("root.pem"))
            .env("TMPDIR", &self.folder);
        Ok(command)
    }

    /// The user's AUTH PLAIN token, as the program makes it.
    ///
    /// # Errors
    /// Outside a trial.
    pub fn token(&self) -> Result<String, WardError> {
        let mut command = Command::new(program::given()?);
        command.args(["token", "plain", "--user", USER, "--password-file"]);
        let token = output_of(command.arg(self.file("password")))?;
        Ok(token.trim_end().to_owned())
    }

    /// Every message in the user's mailbox, as text.
    #[must_use]
    pub fn mailbox(&self) -> String {
        dovecot::messages("anna")
    }

    /// [`MailSystem::check`] with the user's account, whose password is right.
    ///
    /// # Errors
    /// As [`MailSystem::check`].
    pub fn check_account(&self, arguments: &[&str]) -> Result<Report, WardError> {
        let password = self.file("password");
        let mut all = arguments.to_vec();
        all.extend(["--user", USER, "--password-file", &password]);
        self.check(&all)
    }

    /// Puts one message of `octets` into the user's mailbox.
    ///
    /// # Errors
    /// When the mailbox cannot be written.
    pub fn fill_mailbox(&self, octets: usize) -> Result<(), WardError> {
        dovecot::put_message("anna", octets)
    }

    /// The path of a file of this trial: `password`, `wrong-password`, `root.pem`, and with a tree of zones
    /// `root.hints` and `root.anchor`.
    #[must_use]
    pub fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// Puts another tree of zones in the place of the one that is served; the resolvers go on, and remember.
    ///
    /// # Errors
    /// When a name server does not end or does not come up.
    pub fn publish(&mut self, tree: &Tree) -> Result<(), WardError> {
        for server in self.tree.drain(..) {
            server.terminate()?;
        }
        self.tree = tree.start_servers()?;
        Ok(())
    }

    /// How many servers run.
    #[must_use]
    pub fn servers(&self) -> usize {
        self.daemons.len() + self.tree.len()
    }
}
