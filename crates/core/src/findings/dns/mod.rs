//! What the DNS says of a mail domain and its hosts.

mod authority;
mod autoconfig;
mod bogus;
pub(super) mod intercepted;
mod lookup;
mod mx;
mod mx_hosts;
mod mx_reach;
mod named_host;
mod parked;
mod ptr;
mod tcp;
pub(super) mod views;

use super::Rule;

/// The rules of this area.
pub(super) fn rules() -> Vec<Rule> {
    [
        authority::RULES,
        autoconfig::RULES,
        bogus::RULES,
        views::RULES,
        tcp::RULES,
        parked::RULES,
        lookup::RULES,
        named_host::RULES,
        mx::RULES,
        mx_hosts::RULES,
        mx_reach::RULES,
        ptr::RULES,
    ]
    .concat()
}
