//! Two places to look from: this machine, and a SOCKS5 proxy that stands for the world outside.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends by panicking"
)]

mod common;

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use common::{diagnosis, lab, report};

/// What the proxy does with a connection: lets it pass, or says that it failed (RFC 1928 section 6).
type Verdict = fn(u16, u16) -> Option<u8>;

/// The login that a guarded proxy wants.
const LOGIN: (&str, &str) = ("anna", "s3cret word");

/// A SOCKS5 proxy; `verdict` is asked with the port of mail exchange and the port asked for.
fn proxy(smtp: u16, verdict: Verdict) -> String {
    format!("socks5://{}", listening(smtp, verdict, false))
}

/// A proxy that wants a login (RFC 1929).
fn guarded_proxy(smtp: u16) -> SocketAddr {
    listening(smtp, |_, _| None, true)
}

fn listening(smtp: u16, verdict: Verdict, guarded: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            std::thread::spawn(move || serve(client, smtp, verdict, guarded));
        }
    });
    at
}

fn serve(mut client: TcpStream, smtp: u16, verdict: Verdict, guarded: bool) -> io::Result<()> {
    let mut head = [0; 2];
    client.read_exact(&mut head)?;
    let mut methods = vec![0; usize::from(head[1])];
    client.read_exact(&mut methods)?;
    match (guarded, methods.contains(&2)) {
        (true, false) => return client.write_all(&[5, 0xff]),
        (true, true) => {
            client.write_all(&[5, 2])?;
            let mut version = [0; 1];
            client.read_exact(&mut version)?;
            let (user, password) = (word(&mut client)?, word(&mut client)?);
            let right = (user.as_str(), password.as_str()) == LOGIN;
            client.write_all(&[1, u8::from(!right)])?;
            if !right {
                return Ok(());
            }
        }
        (false, _) => client.write_all(&[5, 0])?,
    }
    let mut request = [0; 10];
    client.read_exact(&mut request)?;
    let ip = Ipv4Addr::new(request[4], request[5], request[6], request[7]);
    let port = u16::from_be_bytes([request[8], request[9]]);
    if let Some(code) = verdict(smtp, port) {
        return client.write_all(&[5, code, 0, 1, 0, 0, 0, 0, 0, 0]);
    }
    let mut server = TcpStream::connect(SocketAddr::new(IpAddr::V4(ip), port))?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
    });
    let _ = io::copy(&mut server, &mut client);
    client.shutdown(std::net::Shutdown::Both)
}

/// A word behind its length.
fn word(client: &mut TcpStream) -> io::Result<String> {
    let mut length = [0; 1];
    client.read_exact(&mut length)?;
    let mut text = vec![0; usize::from(length[0])];
    client.read_exact(&mut text)?;
    Ok(String::from_utf8(text).unwrap())
}

#[test]
fn a_healthy_system_is_healthy_from_both_places() {
    let running = lab(&[]);
    let outside = proxy(running.lab.plan().smtp, |_, _| None);
    let report = report(&running, &["--from", "local", "--from", &outside]);
    assert_eq!((report["verdict"].as_str(), diagnosis(&report)), (Some("healthy"), vec![]));
    assert_eq!(report["vantages"].as_array().unwrap().len(), 2);
}

#[test]
fn a_session_by_hand_goes_through_a_proxy_as_well() {
    let running = lab(&[]);
    let plan = running.lab.plan();
    let outside = proxy(plan.smtp, |_, _| None);
    let resolver = format!("{}:{}", plan.resolver(), plan.dns);
    let mut command = common::maildoctor();
    command.args(["talk", &format!("mx1.lab.example:{}", plan.smtp), "--from", &outside, "--resolver", &resolver]);
    let out = command.args(["--expect", "220,221"]).output().unwrap();
    let shown = String::from_utf8_lossy(&out.stdout);
    assert_eq!(out.status.code(), Some(0), "{shown}{}", String::from_utf8_lossy(&out.stderr));
    assert!(shown.contains("< 220 mx1.lab.example") && shown.contains("as socks5 passed it on"), "{shown}");
    let nowhere = proxy(plan.smtp, |smtp, port| (port == smtp).then_some(5));
    let mut command = common::maildoctor();
    command.args(["talk", &format!("mx1.lab.example:{}", plan.smtp), "--from", &nowhere, "--resolver", &resolver]);
    let out = command.output().unwrap();
    assert_eq!(out.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&out.stderr).contains("nothing listens there"));
}

#[test]
fn open_inside_and_shut_outside_is_a_firewall() {
    let running = lab(&[]);
    let outside = proxy(running.lab.plan().smtp, |smtp, port| (port == smtp).then_some(5));
    let report = report(&running, &["--from", "local", "--from", &outside]);
    assert_eq!(diagnosis(&report), ["port-filtered-from-outside"]);
    assert_eq!(report["verdict"], "broken");
    let all: Vec<&str> = report["findings"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap()).collect();
    assert!(all.contains(&"vantages-disagree") && all.contains(&"connect-refused"), "{all:?}");
}

#[test]
fn a_proxy_that_is_not_there_is_no_fault_of_the_target() {
    let running = lab(&[]);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let report = report(&running, &["--from", "local", "--from", &format!("socks5://{nobody}")]);
    assert!(
        !diagnosis(&report).iter().any(|code| code.starts_with("connect-") || code.starts_with("mx-")),
        "{:?}",
        diagnosis(&report)
    );
}

#[test]
fn a_proxy_that_wants_a_login_gets_it_and_the_password_is_nowhere() {
    let running = lab(&[]);
    let outside = format!("socks5://{}@{}", LOGIN.0, guarded_proxy(running.lab.plan().smtp));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, format!("{}\n", LOGIN.1)).unwrap();
    let file = file.to_str().unwrap();
    let report = report(&running, &["--from", "local", "--from", &outside, "--socks-password-file", file]);
    assert_eq!((report["verdict"].as_str(), diagnosis(&report)), (Some("healthy"), vec![]));
    let greeted = report["observations"].as_array().unwrap().iter();
    assert!(greeted.filter(|o| o["probe"] == "smtp.banner/1").any(|o| o["vantage"] == outside.as_str()));
    assert!(!report.to_string().contains(LOGIN.1));
}

#[test]
fn a_login_that_the_proxy_refuses_is_said_and_blames_nobody() {
    let running = lab(&[]);
    let at = guarded_proxy(running.lab.plan().smtp);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "another\n").unwrap();
    let file = file.to_str().unwrap();
    for (outside, words) in [
        (format!("socks5://{}@{at}", LOGIN.0), "refuses the user name or the password"),
        (format!("socks5://{at}"), "wants a login"),
    ] {
        let report = report(&running, &["--from", "local", "--from", &outside, "--socks-password-file", file]);
        assert_eq!(
            (report["verdict"].as_str(), diagnosis(&report)),
            (Some("healthy"), vec!["vantage-unusable".to_owned()])
        );
        assert!(report["diagnosis"][0]["cause"].as_str().unwrap().contains(words), "{}", report["diagnosis"]);
    }
}
