//! Programs that a mail server asks, and that take their time: a policy service and a milter.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

use crate::WardError;

/// Answers Postfix's policy requests on `place` (`address:port`) after `delay`, and lets everybody pass.
///
/// # Errors
/// When `place` cannot be listened on.
pub fn slow_policy(place: &str, delay: Duration) -> Result<(), WardError> {
    serve(place, move |mut client| {
        let mut asked = Vec::new();
        let mut part = [0; 4096];
        while let Ok(length @ 1..) = client.read(&mut part) {
            asked.extend(part.iter().take(length));
            // A request ends with an empty line.
            if asked.ends_with(b"\n\n") {
                asked.clear();
                thread::sleep(delay);
                if client.write_all(b"action=DUNNO\n\n").is_err() {
                    return;
                }
            }
        }
    })
}

/// A milter on `place` that takes `delay` for the client's connection, and lets everything pass.
///
/// # Errors
/// When `place` cannot be listened on.
pub fn slow_milter(place: &str, delay: Duration) -> Result<(), WardError> {
    serve(place, move |mut client| {
        let mut length = [0; 4];
        while client.read_exact(&mut length).is_ok() {
            let mut body = vec![0; u32::from_be_bytes(length).min(1 << 20) as usize];
            if client.read_exact(&mut body).is_err() {
                return;
            }
            let answer: &[u8] = match body.first() {
                // Version 2 of the protocol, no actions, every step wanted.
                Some(b'O') => b"\x00\x00\x00\x0dO\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00",
                // Macros and the end of a message or of the session are not answered.
                Some(b'D' | b'A' | b'Q' | b'K') => continue,
                Some(b'C') => {
                    thread::sleep(delay);
                    b"\x00\x00\x00\x01c"
                }
                _ => b"\x00\x00\x00\x01c",
            };
            if client.write_all(answer).is_err() {
                return;
            }
        }
    })
}

/// Serves each client of `place` in a thread of its own, for as long as the trial runs.
fn serve(place: &str, each: impl Fn(TcpStream) + Clone + Send + 'static) -> Result<(), WardError> {
    let listener = TcpListener::bind(place).map_err(WardError::io(place))?;
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let each = each.clone();
            thread::spawn(move || each(client));
        }
    });
    Ok(())
}
