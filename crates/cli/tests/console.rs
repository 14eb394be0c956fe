//! The console of the lab: what is set there holds at once and after a restart, and who has no token, or no
//! manners, gets nowhere.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends by panicking"
)]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use maildoctor_lab::scenario::Scenario;

/// Three lists, of which the second takes its time.
const STORY: &str = "
[[blacklist]]
zone = 'one.bl.example'
[[blacklist]]
zone = 'late.bl.example'
delay = '1200ms'
[[blacklist]]
zone = 'lists-us.bl.example'
lists = ['127.0.0.1']
";

/// Gives orders to a console, and what it said to them; the second half is what it said went wrong.
fn console(folder: &Path, orders: &str) -> (String, String, i32) {
    let mut child = common::maildoctor()
        .args(["lab", "console", "--at"])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(orders.as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    (text(&out.stdout), text(&out.stderr), out.status.code().unwrap())
}

/// Connects and waits for the banner; what it is and how long that took.
fn banner(exchanger: &str) -> (String, Duration) {
    let began = Instant::now();
    let mut stream = TcpStream::connect(exchanger).unwrap();
    let mut line = Vec::new();
    let mut octet = [0];
    while stream.read(&mut octet).unwrap() == 1 && octet[0] != b'\n' {
        line.push(octet[0]);
    }
    let _ = stream.write_all(b"QUIT\r\n");
    (String::from_utf8(line).unwrap(), began.elapsed())
}

#[test]
fn the_banner_waits_for_the_lists_until_the_client_is_known() {
    let running = common::story(&Scenario::from_toml(STORY).unwrap());
    let (folder, plan) = (running.lab.root(), running.lab.plan());
    let exchanger = SocketAddr::new(plan.mx(1), plan.smtp).to_string();
    let late = Duration::from_millis(1200);

    let (greeting, slow) = banner(&exchanger);
    assert!(greeting.starts_with("220 ") && slow >= late, "{greeting} after {slow:?}");
    assert!(banner(&exchanger).1 < late, "the second visit is known from the first");
    let (out, _, _) = console(folder, "cache\n");
    assert!(out.contains("127.0.0.1") && out.contains("listed by lists-us.bl.example"), "{out}");

    // Without the list, and with the cache forgotten, nothing is waited for; with it there it is again.
    let (out, err, code) = console(folder, "rbl remove late.bl.example\nrestart\n");
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(banner(&exchanger).1 < late);
    console(folder, "rbl add late.bl.example 2\nrestart\n");
    assert!(banner(&exchanger).1 >= late);

    // Whitelisted clients are not looked up at all.
    console(folder, "whitelist add 127.0.0.1\nrestart\n");
    assert!(banner(&exchanger).1 < late);
    assert!(console(folder, "cache\n").0.contains("The cache is empty."));
}

#[test]
fn a_service_that_is_stopped_refuses_and_its_sessions_end() {
    let running = common::lab(&[]);
    let (folder, plan) = (running.lab.root(), running.lab.plan());
    let exchanger = SocketAddr::new(plan.mx(1), plan.smtp);
    let mut open = TcpStream::connect(exchanger).unwrap();
    open.read_exact(&mut [0; 4]).unwrap();
    open.write_all(b"EHLO here.example\r\n").unwrap();
    let waited = Instant::now();
    while !console(folder, "sessions\n").0.contains("last EHLO") {
        assert!(waited.elapsed() < Duration::from_secs(20), "the session is not in the list");
    }
    let (out, _, code) = console(folder, "stop\nstatus\n");
    assert!(code == 0 && out.contains("SMTP service       stopped"), "{out}");
    assert!(TcpStream::connect(exchanger).is_err());
    let mut rest = Vec::new();
    let _ = open.read_to_end(&mut rest);
    assert!(console(folder, "sessions\n").0.contains("Nobody is connected."));
    console(folder, "start\n");
    assert!(banner(&exchanger.to_string()).0.starts_with("220 "));
    let log = console(folder, "log 50\n").0;
    assert!(log.contains("the SMTP service is stopped") && log.contains("EHLO here.example"), "{log}");
}

#[test]
fn settings_survive_a_lab_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.json");
    let arguments = ["--blacklists", "4", "--settings", file.to_str().unwrap()];
    let first = common::lab_process(&arguments);
    let (_, err, _) = console(
        &first.folder,
        "rbl remove bl1.lab.example\nrbl move bl4.lab.example 1\nreverse off\nwhitelist add ::1\n",
    );
    assert_eq!(err, "");
    let left = first.folder.clone();
    drop(first);
    let second = common::lab_process(&arguments);
    let (out, _, _) = console(&second.folder, "rbl\nreverse\nwhitelist\n");
    for said in [" 1  bl4.lab.example\n 2  bl2.lab.example\n 3  dnsbl.lab.example\n", "DNS is off", "::1"] {
        assert!(out.contains(said), "{said} in {out}");
    }
    assert!(!out.contains("bl1.lab.example"), "{out}");
    // Who was killed could not clean up.
    for folder in [left, second.folder.clone()] {
        let _ = std::fs::remove_dir_all(folder);
    }
}

