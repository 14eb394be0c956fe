//! The kernel's filter: packets of a few ports, and the first fragments of such packets.
//!
//! The program sees a packet from its IP header on. A later fragment carries no ports and is left out: what a DNS
//! message says about itself stands in the first.

use socket2::SockFilter;

/// The most ports that a filter lets through.
pub(super) const MAX_PORTS: usize = 32;

// Instructions of the classic BPF machine, as <linux/bpf_common.h> puts them together.
const LOAD_OCTET: u16 = 0x30;
const LOAD_HALF: u16 = 0x28;
const LOAD_HALF_AT_X: u16 = 0x48;
const SHIFT_RIGHT: u16 = 0x74;
const IF_EQUAL: u16 = 0x15;
const IF_ANY_BIT: u16 = 0x45;
const JUMP: u16 = 0x05;
const X_IS_IPV4_HEADER: u16 = 0xb1;
const X_IS: u16 = 0x01;
const RETURN: u16 = 0x06;

const UDP: u32 = 17;
const TCP: u32 = 6;
const IPV6_FRAGMENT: u32 = 44;

/// One instruction: what to do, how far to jump where a test holds and where it does not, and a value.
type Step = (u16, u8, u8, u32);

/// The program that lets UDP and TCP from or to one of `ports` through, of IPv4 and IPv6.
pub(super) fn program(ports: &[u16]) -> Vec<SockFilter> {
    steps(ports).into_iter().map(|(code, yes, no, value)| SockFilter::new(code, yes, no, value)).collect()
}

/// Where the ports are compared.
const PORTS: usize = 20;

fn steps(ports: &[u16]) -> Vec<Step> {
    let ports: Vec<u16> = ports.iter().copied().take(MAX_PORTS).collect();
    let refuse = PORTS + 2 * ports.len() + 2;
    let take = refuse + 1;
    // A jump counts from the instruction behind it; with so few ports every distance fits.
    let to = |target: usize, here: usize| u8::try_from(target.saturating_sub(here + 1)).unwrap_or(u8::MAX);
    let mut out: Vec<Step> = vec![
        (LOAD_OCTET, 0, 0, 0),
        (SHIFT_RIGHT, 0, 0, 4),
        (IF_EQUAL, 0, to(10, 2), 4),
        // IPv4: not a later fragment, UDP or TCP.
        (LOAD_HALF, 0, 0, 6),
        (IF_ANY_BIT, to(refuse, 4), 0, 0x1fff),
        (LOAD_OCTET, 0, 0, 9),
        (IF_EQUAL, to(8, 6), 0, UDP),
        (IF_EQUAL, 0, to(refuse, 7), TCP),
        (X_IS_IPV4_HEADER, 0, 0, 0),
        (JUMP, 0, 0, 10),
        // IPv6: the same, behind a fragment header too.
        (IF_EQUAL, 0, to(refuse, 10), 6),
        (X_IS, 0, 0, 40),
        (LOAD_OCTET, 0, 0, 6),
        (IF_EQUAL, 0, to(18, 13), IPV6_FRAGMENT),
        (LOAD_HALF, 0, 0, 42),
        (IF_ANY_BIT, to(refuse, 15), 0, 0xfff8),
        (X_IS, 0, 0, 48),
        (LOAD_OCTET, 0, 0, 40),
        (IF_EQUAL, to(PORTS, 18), 0, UDP),
        (IF_EQUAL, 0, to(refuse, 19), TCP),
    ];
    for place in [0, 2] {
        out.push((LOAD_HALF_AT_X, 0, 0, place));
        for port in &ports {
            out.push((IF_EQUAL, to(take, out.len()), 0, u32::from(*port)));
        }
    }
    out.push((RETURN, 0, 0, 0));
    out.push((RETURN, 0, 0, u32::from(u16::MAX)));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::PacketBuilder;

    /// The part of the kernel's machine that the program uses.
    fn takes(steps: &[Step], packet: &[u8]) -> bool {
        let octet = |at: u32| packet.get(at as usize).copied().map(u32::from);
        let half = |at: u32| Some(octet(at)? << 8 | octet(at + 1)?);
        let (mut a, mut x, mut at) = (0, 0, 0_usize);
        loop {
            let (code, yes, no, value) = steps[at];
            at += 1;
            let branch = |test: bool| usize::from(if test { yes } else { no });
            let loaded = match code {
                LOAD_OCTET => octet(value),
                LOAD_HALF => half(value),
                LOAD_HALF_AT_X => half(x + value),
                _ => Some(a),
            };
            // A load beyond the packet's end refuses it.
            let Some(loaded) = loaded else { return false };
            a = loaded;
            match code {
                SHIFT_RIGHT => a >>= value,
                IF_EQUAL => at += branch(a == value),
                IF_ANY_BIT => at += branch(a & value != 0),
                JUMP => at += value as usize,
                X_IS_IPV4_HEADER => x = (octet(value).unwrap() & 15) * 4,
                X_IS => x = value,
                RETURN => return value > 0,
                _ => {}
            }
        }
    }

    fn udp(v6: bool, from: u16, to: u16) -> Vec<u8> {
        let builder =
            if v6 { PacketBuilder::ipv6([1; 16], [2; 16], 9) } else { PacketBuilder::ipv4([1; 4], [2; 4], 9) };
        let mut out = Vec::new();
        builder.udp(from, to).write(&mut out, b"question").unwrap();
        out
    }

    #[test]
    fn the_ports_asked_for_pass_and_no_other() {
        let steps = steps(&[53, 25, 113]);
        for v6 in [false, true] {
            assert!(takes(&steps, &udp(v6, 40_000, 53)));
            assert!(takes(&steps, &udp(v6, 53, 40_000)));
            assert!(!takes(&steps, &udp(v6, 40_000, 443)));
        }
        let mut tcp = Vec::new();
        PacketBuilder::ipv4([1; 4], [2; 4], 9).tcp(40_000, 25, 1, 512).syn().write(&mut tcp, b"").unwrap();
        assert!(takes(&steps, &tcp));
        tcp[9] = 1;
        assert!(!takes(&steps, &tcp), "ICMP has no ports");
        assert!(!takes(&steps, &[]) && !takes(&steps, &[0x45; 3]));
    }

    #[test]
    fn only_the_first_fragment_passes() {
        let steps = steps(&[53]);
        let mut first = udp(false, 53, 40_000);
        first[6] = 0x20;
        assert!(takes(&steps, &first));
        first[7] = 0x10;
        assert!(!takes(&steps, &first));
        let plain = udp(true, 53, 40_000);
        let mut fragment = plain[..40].to_vec();
        fragment[6] = 44;
        fragment.extend([17, 0, 0, 1, 0, 0, 0, 7]);
        fragment.extend(&plain[40..]);
        assert!(takes(&steps, &fragment));
        fragment[43] = 0x09;
        assert!(!takes(&steps, &fragment));
    }
}
