//! How many connections at once a peer has to bear from us.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections at once to one address and port.
pub const MAX_PER_SERVICE: usize = 2;

/// Connections at once to one address.
pub const MAX_PER_ADDRESS: usize = 6;

/// The count of connections that stand.
#[derive(Default)]
pub struct Polite {
    services: Mutex<HashMap<SocketAddr, Arc<Semaphore>>>,
    addresses: Mutex<HashMap<IpAddr, Arc<Semaphore>>>,
}

/// The right to one connection.
pub struct Permit {
    _service: Option<OwnedSemaphorePermit>,
    _address: Option<OwnedSemaphorePermit>,
}

impl Permit {
    /// For what no peer has to bear: a process of ours.
    pub fn unneeded() -> Self {
        Self { _service: None, _address: None }
    }
}

impl Polite {
    /// Waits until another connection is within the limits.
    pub async fn permit(&self, to: SocketAddr) -> Permit {
        let service = slot(&self.services, to, MAX_PER_SERVICE);
        let address = slot(&self.addresses, to.ip(), MAX_PER_ADDRESS);
        // A semaphore that is never closed always gives its permit in the end.
        Permit { _service: service.acquire_owned().await.ok(), _address: address.acquire_owned().await.ok() }
    }

    /// Waits until no other connection to the address stands, and keeps others from being opened while this one does.
    pub async fn permit_alone(&self, to: SocketAddr) -> Permit {
        let address = slot(&self.addresses, to.ip(), MAX_PER_ADDRESS);
        let all = u32::try_from(MAX_PER_ADDRESS).unwrap_or(u32::MAX);
        Permit { _service: None, _address: address.acquire_many_owned(all).await.ok() }
    }
}

fn slot<K: std::hash::Hash + Eq>(slots: &Mutex<HashMap<K, Arc<Semaphore>>>, key: K, limit: usize) -> Arc<Semaphore> {
    let mut slots = slots.lock().unwrap_or_else(PoisonError::into_inner);
    slots.entry(key).or_insert_with(|| Arc::new(Semaphore::new(limit))).clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_third_connection_waits_for_one_of_two() {
        let polite = Polite::default();
        let to: SocketAddr = "192.0.2.1:25".parse().unwrap();
        let one = polite.permit(to).await;
        let _two = polite.permit(to).await;
        assert!(tokio::time::timeout(Duration::from_secs(1), polite.permit(to)).await.is_err());
        drop(one);
        assert!(tokio::time::timeout(Duration::from_secs(1), polite.permit(to)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_wants_to_be_alone_waits_for_all_others_and_keeps_them_out() {
        let polite = Polite::default();
        let (to, other): (SocketAddr, SocketAddr) = ("192.0.2.1:25".parse().unwrap(), "192.0.2.1:587".parse().unwrap());
        let before = polite.permit(other).await;
        assert!(tokio::time::timeout(Duration::from_secs(1), polite.permit_alone(to)).await.is_err());
        drop(before);
        let alone = polite.permit_alone(to).await;
        assert!(tokio::time::timeout(Duration::from_secs(1), polite.permit(other)).await.is_err());
        drop(alone);
        assert!(tokio::time::timeout(Duration::from_secs(1), polite.permit(other)).await.is_ok());
    }
}
