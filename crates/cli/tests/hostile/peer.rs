//! What all these tests share: a peer that does as a test says, and a run that is held to what every run owes.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{diagnosis, maildoctor};

/// The deadline given to the program.
pub(crate) const DEADLINE: Duration = Duration::from_secs(4);

/// How long a busy machine may take beyond it to start the program, judge and write.
pub(crate) const GRACE: Duration = Duration::from_secs(8);

/// The most memory that any run may hold, in KiB: a healthy one holds about a third.
pub(crate) const MOST_MEMORY_KIB: u64 = 160 * 1024;

/// A server on a port of its own that does `act` with each connection until the test ends.
pub(crate) struct Peer {
    /// Where it listens on 127.0.0.1.
    pub(crate) port: u16,
    over: Arc<AtomicBool>,
}

impl Peer {
    /// Starts it.
    pub(crate) fn start(act: impl Fn(TcpStream, &AtomicBool) + Send + Sync + 'static) -> Self {
        Self::listening(TcpListener::bind("127.0.0.1:0").unwrap(), act)
    }

    /// Starts it, and opens the socket of the same port over which its datagrams come.
    pub(crate) fn with_datagrams(act: impl Fn(TcpStream, &AtomicBool) + Send + Sync + 'static) -> (Self, UdpSocket) {
        // A port that is free over TCP may be taken over UDP, by a client's socket for one.
        let (listener, socket) = (0..100)
            .find_map(|_| {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let socket = UdpSocket::bind(listener.local_addr().unwrap()).ok()?;
                Some((listener, socket))
            })
            .expect("a port that is free over TCP and UDP");
        (Self::listening(listener, act), socket)
    }

    fn listening(listener: TcpListener, act: impl Fn(TcpStream, &AtomicBool) + Send + Sync + 'static) -> Self {
        let port = listener.local_addr().unwrap().port();
        let over = Arc::new(AtomicBool::new(false));
        let (flag, act) = (over.clone(), Arc::new(act));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if flag.load(Ordering::SeqCst) {
                    return;
                }
                let (flag, act) = (flag.clone(), act.clone());
                std::thread::spawn(move || act(stream, &flag));
            }
        });
        Self { port, over }
    }

    /// A server that greets, and answers each line with what `answer` makes of it; nothing ends the connection.
    pub(crate) fn answering(greeting: &'static [u8], answer: fn(&str) -> Answer) -> Self {
        Self::start(move |mut stream, over| {
            if stream.write_all(greeting).is_err() {
                return;
            }
            let (mut held, mut buffer) = (Vec::new(), [0; 4096]);
            while let Ok(length @ 1..) = stream.read(&mut buffer) {
                held.extend_from_slice(&buffer[..length]);
                while let Some(end) = held.iter().position(|&b| b == b'\n') {
                    let line: Vec<u8> = held.drain(..=end).collect();
                    match answer(String::from_utf8_lossy(&line).trim_end()) {
                        Answer::Once(text) if stream.write_all(text.as_bytes()).is_ok() => {}
                        Answer::Once(_) => return,
                        Answer::Endless(piece) => return flood(&mut stream, piece.as_bytes(), over),
                    }
                }
            }
        })
    }

    /// Checks this peer as a mail exchanger, with more arguments.
    pub(crate) fn check(&self, more: &[&str]) -> Outcome {
        let target = format!("127.0.0.1:{}", self.port);
        run(&[&["check", &target, "--resolver", "127.0.0.1:9", "--foreign-resolver", "none"], more].concat())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
    }
}

