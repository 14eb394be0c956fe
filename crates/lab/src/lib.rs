//! A small real mail system that can be broken on purpose: demo, teaching aid and exam.
//!
//! It lives on loopback addresses of its own and needs no rights: an SMTP receiver in three roles (25, 587,
//! 465), a DNS with a root, two authoritative servers and a resolver inside and outside, blacklists that the receiver asks through that
//! DNS, and mailboxes that are read by IMAP and POP3. Nothing it holds ever leaves the machine.

mod accept;
pub mod blacklists;
pub mod console;
pub mod dns;
pub mod faults;
pub mod mailbox;
pub mod net;
pub mod pace;
pub mod scenario;
pub mod signing;
pub mod smtp;
pub mod tls;
pub mod web;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use maildoctor_wire::console::{Access, Settings};
use maildoctor_wire::rdns;
use secrecy::{ExposeSecret, SecretString};
use sha2::Digest;
use tokio::sync::broadcast;
use tokio::task::JoinSet;

use blacklists::Blacklist;
use dns::{Stub, View, Zones, data};
use net::Plan;
use pace::Pace;
use scenario::{Role, Scenario};
use signing::ZoneKey;
use smtp::{Behaviour, Door, Service, Site, Store};
use tls::{Authority, Variant};
use web::{Policy, Web};

pub use blacklists::BLACKLIST;

/// The mail domain of the lab.
pub const DOMAIN: &str = "lab.example";

/// A domain that sends to the lab.
pub const SENDER_DOMAIN: &str = "visitor.example";

/// The host from which it sends.
pub const SENDER_HOST: &str = "out.visitor.example";

/// The public key of the lab's mail, 2048 bits; nobody kept the private half.
const DKIM_KEY: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAqBlmPBqWqZLH5aCekvWRx20a5LGt5gQHMaDZQYh7a5VQcYqiVmDlawkq/iUMNkeiRcV8V60lSOAbiRXAZnsM9p0J4etDgbF9LbvYTSS5LxEdFfqOvmUt+fjEMch6+tlW2cu3zXoSpiFHkZ/ix3OpFRZwPKHoc4JyWGp6ZkmTK7rNC+fukUH2Q+fl828MbZCjG8JqXKVfuAYBoDMGUZlGYdfiEtasFKWSKr5SBq47Y4RTAUoeqLxgcWQPri8fsYfXizsqaB2c2JWtM06/IXH5D/6xSQqEX9yXEBcQXSWDWupYO0cGoqrKrwwYj/74eFEA8Ja17DALfBTG29aK9jPvsQIDAQAB";

/// What keeps a lab from starting.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// Addresses, ports or folders.
    #[error("the lab cannot start: {0}")]
    Io(#[from] io::Error),
    /// Keys and certificates.
    #[error("the lab's certificates cannot be made: {0}")]
    Certificates(String),
    /// A fault that the lab does not have.
    #[error("the lab has no fault `{0}`; `maildoctor lab --list` shows those it has")]
    NoSuchFault(String),
}

/// Everything that a fault may change before the servers start.
pub struct Setup {
    /// Addresses and ports.
    pub plan: Plan,
    /// The DNS.
    pub zones: Zones,
    /// The mail exchangers, by preference.
    pub mx: [Behaviour; 2],
    /// The public keys of their certificates, as these hold them.
    pub mx_keys: [Vec<u8>; 2],
    /// Submission.
    pub submission: Behaviour,
    /// Submission with implicit TLS.
    pub smtps: Behaviour,
    /// The mailbox servers: IMAP, IMAP with TLS at once, POP3, POP3 with TLS at once.
    pub mailboxes: [mailbox::Behaviour; 4],
    /// The mailbox that `check` is to look into; the Maildir itself where absent.
    pub mailbox: Option<mailbox::Protocol>,
    /// The host that serves an MTA-STS policy; nobody does where absent.
    pub web: Option<Web>,
    /// The certificate authority.
    pub authority: Authority,
    /// What the receiver looks up before it greets, where nothing else was set before.
    pub settings: Settings,
    /// How the receiver asks its DNS.
    pub stub: Stub,
    /// Arguments of `check` that the fault needs to be seen.
    pub arguments: Vec<String>,
    /// How patient `check` is to be.
    pub pace: Pace,
    /// `check` asks the blacklist as well.
    pub asks_list: bool,
    /// A resolver that `check` is to use in place of the lab's.
    pub resolver: Option<SocketAddr>,
    /// The token that `check` is to send.
    pub token: Option<String>,
    /// The password file holds another password.
    pub wrong_password: bool,
    /// The address under test.
    pub target: String,
    /// A real message is sent and looked for.
    pub send: bool,
    /// What is looked at is the sender at [`SENDER_DOMAIN`].
    pub outbound: bool,
    /// The key of the root, as DS data.
    trust_anchor: String,
}

