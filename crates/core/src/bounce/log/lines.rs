//! A stream cut into lines through one buffer of fixed size.

use std::io::{self, Read};

use memchr::{memchr, memrchr};

/// How much is read at once, in octets. No line is longer for those who read them.
const BUFFER_OCTETS: usize = 1024 * 1024;

/// Gives each line of `head` and then of `rest`, without its end. Of a line that is longer than the buffer only the
/// beginning is given. Returns how many octets were read.
pub(super) fn each(
    head: &[u8],
    rest: &mut dyn Read,
    progress: &mut dyn FnMut(u64),
    mut line: impl FnMut(&[u8]),
) -> io::Result<u64> {
    let mut buffer = vec![0; BUFFER_OCTETS];
    let mut source = head.chain(rest);
    let (mut filled, mut done) = (0, 0_u64);
    // Whether the beginning of the present line was given already, and the rest of it is to be dropped.
    let mut dropping = false;
    loop {
        let room = buffer.get_mut(filled..).unwrap_or_default();
        let read = match source.read(room) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        done += read as u64;
        filled += read;
        let held = buffer.get(..filled).unwrap_or_default();
        let whole = if read == 0 { held.len() } else { memrchr(b'\n', held).map_or(0, |at| at + 1) };
        let mut todo = held.get(..whole).unwrap_or_default();
        while !todo.is_empty() {
            let end = memchr(b'\n', todo).unwrap_or(todo.len());
            let (one, after) = todo.split_at_checked(end).unwrap_or((todo, &[]));
            if !std::mem::take(&mut dropping) {
                line(one.strip_suffix(b"\r").unwrap_or(one));
            }
            todo = after.get(1..).unwrap_or_default();
        }
        if read == 0 {
            progress(done);
            return Ok(done);
        }
        let left = filled - whole;
        if left == buffer.len() {
            if !std::mem::replace(&mut dropping, true) {
                line(&buffer);
            }
            filled = 0;
        } else {
            buffer.copy_within(whole..filled, 0);
            filled = left;
        }
        progress(done);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(head: &[u8], rest: &[u8]) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        let read = each(head, &mut &*rest, &mut |_| {}, |line| out.push(line.to_vec())).unwrap();
        assert_eq!(read, (head.len() + rest.len()) as u64);
        out
    }

    #[test]
    fn lines_come_whole_wherever_the_stream_is_split() {
        assert_eq!(all(b"one\r\nt", b"wo\n\nthree"), [&b"one"[..], b"two", b"", b"three"]);
        assert!(all(b"", b"").is_empty());
    }

    #[test]
    fn of_an_endless_line_only_the_beginning_comes() {
        let mut text = vec![b'x'; 3 * BUFFER_OCTETS + 7];
        text.extend(b"\nnext\n");
        let got = all(b"first\n", &text);
        assert_eq!(got.len(), 3);
        assert_eq!((got[1].len(), got[2].as_slice()), (BUFFER_OCTETS, &b"next"[..]));
    }

    #[test]
    fn many_lines_cross_the_buffer() {
        let text: Vec<u8> = (0..200_000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
        let got = all(b"", &text);
        assert_eq!(got.len(), 200_000);
        assert!(got.iter().enumerate().all(|(n, line)| *line == format!("line {n}").into_bytes()));
    }
}