#[test]
fn orders_that_cannot_be_are_said_and_change_nothing() {
    let running = common::story(&Scenario::from_toml(STORY).unwrap());
    let folder = running.lab.root();
    let before = std::fs::read(folder.join("settings.json")).unwrap();
    for (order, says) in [
        ("halt", "does not know `halt`"),
        ("rbl remove nix.example", "none of the blacklist servers"),
        ("rbl add one.bl.example", "asked already"),
        ("rbl add no_dots", "no name of a blacklist zone"),
        ("rbl add late.bl.example 0", "no number"),
        ("whitelist add me", "no IP address"),
        ("whitelist remove 192.0.2.1", "not on the whitelist"),
    ] {
        let (_, err, code) = console(folder, &format!("status\n{order}\nreverse off\n"));
        assert!(code == 3 && err.contains(says) && err.contains("line 2"), "{order}: {code} {err}");
    }
    assert_eq!(std::fs::read(folder.join("settings.json")).unwrap(), before);
}

/// Sends octets to the console and gives the status line of what it answers; empty where it just hangs up.
fn raw(at: SocketAddr, octets: &[u8]) -> String {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
    // It may have refused, and closed, before it was sent all.
    let _ = stream.write_all(octets);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

#[test]
fn who_has_no_token_or_no_manners_gets_nowhere() {
    let running = common::lab(&[]);
    let (at, folder) = (running.lab.console(), running.lab.root());
    let file = folder.join("console.json");
    let access: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        for (path, mode) in [(file.as_path(), 0o600), (folder, 0o700)] {
            assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, mode, "{}", path.display());
        }
    }
    let token = access["token"].as_str().unwrap();
    let with = |request: &str, more: &str, body: &str| {
        let length = body.len();
        format!(
            "{request} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{more}Content-Length: {length}\r\n\r\n{body}"
        )
    };
    let settings = r#"{"reverse_lookup":false,"blacklists":[],"whitelist":[]}"#;
    let before = std::fs::read(folder.join("settings.json")).unwrap();
    let huge = "x".repeat(1_000_000);
    for (sent, status) in [
        ("POST /v1/service/stop HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "401"),
        ("POST /v1/service/stop HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer\r\n\r\n".to_owned(), "401"),
        (with("POST /v1/service/stop", "", "").replace(token, &token[1..]), "401"),
        (with("PUT /v1/settings", "If-Match: \"0\"\r\n", settings).replace(token, "guess"), "401"),
        (with("PUT /v1/settings", "", settings), "428"),
        (with("PUT /v1/settings", "If-Match: \"0\"\r\n", settings), "412"),
        (with("PUT /v1/settings", "If-Match: \"0\"\r\n", "{\"blacklists\": 7}"), "422"),
        (with("PUT /v1/settings", "If-Match: \"0\"\r\n", &huge), "413"),
        (with("GET /v1/log?after=-1", "", ""), "400"),
        (with("DELETE /v1/settings", "", ""), "405"),
        (with("GET /v1/../../etc/passwd", "", ""), "404"),
        (format!("GET /{huge} HTTP/1.1\r\n\r\n"), ""),
        (format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(500)), "431"),
        ("EHLO here.example\r\nQUIT\r\n".to_owned(), "400"),
        ("\0\u{1}\u{2}\r\n\r\n".to_owned(), "400"),
    ] {
        let answer = raw(at, sent.as_bytes());
        assert!(answer.contains(status), "{} -> {answer}", sent.chars().take(80).collect::<String>());
    }
    assert_eq!(std::fs::read(folder.join("settings.json")).unwrap(), before);
    // Those who connect and say nothing, more than there are places for, are sent away in the end.
    let silent: Vec<TcpStream> = (0..40).map(|_| TcpStream::connect(at).unwrap()).collect();
    assert!(raw(at, with("GET /v1/service", "", "").as_bytes()).contains("200"));
    drop(silent);
    let (out, _, code) = console(folder, "status\n");
    assert!(code == 0 && out.contains("running") && !out.contains(token), "{out}");
}
