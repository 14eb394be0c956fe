//! A captured packet, read as far as the capture needs it. What cannot be read is nobody's fault and no packet.

use std::net::SocketAddr;

use etherparse::{LaxIpSlice, TcpHeaderSlice, UdpHeaderSlice, ip_number};

/// A packet between two sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    /// Who sent it.
    pub(super) from: SocketAddr,
    /// Whom it goes to.
    pub(super) to: SocketAddr,
    /// What it carries.
    pub(super) body: Body<'a>,
}

/// What a packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body<'a> {
    /// A datagram, perhaps without its end.
    Udp(&'a [u8]),
    /// A piece of a TCP stream.
    Tcp(Segment<'a>),
}

/// A piece of a TCP stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment<'a> {
    /// The number of its first octet.
    pub(super) sequence: u32,
    /// It asks for a connection, or grants one.
    pub(super) syn: bool,
    /// It acknowledges something: with `syn`, it grants a connection.
    pub(super) ack: bool,
    /// It ends its direction.
    pub(super) fin: bool,
    /// It ends the connection at once.
    pub(super) reset: bool,
    /// How many octets it carries.
    pub(super) length: usize,
    /// Those of them that were captured.
    pub(super) octets: &'a [u8],
}

/// Reads a packet from its IP header on; `length` is its true length where the octets are not all of it.
pub(super) fn read(octets: &[u8], length: usize) -> Option<Packet<'_>> {
    let (ip, _) = LaxIpSlice::from_slice(octets).ok()?;
    let (from, to) = (ip.source_addr(), ip.destination_addr());
    let payload = ip.payload();
    // Of a later fragment nothing can be said; the filter keeps them out, but not in every namespace's past.
    let later = match &ip {
        LaxIpSlice::Ipv4(v4) => v4.header().fragments_offset().value() > 0,
        LaxIpSlice::Ipv6(_) => false,
    };
    if later {
        return None;
    }
    if payload.ip_number == ip_number::UDP {
        let header = UdpHeaderSlice::from_slice(payload.payload).ok()?;
        let body = payload.payload.get(header.slice().len()..).unwrap_or_default();
        return Some(Packet {
            from: SocketAddr::new(from, header.source_port()),
            to: SocketAddr::new(to, header.destination_port()),
            body: Body::Udp(body),
        });
    }
    if payload.ip_number != ip_number::TCP {
        return None;
    }
    let header = TcpHeaderSlice::from_slice(payload.payload).ok()?;
    let body = payload.payload.get(header.slice().len()..).unwrap_or_default();
    Some(Packet {
        from: SocketAddr::new(from, header.source_port()),
        to: SocketAddr::new(to, header.destination_port()),
        body: Body::Tcp(Segment {
            sequence: header.sequence_number(),
            syn: header.syn(),
            ack: header.ack(),
            fin: header.fin(),
            reset: header.rst(),
            length: body.len().saturating_add(length.saturating_sub(octets.len())),
            octets: body,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::PacketBuilder;
    use proptest::prelude::*;

    #[test]
    fn datagrams_and_segments_are_read() {
        let mut octets = Vec::new();
        PacketBuilder::ipv6([1; 16], [2; 16], 9).udp(40_000, 53).write(&mut octets, b"question").unwrap();
        let packet = read(&octets, octets.len()).unwrap();
        assert_eq!((packet.from.port(), packet.to.port(), packet.body), (40_000, 53, Body::Udp(b"question")));
        let mut octets = Vec::new();
        PacketBuilder::ipv4([1; 4], [2; 4], 9).tcp(25, 40_000, 7, 512).write(&mut octets, b"220 here\r\n").unwrap();
        let Body::Tcp(segment) = read(&octets[..octets.len() - 4], octets.len()).unwrap().body else {
            panic!("a segment")
        };
        assert_eq!((segment.sequence, segment.length, segment.octets), (7, 10, &b"220 he"[..]));
    }

    #[test]
    fn a_first_fragment_is_read_and_a_later_one_is_not() {
        let mut octets = Vec::new();
        PacketBuilder::ipv4([1; 4], [2; 4], 9).udp(53, 40_000).write(&mut octets, b"answer").unwrap();
        octets[6] = 0x20;
        assert!(matches!(read(&octets, octets.len()).unwrap().body, Body::Udp(b"answer")));
        octets[7] = 0x10;
        assert_eq!(read(&octets, octets.len()), None);
    }

    proptest! {
        #[test]
        fn any_octets_can_be_read(octets in proptest::collection::vec(any::<u8>(), 0..200), more in 0_usize..3000) {
            let _ = read(&octets, octets.len() + more);
        }

        #[test]
        fn a_broken_packet_can_be_read(place in 0_usize..40, octet in any::<u8>(), v6 in any::<bool>()) {
            let mut octets = Vec::new();
            if v6 {
                PacketBuilder::ipv6([1; 16], [2; 16], 9).tcp(1, 25, 7, 9).write(&mut octets, b"EHLO").unwrap();
            } else {
                PacketBuilder::ipv4([1; 4], [2; 4], 9).tcp(1, 25, 7, 9).write(&mut octets, b"EHLO").unwrap();
            }
            octets[place] = octet;
            let _ = read(&octets, octets.len());
        }
    }
}
