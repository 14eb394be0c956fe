//! The resolver that the system uses.

use std::net::SocketAddr;

use crate::questions::host::resolv_conf::{RESOLV_CONF, nameservers};

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
pub(crate) fn of_the_system() -> Result<SocketAddr, ResolverError> {
    nameservers(&std::fs::read_to_string(RESOLV_CONF)?).next().ok_or(ResolverError::None)
}
