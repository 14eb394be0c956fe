//! What a session speaks on: a connection, or TLS over one.

use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Empty};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// A stream whose connection can be made to end in RST instead of FIN.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {
    /// Whoever drops it from now on resets the connection.
    fn reset_when_dropped(&self);
}

impl Stream for TcpStream {
    fn reset_when_dropped(&self) {
        // A connection that is gone already needs no reset.
        let _ = SockRef::from(self).set_linger(Some(Duration::ZERO));
    }
}

impl Stream for TlsStream<Box<dyn Stream>> {
    fn reset_when_dropped(&self) {
        self.get_ref().0.reset_when_dropped();
    }
}

impl Stream for Empty {
    fn reset_when_dropped(&self) {}
}
