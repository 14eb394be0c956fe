//! How programs of the host resolve names: which resolvers they are told to ask, and what hides their questions.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use crate::questions::host::resolv_conf::ResolvConfView;
use crate::questions::host::sockets::LISTEN;

use super::super::files::read_text;
use super::super::sockets::{holders, sockets};

/// The most processes whose view of the file system is looked into.
const MAX_VIEWS: usize = 8;

/// systemd-resolved answers here, and asks others itself, perhaps encrypted.
const RESOLVED: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 53));

/// Docker answers here for its containers, on a port that changes.
const DOCKER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 11));

/// Modules of `hosts` in nsswitch.conf that answer for this machine and its own network alone: whoever asks for a name
/// of the DNS gets nothing from them.
const QUIET: [&str; 6] = ["files", "myhostname", "mymachines", "mdns_minimal", "mdns4_minimal", "mdns6_minimal"];

/// How names are resolved, as the server sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolving {
    /// The resolvers in the order in which they are asked.
    pub resolvers: Vec<SocketAddr>,
    /// How long the library waits for an answer, in milliseconds, where it is said.
    pub timeout_ms: Option<u64>,
    /// What leaves no packets, each as a sentence part.
    pub blind: Vec<String>,
}

/// How the processes that listen on one of `ports` resolve names; where none is seen, how this machine does. `pid` is a
/// process of their network, where that is another than ours.
pub fn of_listeners(ports: &[u16], pid: Option<u32>) -> Resolving {
    let views: Vec<String> = match pid {
        Some(pid) => vec![format!("/proc/{pid}/root")],
        None => {
            let (sockets, _) = sockets();
            let listening: BTreeSet<u64> = sockets
                .iter()
                .filter(|e| e.state == LISTEN && ports.contains(&e.local.port()))
                .map(|e| e.inode)
                .collect();
            let (held, _) = holders(&listening);
            let pids: BTreeSet<u32> = held.values().flatten().map(|process| process.pid).collect();
            pids.into_iter().take(MAX_VIEWS).map(|pid| format!("/proc/{pid}/root")).collect()
        }
    };
    let mut out = Resolving::default();
    // Where all of them live in an empty folder, as OpenSMTPD's do, a sister process that does not asks for them.
    let shut_in = pid.is_none() && !views.iter().any(|view| Path::new(&format!("{view}/etc/resolv.conf")).exists());
    for view in views.iter().map(String::as_str).chain(shut_in.then_some("")) {
        // A process in a chroot without such a file asks 127.0.0.1; whoever reads nothing tells nothing.
        if let Ok(text) = read_text(format!("{view}/etc/resolv.conf")) {
            out.read_resolv_conf(&text);
        }
        if let Ok(text) = read_text(format!("{view}/etc/nsswitch.conf")) {
            out.read_nsswitch(&text);
        }
        if Path::new(&format!("{view}/run/nscd/socket")).exists() {
            out.cannot_see("names that nscd keeps are answered without a question on the wire");
        }
    }
    out
}

impl Resolving {
    fn cannot_see(&mut self, what: &str) {
        if !self.blind.iter().any(|known| known == what) {
            self.blind.push(what.to_owned());
        }
    }

    fn read_resolv_conf(&mut self, text: &str) {
        let view = ResolvConfView::of(text);
        self.timeout_ms = view.timeout_ms.or(self.timeout_ms);
        for server in view.servers {
            if !self.resolvers.contains(&server) {
                self.resolvers.push(server);
            }
            match server.ip() {
                RESOLVED => self.cannot_see("whom systemd-resolved at 127.0.0.53 asks in turn may be encrypted"),
                DOCKER => self.cannot_see("Docker's resolver at 127.0.0.11 is asked on a port that is not watched"),
                _ => {}
            }
        }
    }

    fn read_nsswitch(&mut self, text: &str) {
        let Some(hosts) = text.lines().find_map(|line| line.trim_start().strip_prefix("hosts:")) else { return };
        // What comes behind `dns` is asked only where that found nothing.
        for module in hosts.split_whitespace().take_while(|word| *word != "dns") {
            match module {
                "resolve" => {
                    self.cannot_see("nss-resolve asks systemd-resolved over a local socket and not over the network");
                }
                module if QUIET.contains(&module) || module.contains(['[', ']', '=', '#']) => {}
                module => self.cannot_see(&format!(
                    "nss-{module}, which nsswitch.conf names before dns, may answer names without a question to the DNS"
                )),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn several_views_are_put_together() {
        let mut resolving = Resolving::default();
        resolving.read_resolv_conf("nameserver 192.0.2.53\noptions timeout:2\n");
        resolving.read_resolv_conf("nameserver 192.0.2.53\nnameserver fe80::1%eth0\n");
        let servers: Vec<String> = resolving.resolvers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["192.0.2.53:53", "[fe80::1]:53"]);
        assert_eq!((resolving.timeout_ms, resolving.blind.len()), (Some(2000), 0));
    }

    #[test]
    fn what_hides_questions_is_said_once() {
        let mut resolving = Resolving::default();
        for _ in 0..2 {
            resolving.read_resolv_conf("nameserver 127.0.0.53\n");
            resolving.read_nsswitch("passwd: files\nhosts: files resolve [!UNAVAIL=return] dns\n");
        }
        assert_eq!(resolving.blind.len(), 2);
        let mut plain = Resolving::default();
        plain.read_nsswitch("hosts: files mdns4_minimal [NOTFOUND=return] dns sss\n");
        assert!(plain.blind.is_empty());
        plain.read_nsswitch("hosts: files sss dns\n");
        assert!(plain.blind[0].starts_with("nss-sss"), "{:?}", plain.blind);
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in "(nameserver|options|hosts:)?.{0,200}") {
            let mut resolving = Resolving::default();
            resolving.read_resolv_conf(&text);
            resolving.read_nsswitch(&text);
        }
    }
}
