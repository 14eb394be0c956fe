//! The machine itself: its name, its addresses, its disks.

use crate::probe::Context;
use crate::questions::host::machine::{Disk, DiskWire, Machine, MachineWire, local_v4, local_v6};

/// Writes down who this machine is.
pub async fn read(context: &Context) {
    let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let read = async {
        let mut addresses = local_v4(&text("/proc/net/fib_trie"));
        addresses.extend(local_v6(&text("/proc/net/if_inet6")));
        MachineWire { hostname: text("/proc/sys/kernel/hostname").trim().to_ascii_lowercase(), addresses }
    };
    let (wire, times) = context.timed(read).await;
    super::record(context, &Machine, times, &wire);
}

/// The file system that a path lies on; `None` where there is no such path.
pub fn device(path: &str) -> Option<u64> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).ok().map(|about| about.dev())
}

/// Writes down how full the file system at a path is; a path that is not there is left out.
pub async fn disk(context: &Context, path: &str) {
    let at = path.to_owned();
    let limit = context.limit();
    // A file system behind a network that is down would keep us waiting for ever.
    let read = tokio::time::timeout(limit, tokio::task::spawn_blocking(move || rustix::fs::statvfs(at)));
    let (answer, times) = context.timed(read).await;
    let wire = match answer {
        Ok(Ok(Ok(about))) => DiskWire {
            size: about.f_blocks.saturating_mul(about.f_frsize),
            available: about.f_bavail.saturating_mul(about.f_frsize),
            files: about.f_files,
            files_available: about.f_favail,
            flaw: None,
        },
        Ok(Ok(Err(rustix::io::Errno::NOENT))) => return,
        Ok(Ok(Err(error))) => DiskWire { flaw: Some(format!("{path}: {error}")), ..DiskWire::default() },
        Ok(Err(_)) | Err(_) => {
            DiskWire { flaw: Some(format!("the file system of {path} does not answer")), ..DiskWire::default() }
        }
    };
    super::record(context, &Disk { path: path.to_owned() }, times, &wire);
}
