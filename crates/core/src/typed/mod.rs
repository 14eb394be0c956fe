//! A session that a person or a script types, through any place to look from: the machine of `wire` on a connection.

mod certificates;
mod explain;
mod peer;
mod session;

pub use certificates::described;
pub use explain::explain;
pub use peer::{Peer, PeerError};
pub use session::{Ended, Happened, OpenError, Place, Session};