/// What a server says to a line.
pub(crate) enum Answer {
    /// This, once.
    Once(String),
    /// This, again and again.
    Endless(&'static str),
}

impl From<&str> for Answer {
    fn from(text: &str) -> Self {
        Self::Once(text.to_owned())
    }
}

impl From<String> for Answer {
    fn from(text: String) -> Self {
        Self::Once(text)
    }
}

/// Sends a piece until nobody takes it any more.
pub(crate) fn flood(stream: &mut TcpStream, piece: &[u8], over: &AtomicBool) {
    let pieces = piece.repeat(65536 / piece.len() + 1);
    while !over.load(Ordering::SeqCst) && stream.write_all(&pieces).is_ok() {}
}

/// What a run came to.
pub(crate) struct Outcome {
    /// The report.
    pub(crate) report: Value,
    /// Everything that was written to standard output.
    pub(crate) stdout: Vec<u8>,
    /// The exit code.
    pub(crate) code: i32,
    /// The most memory that the program held, in KiB.
    pub(crate) peak_kib: u64,
}

impl Outcome {
    /// The code that stands first in the diagnosis.
    pub(crate) fn first(&self) -> &str {
        self.report["diagnosis"][0]["code"].as_str().unwrap_or("nothing")
    }

    /// The codes of the diagnosis.
    pub(crate) fn roots(&self) -> Vec<String> {
        diagnosis(&self.report)
    }

    /// The verdict.
    pub(crate) fn verdict(&self) -> &str {
        self.report["verdict"].as_str().unwrap()
    }

    /// Whether a code is among the findings, explained or not.
    pub(crate) fn finds(&self, code: &str) -> bool {
        self.report["findings"].as_array().unwrap().iter().any(|f| f["code"] == code)
    }

    /// The states of the checks for a code.
    pub(crate) fn states(&self, code: &str) -> Vec<&str> {
        let checks = self.report["checks"].as_array().unwrap();
        checks.iter().filter(|c| c["code"] == code).map(|c| c["state"].as_str().unwrap()).collect()
    }

    /// The outcomes of a probe.
    pub(crate) fn outcomes(&self, probe: &str) -> Vec<&Value> {
        let all = self.report["observations"].as_array().unwrap();
        all.iter().filter(|o| o["probe"] == probe).map(|o| &o["outcome"]).collect()
    }
}

/// Runs the program with short waits, and holds it to what every run owes: it ends, it does not panic, it stays
/// small, its exit code is that of its verdict, and no control octet of a peer gets through.
pub(crate) fn run(arguments: &[&str]) -> Outcome {
    let mut command = maildoctor();
    command.args(arguments).args(["--format", "json"]);
    if !arguments.contains(&"--deadline") {
        command.args(["--timeout", "1500ms", "--deadline", "4s"]);
    }
    let started = Instant::now();
    let (child, stdout, stderr, peak_kib) = watched(command);
    let code = child.code().expect("a signal ended it");
    let stderr = String::from_utf8_lossy(&stderr);
    assert!(started.elapsed() < DEADLINE + GRACE, "it hung for {:?}", started.elapsed());
    assert!(!stderr.contains("panicked"), "{stderr}");
    assert!(peak_kib < MOST_MEMORY_KIB, "it grew to {} MiB", peak_kib / 1024);
    assert!(!stdout.iter().any(|&b| b < b' ' && b != b'\n'), "a control octet got through");
    let report: Value = serde_json::from_slice(&stdout).unwrap_or_else(|e| panic!("no report ({e}): {stderr}"));
    let expected = match report["verdict"].as_str().unwrap() {
        "healthy" => 0,
        "at-risk" | "degraded" => 1,
        "broken" => 2,
        _ => 3,
    };
    assert_eq!(code, expected, "{}", report["summary"]);
    Outcome { report, stdout, code, peak_kib }
}

/// Runs a command to its end, and looks at its memory all the while.
pub(crate) fn watched(mut command: Command) -> (std::process::ExitStatus, Vec<u8>, Vec<u8>, u64) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let drain = |mut from: Box<dyn Read + Send>| {
        std::thread::spawn(move || {
            let mut octets = Vec::new();
            from.read_to_end(&mut octets).unwrap();
            octets
        })
    };
    let stdout = drain(Box::new(child.stdout.take().unwrap()));
    let stderr = drain(Box::new(child.stderr.take().unwrap()));
    let mut peak_kib = 0;
    let status = loop {
        peak_kib = peak_kib.max(high_water(&child));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    (status, stdout.join().unwrap(), stderr.join().unwrap(), peak_kib)
}

/// The most memory that a process has held so far, in KiB, where the kernel tells.
fn high_water(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
