//! Other people's clients, while the program looks.

use std::{
    io::Read,
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use socket2::{Domain, Socket, Type};

use crate::{
    WardError,
    names::{FOREIGN_RESOLVER, MX_ADDRESS, OTHER_ADDRESS, OUTSIDE_ADDRESS},
};

/// The pace of the clients: fifty a second.
const EVERY: Duration = Duration::from_millis(20);
/// How long a client waits for its banner.
const PATIENCE: Duration = Duration::from_secs(8);
/// Where they come from.
const STRANGERS: [&str; 3] = [OTHER_ADDRESS, OUTSIDE_ADDRESS, FOREIGN_RESOLVER];

/// Clients that connect to port 25, read the banner and go, fifty a second, until this is dropped.
#[derive(Debug)]
pub struct Load(Arc<AtomicBool>);

impl Load {
    /// Begins it.
    #[must_use]
    pub fn begin() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        thread::spawn(move || {
            for place in STRANGERS.iter().cycle() {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                // What a client meets is its own affair: the server is to be busy.
                thread::spawn(move || drop(visit(place)));
                thread::sleep(EVERY);
            }
        });
        Self(over)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn visit(place: &str) -> Result<(), WardError> {
    let address = |text: &str, port: u16| -> SocketAddr {
        SocketAddr::new(text.parse().unwrap_or(std::net::Ipv4Addr::LOCALHOST.into()), port)
    };
    let connect = || -> std::io::Result<TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&address(place, 0).into())?;
        socket.connect_timeout(&address(MX_ADDRESS, 25).into(), PATIENCE)?;
        Ok(socket.into())
    };
    let mut stream = connect().map_err(WardError::io(place))?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(WardError::io(place))?;
    stream.read(&mut [0; 512]).map(drop).map_err(WardError::io(place))
}
