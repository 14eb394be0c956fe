//! Rules of a story, as a client meets them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends by panicking")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use maildoctor_lab::Lab;
use maildoctor_lab::scenario::Scenario;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// What the first exchanger of a story says to each of these, the last line of each reply; the first is to nothing.
async fn replies(story: &str, lines: &[&str]) -> Vec<String> {
    let lab = Lab::start(&Scenario::from_toml(story).unwrap()).await.unwrap();
    let on = SocketAddr::new(lab.plan().mx(1), lab.plan().smtp);
    let mut stream = BufReader::new(TcpStream::connect(on).await.unwrap());
    let mut said = Vec::new();
    for line in [""].iter().chain(lines) {
        if !line.is_empty() {
            stream.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
        }
        loop {
            let mut reply = String::new();
            stream.read_line(&mut reply).await.unwrap();
            if reply.as_bytes().get(3) != Some(&b'-') {
                said.push(reply.trim_end().to_owned());
                break;
            }
        }
    }
    said
}

const GTUBE: &str = r#"
[[rule]]
on = "CONTENT"
matches = "XJS*C4JDBQADN1"
reply = "554 5.7.1 this is spam"
"#;

#[tokio::test]
async fn a_rule_on_content_looks_into_the_message() {
    let envelope = ["EHLO x", "MAIL FROM:<>", "RCPT TO:<anna@lab.example>", "DATA"];
    for (body, code) in [("Subject: x\r\n\r\nxjs*c4jdbqadn1.nsbn3*2idned", "554"), ("Subject: hail eris", "250")] {
        let message = format!("{body}\r\n.");
        let said = replies(GTUBE, &[&envelope[..], &[&message]].concat()).await;
        assert!(said.last().unwrap().starts_with(code), "{body}: {said:?}");
    }
}

#[tokio::test]
async fn rules_that_only_delay_add_up_and_the_first_other_one_decides() {
    let story = r#"
        [[rule]]
        on = "NOOP"
        delay = "150ms"
        [[rule]]
        on = "NOOP"
        nth = 1
        reply = "450 4.7.0 later"
        [[rule]]
        on = "NOOP"
        delay = "150ms"
        [[rule]]
        on = "NOOP"
        reply = "250 2.0.0 the last"
    "#;
    let began = Instant::now();
    let said = replies(story, &["NOOP", "NOOP"]).await;
    assert_eq!(said.get(1..).unwrap(), ["450 4.7.0 later", "250 2.0.0 the last"]);
    assert!(began.elapsed() >= Duration::from_millis(600), "{:?}", began.elapsed());
}