impl Setup {
    /// The healthy system.
    fn healthy(plan: Plan) -> Result<Self, LabError> {
        let authority = Authority::new()?;
        let at_mailboxes = authority.server(&[&format!("mail.{DOMAIN}")], Variant::Good)?;
        let mailbox = |protocol, implicit| mailbox::Behaviour {
            protocol,
            implicit,
            shut: false,
            refuses: false,
            tls: at_mailboxes.clone(),
        };
        let [(mx1, key1), (mx2, key2)] = [Self::exchanger(&authority, 1)?, Self::exchanger(&authority, 2)?];
        let mut setup = Self {
            mailboxes: [
                mailbox(mailbox::Protocol::Imap, false),
                mailbox(mailbox::Protocol::Imap, true),
                mailbox(mailbox::Protocol::Pop3, false),
                mailbox(mailbox::Protocol::Pop3, true),
            ],
            mailbox: None,
            web: None,
            mx: [mx1, mx2],
            mx_keys: [key1, key2],
            submission: Self::sender(&authority, Role::Submission)?,
            smtps: Self::sender(&authority, Role::Smtps)?,
            stub: Stub { server: SocketAddr::new(plan.resolver(), plan.dns), wait: Duration::from_secs(3), tries: 2 },
            settings: Settings { reverse_lookup: true, ..Settings::default() },
            zones: Zones::default(),
            plan,
            authority,
            arguments: Vec::new(),
            pace: Pace::default(),
            asks_list: false,
            resolver: None,
            token: None,
            wrong_password: false,
            target: format!("anna@{DOMAIN}"),
            send: false,
            outbound: false,
            trust_anchor: String::new(),
        };
        setup.fill_zones();
        setup.sign_zones()?;
        Ok(setup)
    }

    /// An exchanger, and the public key of its certificate.
    fn exchanger(authority: &Authority, number: u8) -> Result<(Behaviour, Vec<u8>), LabError> {
        let host = format!("mx{number}.{DOMAIN}");
        let (tls, key) = authority.server_with_key(&[&host], Variant::Good)?;
        Ok((Behaviour { tls: Some(tls), looks_up: true, ..Self::plain(host, Role::Mx) }, key))
    }

    fn sender(authority: &Authority, role: Role) -> Result<Behaviour, LabError> {
        let host = format!("mail.{DOMAIN}");
        let tls = authority.server(&[&host], Variant::Good)?;
        Ok(Behaviour { tls: Some(tls), mechanisms: vec!["PLAIN", "LOGIN", "CRAM-MD5"], ..Self::plain(host, role) })
    }

    fn plain(host: String, role: Role) -> Behaviour {
        Behaviour {
            banner: format!("{host} ESMTP"),
            host,
            role,
            door: Door::Open,
            capabilities: ["PIPELINING", "SIZE 33554432", "8BITMIME"].map(str::to_owned).to_vec(),
            starttls: role != Role::Smtps,
            helo_only: false,
            tls: None,
            mechanisms: Vec::new(),
            auth_before_tls: false,
            auth_old_form: false,
            lax: false,
            relays: false,
            catch_all: false,
            tells: false,
            keeps_plaintext: false,
            bare_line_feeds_end: false,
            looks_up: false,
            rules: Vec::new(),
            loses: false,
            folder: "",
            delivery_delay: Duration::ZERO,
        }
    }

