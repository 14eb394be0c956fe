//! Which resolvers programs on this machine ask.

use std::path::Path;

use super::files::read_text;
use crate::case::Question;
use crate::probe::Context;
use crate::questions::host::resolv_conf::{ResolvConf, ResolvConfView, ResolvConfWire};

/// Reads a resolv.conf; `None` where it is there and cannot be read.
pub async fn resolv_conf(context: &Context, path: &str) -> Option<ResolvConfView> {
    let read = async {
        match std::fs::symlink_metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => ResolvConfWire { text: None, flaw: None },
            _ => match read_text(Path::new(path)) {
                Ok(text) => ResolvConfWire { text: Some(text), flaw: None },
                Err(flaw) => ResolvConfWire { text: None, flaw: Some(flaw) },
            },
        }
    };
    let (wire, times) = context.timed(read).await;
    super::record(context, &ResolvConf { path: path.to_owned() }, times, &wire);
    ResolvConf::read(wire)
}
