//! Which pairs of faults are switched on.

use maildoctor_lab::faults::{self, Fault};

/// Two faults that are on together.
pub type Pair = [&'static Fault; 2];

/// Pairs that are always tried: of different areas, of one area, one behind the other, and both at the same exchangers.
pub const CORE: [[&str; 2]; 28] = [
    ["cert-expired", "mx-split-horizon"],
    ["imap-login-failed", "autoconfig-srv-wrong"],
    ["mx-stale-cache", "autoconfig-srv-wrong"],
    ["cert-expired", "dane-without-dnssec"],
    ["auth-rejected", "banner-no-hostname"],
    ["relay-open", "ptr-missing"],
    ["submission-closed", "recipient-mailbox-full"],
    ["starttls-not-offered", "auth-backend-down"],
    ["spf-missing", "dmarc-policy-none"],
    ["mx-duplicate", "cert-self-signed"],
    ["dnsbl-timeout", "cert-chain-incomplete"],
    ["dnsbl-timeout", "ptr-slow"],
    ["rcpt-slow", "recipient-disabled"],
    ["banner-greet-delay", "dnsbl-slow"],
    ["size-limit-small", "starttls-refused"],
    ["connect-refused", "cert-expired"],
    ["connect-refused", "ptr-slow"],
    ["banner-554-blocked", "reply-malformed"],
    ["resolver-unreachable", "mx-stale-cache"],
    ["connect-reset", "mx-ipv6-broken"],
    ["domain-not-found", "dkim-key-broken"],
    ["sender-rejected", "data-rejected-size"],
    ["sender-rejected", "rcpt-deferred"],
    ["mx-missing", "mta-sts-cert-mismatch"],
    ["banner-timeout", "delivered-to-junk"],
    ["null-sender-rejected", "smtp-smuggling"],
    ["resolver-unreachable", "dnsbl-slow"],
    ["connect-reset", "banner-timeout"],
];

/// Whether two faults can be on together.
pub fn go_together(a: &Fault, b: &Fault) -> bool {
    a.code != b.code && !a.place.excludes(&b.place)
}

/// Every pair of faults that can be on together.
pub fn every_pair() -> Vec<Pair> {
    let all: Vec<&'static Fault> = faults::all().collect();
    let later = |n: usize| all.get(n + 1..).unwrap_or_default();
    all.iter().enumerate().flat_map(|(n, a)| later(n).iter().filter(|b| go_together(a, b)).map(|b| [*a, *b])).collect()
}

/// Some of these pairs, by chance: the same for the same seed.
pub fn some_of(mut pairs: Vec<Pair>, many: usize, seed: u64) -> Vec<Pair> {
    let mut state = seed;
    let many = many.min(pairs.len());
    for place in 0..many {
        let left = u64::try_from(pairs.len() - place).unwrap_or(1);
        let other = usize::try_from(split_mix(&mut state) % left).unwrap_or(0);
        pairs.swap(place, place + other);
    }
    pairs.truncate(many);
    pairs
}

/// SplitMix64 (Steele, Lea and Flood, 2014): enough for a choice that can be repeated.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(pairs: &[Pair]) -> Vec<[&'static str; 2]> {
        pairs.iter().map(|[a, b]| [a.code, b.code]).collect()
    }

    #[test]
    fn the_pairs_of_the_core_can_be_on_together() {
        for [a, b] in CORE {
            assert!(go_together(faults::find(a).unwrap(), faults::find(b).unwrap()), "{a} {b}");
        }
    }

    #[test]
    fn a_seed_gives_the_same_pairs_again_and_another_one_others() {
        let chosen = |seed| codes(&some_of(every_pair(), 30, seed));
        assert_eq!(chosen(7), chosen(7));
        assert_ne!(chosen(7), chosen(8));
    }
}
