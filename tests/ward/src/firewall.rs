//! Things in the way: packets that are dropped, and a firewall that rewrites SMTP.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{Shutdown, TcpListener, TcpStream},
    process::Command,
    thread,
};

use crate::{WardError, daemon::output_of};

/// Drops every packet to `port` of `address`, without a word to the sender.
///
/// # Errors
/// When `nft` refuses.
pub fn drop_packets_to(address: &str, port: u16) -> Result<(), WardError> {
    let rules = format!(
        "table ip ward {{ chain to_{port} {{ type filter hook input priority 0; ip daddr {address} tcp dport {port} drop; }}; }}"
    );
    output_of(Command::new("nft").arg(rules)).map(drop)
}

/// Drops what is said to `port` of `address`, and nothing else: connections come about, and the server is heard.
///
/// # Errors
/// When `nft` refuses.
pub fn drop_what_is_said_to(address: &str, port: u16) -> Result<(), WardError> {
    let rules = format!(
        "table ip ward {{ chain said_to_{port} {{ type filter hook input priority 0; ip daddr {address} tcp dport {port} \
         tcp flags & psh == psh drop; }}; }}"
    );
    output_of(Command::new("nft").arg(rules)).map(drop)
}

/// Makes a path of 1280 octets to and from `address` that tells nobody how narrow it is: larger packets are dropped, and so is all
/// ICMP. Segments travel one by one, as on a wire, and not in bundles.
///
/// # Errors
/// When `ip` or `nft` refuses.
pub fn narrow_path_to(address: &str) -> Result<(), WardError> {
    output_of(Command::new("ip").args(["link", "set", "dev", "lo", "gso_max_segs", "1"]))?;
    let rules = format!(
        "table ip ward {{ chain narrow {{ type filter hook input priority 0; meta l4proto icmp drop; \
         ip daddr {address} meta length > 1280 drop; ip saddr {address} meta length > 1280 drop; }}; }}"
    );
    output_of(Command::new("nft").arg(rules)).map(drop)
}

/// The same in one direction: what `address` sends passes whole, and of what it is sent only small packets arrive.
///
/// # Errors
/// When `ip` or `nft` refuses.
pub fn narrow_path_only_to(address: &str) -> Result<(), WardError> {
    output_of(Command::new("ip").args(["link", "set", "dev", "lo", "gso_max_segs", "1"]))?;
    let rules = format!(
        "table ip ward {{ chain narrow_to {{ type filter hook input priority 0; meta l4proto icmp drop; \
         ip daddr {address} meta length > 1280 drop; }}; }}"
    );
    output_of(Command::new("nft").arg(rules)).map(drop)
}

/// Drops every datagram to the DNS port of `address`, without a word to the sender.
///
/// # Errors
/// When `nft` refuses.
pub fn drop_dns_datagrams_to(address: &str) -> Result<(), WardError> {
    let rules = format!(
        "table ip ward {{ chain datagrams {{ type filter hook input priority 0; ip daddr {address} udp dport 53 drop; }}; }}"
    );
    output_of(Command::new("nft").arg(rules)).map(drop)
}

/// Capabilities that the firewall knows and lets through.
const KNOWN: [&str; 4] = ["SIZE", "8BITMIME", "DSN", "HELP"];

/// Puts a firewall that "inspects" SMTP on `front`, before the server on `back` (`address:port`): it masks the banner, the
/// capabilities it does not know and STARTTLS above all, as Cisco's ESMTP inspection does.
///
/// # Errors
/// When `front` cannot be listened on.
pub fn masking_firewall(front: &str, back: &str) -> Result<(), WardError> {
    let listener = TcpListener::bind(front).map_err(WardError::io(front))?;
    let back = back.to_owned();
    // Runs as long as the trial's machine.
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let back = back.clone();
            thread::spawn(move || {
                // An end of either side ends both; the client sees it.
                let _ = inspect(&client, &back);
                let _ = client.shutdown(Shutdown::Both);
            });
        }
    });
    Ok(())
}

fn inspect(client: &TcpStream, back: &str) -> io::Result<()> {
    let server = TcpStream::connect(back)?;
    let (mut to_server, from_client) = (server.try_clone()?, BufReader::new(client.try_clone()?));
    thread::spawn(move || -> io::Result<()> {
        for line in from_client.split(b'\n') {
            let mut line = line?;
            if line.to_ascii_uppercase().starts_with(b"STARTTLS") {
                line.iter_mut().take(8).for_each(|letter| *letter = b'X');
            }
            line.push(b'\n');
            to_server.write_all(&line)?;
        }
        to_server.shutdown(Shutdown::Write)
    });
    let mut to_client = client;
    for (number, line) in BufReader::new(server).lines().enumerate() {
        let line = line?;
        let masked = if number == 0 { masked_banner(&line) } else { masked_capability(&line) };
        to_client.write_all(masked.as_bytes())?;
        to_client.write_all(b"\r\n")?;
    }
    Ok(())
}

/// Of the banner only the code, and whatever looks like it, is left: `220 ****2****0**`.
fn masked_banner(line: &str) -> String {
    let (code, text) = line.split_at_checked(4).unwrap_or((line, ""));
    let text: String =
        text.trim_end().chars().map(|letter| if matches!(letter, '2' | '0' | ' ') { letter } else { '*' }).collect();
    format!("{code}{text}")
}

fn masked_capability(line: &str) -> String {
    let Some((code @ ("250-" | "250 "), keyword)) = line.split_at_checked(4) else {
        return line.to_owned();
    };
    let capital = |letter: char| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == ' ';
    let known = KNOWN.iter().any(|known| keyword.starts_with(known));
    if known || !keyword.chars().all(capital) || keyword.is_empty() {
        return line.to_owned();
    }
    let masked: String = keyword.chars().skip(1).map(|_| 'X').chain(['A']).collect();
    format!("{code}{masked}")
}
