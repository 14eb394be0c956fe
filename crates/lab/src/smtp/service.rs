//! The SMTP service as a whole: its servers are started and stopped together.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use maildoctor_wire::console;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::{Behaviour, Site, serve};
use crate::scenario::Role;

/// The servers, running or not.
pub struct Service {
    site: Arc<Site>,
    servers: Vec<(Behaviour, SocketAddr)>,
    running: Mutex<Option<JoinSet<()>>>,
    starts: AtomicU64,
}

impl Service {
    /// The service of these servers, not started yet.
    pub fn new(site: Arc<Site>, servers: Vec<(Behaviour, SocketAddr)>) -> Self {
        Self { site, servers, running: Mutex::default(), starts: AtomicU64::new(0) }
    }

    /// What the servers share.
    pub fn site(&self) -> &Arc<Site> {
        &self.site
    }

    /// Starts all servers, and delivers what lies in the queue; nothing where they run.
    ///
    /// # Errors
    /// Where an address cannot be used: then none is started.
    pub async fn start(&self) -> io::Result<()> {
        let mut running = self.running.lock().await;
        if running.is_some() {
            return Ok(());
        }
        let mut tasks = JoinSet::new();
        for (behaviour, on) in &self.servers {
            serve(self.site.clone(), behaviour.clone(), *on, &mut tasks).await?;
        }
        *running = Some(tasks);
        self.starts.fetch_add(1, Ordering::Relaxed);
        if !self.servers.iter().any(|(behaviour, _)| behaviour.loses) {
            let site = self.site.clone();
            // What cannot be delivered stays in the queue.
            let _ = tokio::task::spawn_blocking(move || site.store.recover()).await;
        }
        self.site.tell("the SMTP service is started".to_owned());
        Ok(())
    }

    /// Stops all servers: sessions end, connections are refused, and the cache is forgotten.
    pub async fn stop(&self) {
        let mut running = self.running.lock().await;
        if let Some(mut tasks) = running.take() {
            tasks.shutdown().await;
            self.site.cache.clear();
            self.site.tell("the SMTP service is stopped, its cache cleared".to_owned());
        }
    }

    /// How it stands.
    pub async fn state(&self) -> console::Service {
        let looking = self.servers.iter().filter(|(behaviour, _)| behaviour.role == Role::Mx);
        console::Service {
            running: self.running.lock().await.is_some(),
            starts: self.starts.load(Ordering::Relaxed),
            exchangers: looking.map(|(_, on)| *on).collect(),
        }
    }
}
