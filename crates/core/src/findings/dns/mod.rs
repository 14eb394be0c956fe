//! What the DNS says of a mail domain and its hosts.

mod lookup;
mod mx;
mod mx_hosts;
mod mx_reach;
mod ptr;

use super::Rule;

/// The rules of this area.
pub(super) fn rules() -> Vec<Rule> {
    [lookup::RULES, mx::RULES, mx_hosts::RULES, mx_reach::RULES, ptr::RULES].concat()
}