    fn fill_zones(&mut self) {
        let (plan, zones) = (&self.plan, &mut self.zones);
        zones.add(DOMAIN, data::soa(&format!("ns1.{DOMAIN}")));
        zones.add_in(View::Root, ".", data::soa("root"));
        for number in [1, 2] {
            let host = format!("ns{number}.{DOMAIN}");
            zones.add(DOMAIN, data::ns(&host));
            zones.add(&host, data::address(plan.authoritative(number)));
            zones.add_in(View::Root, DOMAIN, data::ns(&host));
            zones.add_in(View::Root, &host, data::address(plan.authoritative(number)));
        }
        zones.add(DOMAIN, data::txt(&format!("v=spf1 mx a:mail.{DOMAIN} -all")));
        zones.add(&format!("default._domainkey.{DOMAIN}"), data::txt(&format!("v=DKIM1; k=rsa; p={DKIM_KEY}")));
        zones.add(&format!("_dmarc.{DOMAIN}"), data::txt(&format!("v=DMARC1; p=reject; rua=mailto:dmarc@{DOMAIN}")));
        zones.add(&format!("_smtp._tls.{DOMAIN}"), data::txt(&format!("v=TLSRPTv1; rua=mailto:tls@{DOMAIN}")));
        for (number, preference) in [(1, 10), (2, 20)] {
            let host = format!("mx{number}.{DOMAIN}");
            zones.add(DOMAIN, data::mx(preference, &host));
            zones.add(&host, data::address(plan.mx(number)));
            zones.add(&rdns::ptr_name(plan.mx(number)), data::ptr(&host));
        }
        let mail = format!("mail.{DOMAIN}");
        zones.add(&mail, data::address(plan.mail()));
        zones.add(&rdns::ptr_name(plan.mail()), data::ptr(&mail));
        // Our own source address: a client with a confirmed name.
        let client = "client.visitor.example";
        let source = std::net::IpAddr::from([127, 0, 0, 1]);
        zones.add(client, data::address(source));
        zones.add(&rdns::ptr_name(source), data::ptr(client));
        zones.add(SENDER_DOMAIN, data::mx(10, client));
        // Another domain's server, whose mail is as it should be.
        zones.add(SENDER_HOST, data::address(plan.sender()));
        zones.add(&rdns::ptr_name(plan.sender()), data::ptr(SENDER_HOST));
        zones.add(SENDER_DOMAIN, data::txt(&format!("v=spf1 a:{SENDER_HOST} -all")));
        zones.add(&format!("default._domainkey.{SENDER_DOMAIN}"), data::txt(&format!("v=DKIM1; k=rsa; p={DKIM_KEY}")));
        zones.add(&format!("_dmarc.{SENDER_DOMAIN}"), data::txt("v=DMARC1; p=reject"));
    }

    /// Signs the root and the domain, and joins them by a DS record.
    fn sign_zones(&mut self) -> Result<(), LabError> {
        let (root, domain) = (ZoneKey::new(dns::name("."))?, ZoneKey::new(dns::name(DOMAIN))?);
        self.zones.add_in(View::Root, ".", root.dnskey());
        self.zones.add_in(View::Root, DOMAIN, domain.ds()?);
        self.zones.add(DOMAIN, domain.dnskey());
        self.trust_anchor = root.ds()?.to_string();
        self.zones.sign_with(root, domain);
        Ok(())
    }

    /// The blacklists of the story, or the usual one.
    fn ask_blacklists(&mut self, scenario: &Scenario) {
        let usual = [Blacklist::healthy(BLACKLIST)];
        let lists = scenario.blacklists.as_deref().unwrap_or(&usual);
        for list in lists {
            list.publish(&mut self.zones);
            self.settings.blacklists.push(list.zone.clone());
        }
        if let Some(wait) = scenario.dns_wait {
            self.stub.wait = wait;
        }
    }

    /// Announces MTA-STS, and serves a policy.
    ///
    /// # Errors
    /// Where the certificate cannot be made.
    pub fn announce(&mut self, policy: Policy) -> Result<(), LabError> {
        let host = format!("mta-sts.{DOMAIN}");
        self.zones.add(&format!("_mta-sts.{DOMAIN}"), data::txt("v=STSv1; id=20261124T000000;"));
        self.zones.add(&host, data::address(self.plan.web()));
        let tls = self.authority.server(&[&host], Variant::Good)?;
        self.web = Some(Web { tls, policy });
        Ok(())
    }

    /// Publishes TLSA records for the exchangers, which fit their keys.
    pub fn promise(&mut self) {
        for (key, number) in self.mx_keys.iter().zip(1..) {
            let record = data::tlsa(3, 1, 1, sha2::Sha256::digest(key).to_vec());
            self.zones.add(&format!("_25._tcp.mx{number}.{DOMAIN}"), record);
        }
    }

    /// Gives both exchangers another certificate, and a new key with it.
    ///
    /// # Errors
    /// Where the certificate cannot be made.
    pub fn certify(&mut self, variant: Variant) -> Result<(), LabError> {
        let (tls, key) =
            self.authority.server_with_key(&[&format!("mx1.{DOMAIN}"), &format!("mx2.{DOMAIN}")], variant)?;
        self.mx.iter_mut().for_each(|mx| mx.tls = Some(tls.clone()));
        self.mx_keys = [key.clone(), key];
        Ok(())
    }

    /// All four servers, to change something at each.
    pub fn servers(&mut self) -> impl Iterator<Item = &mut Behaviour> {
        self.mx.iter_mut().chain([&mut self.submission, &mut self.smtps])
    }
}

