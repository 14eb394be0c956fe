//! Packets on a server's host: anyone can send it any.

use maildoctor_core::probe::host::capture::{Watched, replay};

/// An IPv4 header of 20 octets for UDP (17) or TCP (6), with room for the length.
fn packet(protocol: u8, server: bool, port: u16, body: &[u8]) -> Vec<u8> {
    let total = u16::try_from(20 + 4 + body.len()).unwrap_or(u16::MAX);
    let mut out = vec![0x45, 0];
    out.extend(total.to_be_bytes());
    out.extend([0, 1, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
    let (from, to) = if server { (port, 40_000) } else { (40_000_u16, port) };
    out.extend(from.to_be_bytes());
    out.extend(to.to_be_bytes());
    out.extend(body);
    out
}

#[test]
fn packets_of_any_kind_are_read() {
    bolero::check!().with_test_time(crate::BRIEF).for_each(|input: &[u8]| {
        let watched = Watched { smtp: vec![25], dns: vec![53], programs: vec![10_023] };
        let mut packets: Vec<Vec<u8>> = vec![input.to_vec()];
        // The rest of each header, and what it carries, is the fuzzer's.
        for part in input.chunks(61) {
            let (kind, body) = part.split_first().map_or((0, part), |(kind, body)| (*kind, body));
            let port = match kind & 9 {
                0 => 53,
                1 => 25,
                _ => 10_023,
            };
            let protocol = if kind & 2 == 0 { 6 } else { 17 };
            packets.push(packet(protocol, kind & 4 == 0, port, body));
        }
        let caught = replay(watched, packets.iter().map(|octets| (octets.as_slice(), octets.len())));
        assert!(caught.packets <= packets.len() as u64);
        assert!(caught.whole);
    });
}
