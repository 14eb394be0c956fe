//! A greylisting service for Postfix's policy delegation protocol: who comes the first time is put off.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::WardError;

type Seen = Arc<Mutex<HashMap<String, Instant>>>;

/// Answers Postfix on `place` (`address:port`). Each client, sender and recipient is put off until `delay` after its first visit.
///
/// # Errors
/// When `place` cannot be listened on.
pub fn greylisting_policy(place: &str, delay: Duration) -> Result<(), WardError> {
    let listener = TcpListener::bind(place).map_err(WardError::io(place))?;
    let seen = Seen::default();
    // Runs as long as the trial's machine.
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let seen = Arc::clone(&seen);
            thread::spawn(move || answer(&client, &seen, delay));
        }
    });
    Ok(())
}

/// Requests are `name=value` lines, ended by an empty one.
fn answer(mut client: &TcpStream, seen: &Seen, delay: Duration) {
    let Ok(reading) = client.try_clone() else {
        return;
    };
    let mut key = String::new();
    for line in BufReader::new(reading).lines().map_while(Result::ok) {
        if ["client_address=", "sender=", "recipient="].iter().any(|name| line.starts_with(name)) {
            key.push_str(&line);
            key.push('\n');
        }
        if line.is_empty() {
            let first = *seen
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(key.split_off(0))
                .or_insert_with(Instant::now);
            let action = if first.elapsed() < delay { "DEFER_IF_PERMIT Greylisted, come back later" } else { "DUNNO" };
            if client.write_all(format!("action={action}\n\n").as_bytes()).is_err() {
                return;
            }
        }
    }
}