/// A lab that runs. Dropping it ends every server and removes its folder.
pub struct Lab {
    plan: Plan,
    root: PathBuf,
    accounts: BTreeMap<String, SecretString>,
    arguments: Vec<String>,
    target: String,
    resolver: SocketAddr,
    zones: dns::Shared,
    events: broadcast::Sender<String>,
    send: bool,
    outbound: bool,
    mailbox: Option<mailbox::Protocol>,
    service: Arc<Service>,
    _tasks: JoinSet<()>,
}

impl Lab {
    /// Starts the system with the faults and rules of a story.
    ///
    /// # Errors
    /// [`LabError`] where addresses, folders or certificates cannot be had, or a fault is unknown.
    pub async fn start(scenario: &Scenario) -> Result<Self, LabError> {
        let plan = Plan::find()?;
        let mut setup = Setup::healthy(plan.clone())?;
        setup.ask_blacklists(scenario);
        if let Some(policy) = &scenario.policy {
            setup.announce(policy.clone())?;
        }
        if scenario.dane {
            setup.promise();
        }
        setup.outbound = scenario.outbound;
        for code in &scenario.faults {
            let (receives, sends) = (faults::find(code), faults::find_of_sender(code));
            // A fault that only a sender can have makes it one that is looked at.
            setup.outbound |= receives.is_none() && sends.is_some();
            let fault = sends.filter(|_| setup.outbound).or(receives);
            let fault = fault.ok_or_else(|| LabError::NoSuchFault(code.clone()))?;
            (fault.apply)(&mut setup)?;
        }
        for server in setup.servers() {
            server.rules.extend(scenario.rules.iter().cloned());
        }
        let root = temporary_folder()?;
        let accounts: BTreeMap<String, SecretString> =
            ["anna", "bert"].into_iter().map(|name| (format!("{name}@{DOMAIN}"), secret())).collect();
        let store = Store::open(&root, accounts.keys().cloned())?;
        let kept = scenario.settings.clone().unwrap_or_else(|| root.join("settings.json"));
        let settings = console::Store::open(&kept, setup.settings)?;
        std::fs::write(root.join("ca.pem"), setup.authority.root_pem())?;
        let password = accounts
            .get(&format!("anna@{DOMAIN}"))
            .filter(|_| !setup.wrong_password)
            .map_or_else(|| "wrong".to_owned(), |p| p.expose_secret().to_owned());
        std::fs::write(root.join("password"), format!("{password}\n"))?;
        if let Some(token) = &setup.token {
            std::fs::write(root.join("token"), token)?;
        }
        let (events, _) = broadcast::channel(1024);
        let zones: dns::Shared = Arc::new(Mutex::new(setup.zones.clone()));
        let site = Arc::new(Site {
            domain: DOMAIN.to_owned(),
            accounts: accounts.clone(),
            store,
            stub: setup.stub,
            settings,
            cache: smtp::Cache::default(),
            sessions: smtp::Sessions::default(),
            counts: Mutex::new(HashMap::new()),
            events: events.clone(),
        });
        let mut tasks = JoinSet::new();
        let here = SocketAddr::new(plan.resolver(), plan.dns);
        dns::serve(zones.clone(), View::Here, here, &mut tasks).await?;
        for (view, ip) in [
            (View::Outside, plan.outside()),
            (View::Root, plan.root()),
            (View::Server(1), plan.authoritative(1)),
            (View::Server(2), plan.authoritative(2)),
        ] {
            dns::serve(zones.clone(), view, SocketAddr::new(ip, plan.dns), &mut tasks).await?;
        }
        std::fs::write(root.join("root.hints"), format!(". NS root.\nroot. A {}\n", plan.root()))?;
        std::fs::write(root.join("root.key"), format!(". IN DS {}\n", setup.trust_anchor))?;
        let [mx1, mx2] = setup.mx;
        let servers = vec![
            (mx1, SocketAddr::new(plan.mx(1), plan.smtp)),
            (mx2, SocketAddr::new(plan.mx(2), plan.smtp)),
            (setup.submission, SocketAddr::new(plan.mail(), plan.submission)),
            (setup.smtps, SocketAddr::new(plan.mail(), plan.smtps)),
        ];
        let service = Arc::new(Service::new(site.clone(), servers));
        service.start().await?;
        let access = Access { address: SocketAddr::new(plan.mail(), plan.console), token: token() };
        console::serve(service.clone(), events.subscribe(), access, &root, &mut tasks).await?;
        let ports = [plan.imap, plan.imaps, plan.pop3, plan.pop3s];
        for (behaviour, port) in setup.mailboxes.into_iter().zip(ports) {
            mailbox::serve(site.clone(), behaviour, SocketAddr::new(plan.mail(), port), &mut tasks).await?;
        }
        if let Some(web) = setup.web {
            web::serve(web, SocketAddr::new(plan.web(), plan.https), &mut tasks).await?;
        }
        let mut arguments = setup.arguments;
        arguments.extend(setup.pace.arguments());
        if setup.asks_list {
            arguments.push(format!("--dnsbl={BLACKLIST}"));
        }
        if setup.token.is_some() {
            arguments.extend(["--auth-token-file".to_owned(), root.join("token").display().to_string()]);
        }
        Ok(Self {
            plan,
            root,
            accounts,
            arguments,
            target: setup.target,
            resolver: setup.resolver.unwrap_or(here),
            zones,
            events,
            send: setup.send,
            outbound: setup.outbound,
            mailbox: setup.mailbox,
            service,
            _tasks: tasks,
        })
    }

