//! The commands, one file each.

pub(crate) mod bounce;
pub(crate) mod catalogue;
pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod diagnose;
pub(crate) mod explain;
pub(crate) mod isolate;
pub(crate) mod lab;
pub(crate) mod render;
pub(crate) mod schema;
pub(crate) mod secret;
pub(crate) mod talk;
pub(crate) mod token;
pub(crate) mod trace;
