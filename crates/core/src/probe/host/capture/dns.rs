//! DNS messages as they pass: header and question, from datagrams and from TCP streams.

use hickory_proto::op::{Header, MessageType, OpCode, Query};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

use super::packet::Segment;

/// What is kept of a message in a TCP stream: header and question fit in it (a name has at most 255 octets).
const HELD_OCTETS: usize = 300;

/// What a DNS message says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// The number that the answer carries as well.
    pub(super) id: u16,
    /// It is an answer.
    pub(super) response: bool,
    /// A stub asks for recursion; a resolver that asks authoritative servers does not.
    pub(super) recursion: bool,
    /// It was cut: the question is asked again over TCP.
    pub(super) truncated: bool,
    /// The answer's code, such as `NXDomain`.
    pub(super) rcode: u16,
    /// The name asked for, in lower case without the last dot.
    pub(super) name: String,
    /// The record type asked for.
    pub(super) rtype: String,
}

/// Reads header and question; the rest of the message need not be there.
pub(super) fn read(octets: &[u8]) -> Option<Message> {
    let mut decoder = BinDecoder::new(octets);
    let header = Header::read(&mut decoder).ok()?;
    if header.metadata.op_code != OpCode::Query || header.counts.queries != 1 {
        return None;
    }
    let query = Query::read(&mut decoder).ok()?;
    Some(Message {
        id: header.metadata.id,
        response: header.metadata.message_type == MessageType::Response,
        recursion: header.metadata.recursion_desired,
        truncated: header.metadata.truncation,
        rcode: u16::from(header.metadata.response_code),
        name: query.name().to_ascii().trim_end_matches('.').to_ascii_lowercase(),
        rtype: query.query_type().to_string(),
    })
}

/// One direction of a TCP stream of messages, each behind its length (RFC 1035 section 4.2.2). Segments out of order
/// end the reading: a message is then not seen, and never a wrong one.
#[derive(Debug, Default)]
pub(super) struct Stream {
    next: Option<u32>,
    held: Vec<u8>,
    /// Octets of the present message that are still to come and of no interest.
    skip: usize,
}

impl Stream {
    /// Takes a segment, and gives the message that it completes as far as it is kept.
    pub(super) fn take(&mut self, segment: &Segment<'_>) -> Vec<Message> {
        let mut out = Vec::new();
        if segment.syn {
            *self = Self { next: Some(segment.sequence.wrapping_add(1)), ..Self::default() };
            return out;
        }
        let next = *self.next.get_or_insert(segment.sequence);
        if segment.sequence != next || segment.length == 0 {
            return out;
        }
        self.next = Some(next.wrapping_add(u32::try_from(segment.length).unwrap_or(u32::MAX)));
        let mut rest = segment.octets;
        let mut missing = segment.length.saturating_sub(rest.len());
        while !rest.is_empty() {
            let skipped = self.skip.min(rest.len());
            self.skip -= skipped;
            rest = rest.get(skipped..).unwrap_or_default();
            let wanted = self.wanted();
            let taken = wanted.saturating_sub(self.held.len()).min(rest.len());
            self.held.extend(rest.get(..taken).unwrap_or_default());
            rest = rest.get(taken..).unwrap_or_default();
            if self.held.len() >= 2 && self.held.len() >= self.wanted() {
                out.extend(read(self.held.get(2..).unwrap_or_default()));
                self.skip = self.announced().saturating_sub(self.held.len().saturating_sub(2));
                self.held.clear();
            }
        }
        // What the packet had and the buffer did not belongs to the message that was being passed over.
        let passed = missing.min(self.skip);
        self.skip -= passed;
        missing -= passed;
        if missing > 0 {
            self.next = None;
            self.held.clear();
            self.skip = 0;
        }
        out
    }

    /// The length that the present message announces; 0 as long as it is not known.
    fn announced(&self) -> usize {
        match self.held.as_slice() {
            [high, low, ..] => usize::from(u16::from_be_bytes([*high, *low])),
            _ => 0,
        }
    }

    fn wanted(&self) -> usize {
        if self.held.len() < 2 { 2 } else { 2 + self.announced().min(HELD_OCTETS) }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use hickory_proto::op::{self, ResponseCode};
    use hickory_proto::rr::{Name, RecordType};
    use proptest::prelude::*;

    /// A question, or the answer to it.
    pub(in super::super) fn message(id: u16, name: &str, rcode: Option<ResponseCode>) -> Vec<u8> {
        let mut message = match rcode {
            Some(_) => op::Message::response(id, OpCode::Query),
            None => op::Message::query(),
        };
        message.metadata.id = id;
        message.metadata.recursion_desired = true;
        message.metadata.response_code = rcode.unwrap_or(ResponseCode::NoError);
        message.add_query(Query::query(Name::from_ascii(format!("{name}.")).unwrap(), RecordType::A));
        message.to_vec().unwrap()
    }

    fn segment(sequence: u32, octets: &[u8]) -> Segment<'_> {
        Segment { sequence, syn: false, ack: true, fin: false, reset: false, length: octets.len(), octets }
    }

    #[test]
    fn a_message_without_its_end_is_read() {
        let mut octets = message(7, "9.2.0.192.List.Example", Some(ResponseCode::NXDomain));
        octets.extend([0; 3]);
        let read = read(&octets).unwrap();
        assert_eq!((read.id, read.response, read.rcode), (7, true, 3));
        assert_eq!((read.name.as_str(), read.rtype.as_str()), ("9.2.0.192.list.example", "A"));
    }

    #[test]
    fn messages_come_out_of_a_stream_however_it_is_cut() {
        let mut octets = Vec::new();
        for (id, name) in [(1, "one.example"), (2, "two.example")] {
            let message = message(id, name, None);
            octets.extend(u16::try_from(message.len()).unwrap().to_be_bytes());
            octets.extend(message);
        }
        for size in 1..octets.len() {
            let (mut stream, mut out, mut at) = (Stream::default(), Vec::new(), 100);
            for part in octets.chunks(size) {
                out.extend(stream.take(&segment(at, part)));
                // Sent again, as over a bridge: no second message.
                out.extend(stream.take(&segment(at, part)));
                at += u32::try_from(part.len()).unwrap();
            }
            assert_eq!(out.iter().map(|m| m.id).collect::<Vec<_>>(), [1, 2], "{size}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_can_be_read(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&octets);
        }

        #[test]
        fn any_stream_can_be_read(parts in proptest::collection::vec((any::<u8>(), proptest::collection::vec(any::<u8>(), 0..80), 0_usize..70_000), 0..12)) {
            let mut stream = Stream::default();
            let mut at = 0_u32;
            for (kind, octets, more) in &parts {
                let mut segment = segment(at, octets);
                segment.length += if kind % 4 == 0 { *more } else { 0 };
                segment.syn = kind % 7 == 0;
                at = at.wrapping_add(u32::try_from(segment.length).unwrap());
                let _ = stream.take(&segment);
                prop_assert!(stream.held.len() <= HELD_OCTETS + 2);
            }
        }
    }
}