    /// The arguments of `maildoctor` that check this lab.
    pub fn check_arguments(&self) -> Vec<String> {
        let plan = &self.plan;
        let ports = format!(
            "smtp={},submission={},smtps={},imap={},imaps={},pop3={},pop3s={},https={},dns={}",
            plan.smtp, plan.submission, plan.smtps, plan.imap, plan.imaps, plan.pop3, plan.pop3s, plan.https, plan.dns
        );
        let anna = format!("anna@{DOMAIN}");
        let mut out: Vec<String> = [
            "check",
            &self.target,
            "--resolver",
            &self.resolver.to_string(),
            "--foreign-resolver",
            &SocketAddr::new(plan.outside(), plan.dns).to_string(),
        ]
        .map(str::to_owned)
        .to_vec();
        out.extend(["--root-hints".to_owned(), self.file("root.hints")]);
        out.extend(["--trust-anchor".to_owned(), self.file("root.key")]);
        out.extend(["--port".to_owned(), ports, "--ca-file".to_owned(), self.file("ca.pem")]);
        if self.outbound {
            let words = ["--outbound", "sam@visitor.example", "--bind", &plan.sender().to_string()].map(str::to_owned);
            out.extend(words);
            out.extend(["--helo", SENDER_HOST, "--dkim-selector", "default"].map(str::to_owned));
            out.push(format!("--dnsbl={BLACKLIST}"));
            out.extend(self.arguments.iter().cloned());
            return out;
        }
        out.extend(["--user".to_owned(), anna.clone(), "--password-file".to_owned(), self.file("password")]);
        out.extend(["--relay-rcpt".to_owned(), "somebody@visitor.example".to_owned()]);
        if self.send {
            out.push("--send".to_owned());
        }
        if self.send || self.mailbox.is_some() {
            let mailbox = match self.mailbox {
                None => format!("maildir:{}", self.maildir(&anna).display()),
                Some(mailbox::Protocol::Imap) => format!("imaps://mail.{DOMAIN}"),
                Some(mailbox::Protocol::Pop3) => format!("pop3s://mail.{DOMAIN}"),
            };
            out.extend(["--mailbox".to_owned(), mailbox]);
        }
        out.extend(self.arguments.iter().cloned());
        out
    }

    fn file(&self, name: &str) -> String {
        self.root.join(name).display().to_string()
    }

    /// The mailbox of a user.
    pub fn maildir(&self, user: &str) -> PathBuf {
        self.root.join("mail").join(user)
    }

    /// Addresses and ports.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The folder of mail, keys and password.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The accounts: user and password.
    pub fn accounts(&self) -> &BTreeMap<String, SecretString> {
        &self.accounts
    }

    /// The DNS, to change records while the lab runs.
    pub fn zones(&self) -> &dns::Shared {
        &self.zones
    }

    /// Where the console listens.
    pub fn console(&self) -> SocketAddr {
        SocketAddr::new(self.plan.mail(), self.plan.console)
    }

    /// The SMTP service.
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// What happens, a line each, from now on.
    pub fn events(&self) -> broadcast::Receiver<String> {
        self.events.subscribe()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // Best effort: a folder that cannot be removed lies in the system's folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

/// A password that nobody has used before.
fn secret() -> SecretString {
    format!("lab-{:016x}", random()).into()
}

/// A token of 128 bits that nobody guesses.
fn token() -> String {
    format!("{:016x}{:016x}", random(), random())
}

/// Writes a file that only its owner can read.
fn private_file(path: &Path, octets: &[u8]) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    io::Write::write_all(&mut options.open(path)?, octets)
}

fn temporary_folder() -> io::Result<PathBuf> {
    let path = std::env::temp_dir().join(format!("maildoctor-lab-{}-{:016x}", std::process::id(), random()));
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(&path)?;
    Ok(path)
}
