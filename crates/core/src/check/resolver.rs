//! The resolver that the system uses.

use std::net::{IpAddr, SocketAddr};

/// Where the system names its resolvers.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// There is no resolver to ask.
#[derive(Debug, thiserror::Error)]
pub enum ResolverError {
    /// The file cannot be read.
    #[error(
        "the system's resolver is not known, for {RESOLV_CONF} cannot be read ({0}); name one with --resolver ADDR"
    )]
    Unreadable(#[from] std::io::Error),
    /// The file names none.
    #[error("{RESOLV_CONF} names no resolver; name one with --resolver ADDR")]
    None,
}

/// The first resolver of the system.
///
/// # Errors
/// [`ResolverError`] where the system names none.
pub(super) fn of_the_system() -> Result<SocketAddr, ResolverError> {
    first(&std::fs::read_to_string(RESOLV_CONF)?).ok_or(ResolverError::None)
}

/// The first `nameserver` line of a resolv.conf; a zone index behind `%` is left off.
fn first(text: &str) -> Option<SocketAddr> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let address = words.next().filter(|w| *w == "nameserver").and_then(|_| words.next())?;
        let ip: IpAddr = address.split('%').next()?.parse().ok()?;
        Some(SocketAddr::new(ip, 53))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_usable_line_counts() {
        let text = "# nameserver 192.0.2.1\nsearch example.org\nnameserver nonsense\nnameserver 192.0.2.53\nnameserver 192.0.2.54\n";
        assert_eq!(first(text), Some("192.0.2.53:53".parse().unwrap()));
        assert_eq!(first("nameserver fe80::1%eth0"), Some("[fe80::1]:53".parse().unwrap()));
        assert_eq!(first("options ndots:1"), None);
    }
}
