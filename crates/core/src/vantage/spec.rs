//! How a place to look from is written: `local`, `socks5://[user@]host:port`, `ssh:[user@]host[:port]`.

use crate::options::{OptionError, bad};

/// How `--from` is written.
const EXAMPLE: &str = "local, socks5://[user@]host:port or ssh:[user@]host[:port]";

/// A place to look from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VantageSpec {
    /// This machine.
    Local,
    /// Through a SOCKS5 proxy (RFC 1928).
    Socks5 {
        /// The name it was given.
        name: String,
        /// Where the proxy is: host or address, and port.
        proxy: String,
        /// The user, where the proxy wants a login (RFC 1929).
        user: Option<String>,
    },
    /// Through a machine that we can log in to with ssh.
    Ssh {
        /// The name it was given.
        name: String,
        /// The user; ssh's own configuration decides where absent.
        user: Option<String>,
        /// The host: a name, an address, or a `Host` of ssh's configuration.
        host: String,
        /// The port; ssh's own configuration decides where absent.
        port: Option<u16>,
    },
}

impl VantageSpec {
    /// Reads a place.
    ///
    /// # Errors
    /// [`OptionError`] for anything else, and for a password: it never stands on a command line.
    pub fn parse(text: &str) -> Result<Self, OptionError> {
        if text == "local" {
            return Ok(Self::Local);
        }
        let wrong = || bad("vantage", text, EXAMPLE);
        if let Some(place) = text.strip_prefix("ssh:") {
            let (user, server) = login(place.trim_start_matches("//").trim_end_matches('/'));
            let (host, port) = host_and_port(server).ok_or_else(wrong)?;
            // A dash in front would be an option to ssh.
            if !is_word(host) || user.is_some_and(|user| !is_word(user)) {
                return Err(wrong());
            }
            return Ok(Self::Ssh { name: text.to_owned(), user: user.map(str::to_owned), host: host.to_owned(), port });
        }
        let place = text.strip_prefix("socks5://").or_else(|| text.strip_prefix("socks5h://")).ok_or_else(wrong)?;
        let (user, proxy) = login(place.trim_end_matches('/'));
        if user.is_some_and(|user| user.contains(':')) {
            // The text is not repeated: it holds the password.
            return Err(bad(
                "vantage",
                "socks5://user:…@…",
                "the user alone, socks5://user@host:port, and the password in MAILDOCTOR_SOCKS_PASSWORD or --socks-password-file FILE",
            ));
        }
        let (host, port) = host_and_port(proxy).ok_or_else(wrong)?;
        if user.is_some_and(str::is_empty) || host.is_empty() || port.is_none() {
            return Err(wrong());
        }
        Ok(Self::Socks5 { name: text.to_owned(), proxy: proxy.to_owned(), user: user.map(str::to_owned) })
    }

    /// The name by which reports know it: what was typed.
    pub fn name(&self) -> &str {
        match self {
            Self::Local => "local",
            Self::Socks5 { name, .. } | Self::Ssh { name, .. } => name,
        }
    }
}

/// What stands before the last `@`, and the rest.
fn login(text: &str) -> (Option<&str>, &str) {
    text.rsplit_once('@').map_or((None, text), |(user, rest)| (Some(user), rest))
}

/// `host`, `host:port`, `[2001:db8::1]` or `[2001:db8::1]:port`; an IPv6 address without brackets has no port.
fn host_and_port(text: &str) -> Option<(&str, Option<u16>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        let port = match rest.strip_prefix(':') {
            Some(port) => Some(port.parse().ok().filter(|&n| n > 0)?),
            None => rest.is_empty().then_some(None)?,
        };
        return Some((host, port));
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => Some((host, Some(port.parse().ok().filter(|&n| n > 0)?))),
        _ => Some((text, None)),
    }
}

/// A word that cannot be taken for an option, nor for more than one word.
fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('-') && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ssh(text: &str) -> Option<(Option<String>, String, Option<u16>)> {
        match VantageSpec::parse(text) {
            Ok(VantageSpec::Ssh { user, host, port, .. }) => Some((user, host, port)),
            _ => None,
        }
    }

    #[test]
    fn places_are_read() {
        assert_eq!(VantageSpec::parse("local"), Ok(VantageSpec::Local));
        assert_eq!(ssh("ssh:outside"), Some((None, "outside".into(), None)));
        assert_eq!(ssh("ssh:me@192.0.2.1:2222"), Some((Some("me".into()), "192.0.2.1".into(), Some(2222))));
        assert_eq!(ssh("ssh://me@[2001:db8::1]:22/"), Some((Some("me".into()), "2001:db8::1".into(), Some(22))));
        assert_eq!(ssh("ssh:2001:db8::1"), Some((None, "2001:db8::1".into(), None)));
        assert_eq!(
            VantageSpec::parse("socks5://anna@[2001:db8::1]:1080"),
            Ok(VantageSpec::Socks5 {
                name: "socks5://anna@[2001:db8::1]:1080".into(),
                proxy: "[2001:db8::1]:1080".into(),
                user: Some("anna".into())
            })
        );
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for text in [
            "",
            "remote",
            "ssh:",
            "ssh:-oProxyCommand=id",
            "ssh:-l@host",
            "ssh:a b",
            "ssh:host:0",
            "ssh:host:ssh",
            "ssh:[::1",
            "ssh:[::1]22",
            "socks5://host",
            "socks5://:1080",
            "socks5://@host:1080",
            "socks5://host:70000",
            "http://host:1",
        ] {
            assert!(VantageSpec::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_password_in_the_url_is_refused_and_not_repeated() {
        let error = VantageSpec::parse("socks5://anna:s3cret@proxy:1080").unwrap_err().to_string();
        assert!(error.contains("MAILDOCTOR_SOCKS_PASSWORD") && !error.contains("s3cret"), "{error}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(ssh:|socks5://)?[-@:\\[\\]/a-z0-9. ]{0,30}") {
            if let Ok(VantageSpec::Ssh { host, user, .. }) = VantageSpec::parse(&text) {
                prop_assert!(is_word(&host) && user.is_none_or(|u| is_word(&u)));
            }
        }
    }
}
