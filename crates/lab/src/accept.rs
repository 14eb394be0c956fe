//! Takes connections, so many at once, and ends them with the server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How long to wait where no connection can be taken, or nothing listened for: there are no more descriptors, say.
pub(crate) const BREATH: Duration = Duration::from_millis(20);

/// Serves each connection until the set is dropped, at most so many at once; who comes then waits.
pub(crate) fn each<F, S>(listener: TcpListener, most: usize, tasks: &mut JoinSet<()>, serve: F)
where
    F: Fn(TcpStream, SocketAddr) -> S + Send + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    tasks.spawn(async move {
        let slots = Arc::new(Semaphore::new(most));
        // The connections end with the server.
        let mut connections = JoinSet::new();
        while let Ok(slot) = slots.clone().acquire_owned().await {
            while connections.try_join_next().is_some() {}
            let Ok((stream, client)) = listener.accept().await else {
                tokio::time::sleep(BREATH).await;
                continue;
            };
            let served = serve(stream, client);
            connections.spawn(async move {
                let _slot = slot;
                served.await;
            });
        }
    });
}
