//! `isolate --in-place` on the lab: the guilty list by hand with telnet and by itself, and everything put back whatever happens.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends by panicking"
)]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::Running;
use maildoctor_lab::scenario::Scenario;

/// The wait that the guilty list makes.
const WAIT: Duration = Duration::from_millis(1200);

fn story(lists: usize, guilty: &[usize]) -> Running {
    let mut story = String::new();
    for list in 0..lists {
        let delay = if guilty.contains(&list) { WAIT.as_millis() } else { 0 };
        story.push_str(&format!("[[blacklist]]\nzone = 'l{list}.bl.example'\ndelay = '{delay}ms'\n"));
    }
    common::story(&Scenario::from_toml(&story).unwrap())
}

fn isolate(folder: &Path, state: &Path) -> Command {
    let mut command = common::maildoctor();
    command.args(["isolate", "--control", "lab", "--in-place", "--yes", "--at"]).arg(folder).arg("--state").arg(state);
    command
}

fn restore(state: &Path) -> Output {
    common::maildoctor().args(["isolate", "--restore", "--state"]).arg(state).output().unwrap()
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

fn order(folder: &Path, order: &str) -> String {
    let mut command = common::maildoctor();
    command.args(["lab", "console", "--at"]).arg(folder).args(order.split(' '));
    let out = command.output().unwrap();
    assert!(out.status.success(), "{order}: {}", text(&out.stderr));
    text(&out.stdout)
}

fn settings(folder: &Path) -> Vec<u8> {
    std::fs::read(folder.join("settings.json")).unwrap()
}

/// How long the banner takes, seen with the real telnet.
fn telnet(exchanger: SocketAddr) -> Duration {
    let began = Instant::now();
    let mut telnet = Command::new("telnet")
        .args([exchanger.ip().to_string(), exchanger.port().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("telnet is needed (apt-get install telnet)");
    let mut input = telnet.stdin.take().unwrap();
    let lines = BufReader::new(telnet.stdout.take().unwrap()).lines().map_while(Result::ok);
    let took = lines.into_iter().find(|line| line.contains("220 mx1.lab.example")).map(|_| began.elapsed());
    let _ = input.write_all(b"quit\r\n");
    drop(input);
    let _ = telnet.kill();
    let _ = telnet.wait();
    took.expect("telnet shows the banner")
}

#[test]
fn the_guide_by_hand_and_isolate_find_the_same_list() {
    let running = story(4, &[2]);
    let (folder, plan) = (running.lab.root(), running.lab.plan());
    let exchanger = SocketAddr::new(plan.mx(1), plan.smtp);
    let before = settings(folder);

    // Step 1 of the guide: the lookup of the host's name off first, then one list after the other, each with a restart.
    assert!(telnet(exchanger) >= WAIT);
    order(folder, "reverse off");
    order(folder, "restart");
    assert!(telnet(exchanger) >= WAIT, "it is not the reverse lookup");
    order(folder, "reverse on");
    let mut guilty = Vec::new();
    for list in 0..4 {
        let zone = format!("l{list}.bl.example");
        order(folder, &format!("blacklists remove {zone}"));
        order(folder, "restart");
        if telnet(exchanger) < WAIT {
            guilty.push(zone.clone());
        }
        order(folder, &format!("blacklists add {zone} {}", list + 1));
    }
    assert_eq!(guilty, ["l2.bl.example"]);
    assert_eq!(settings(folder), before);

    let state = tempfile::tempdir().unwrap();
    let starts = running_starts(folder);
    let out = isolate(folder, state.path()).output().unwrap();
    let said = text(&out.stdout);
    assert_eq!(out.status.code(), Some(1), "{said}{}", text(&out.stderr));
    assert!(
        said.contains(&format!("DNS list {} makes a new client wait", guilty[0])) && said.contains("(proven"),
        "{said}"
    );
    assert!(said.contains(&format!("blacklists remove {}", guilty[0])), "{said}");
    assert!(running_starts(folder) - starts <= 5, "more reloads than promised for 4 lists");
    assert_eq!(settings(folder), before);
    assert!(restore(state.path()).status.success());
}

/// What a person is told in one step: the zones to switch off and on, and where the questions end.
fn told(stderr: &mut impl BufRead) -> Option<(Vec<String>, Vec<String>)> {
    let mut said = String::new();
    let mut octet = [0];
    while !said.ends_with("Ctrl-C to end: ") {
        if stderr.read(&mut octet).unwrap() == 0 {
            return None;
        }
        said.push(char::from(octet[0]));
    }
    // Lines are wrapped between words, and the names of zones are words.
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let zones = |from: &str| {
        let part = said.split(from).nth(1).unwrap_or_default();
        let end = ["Switch on again:", "Leave off:", "Then stop"].iter().filter_map(|mark| part.find(mark)).min();
        let part = &part[..end.unwrap_or(part.len())];
        part.split(' ')
            .map(|word| word.trim_matches(','))
            .filter(|w| w.ends_with(".example"))
            .map(str::to_owned)
            .collect()
    };
    Some((zones("Switch off:"), zones("Switch on again:")))
}

#[test]
fn a_person_who_does_as_told_finds_the_same_list_and_has_everything_back() {
    let running = story(6, &[3]);
    let (folder, plan) = (running.lab.root(), running.lab.plan());
    let server = SocketAddr::new(plan.mx(1), plan.smtp).to_string();
    let mut command = common::maildoctor();
    command.args(["isolate", "--control", "manual", "--server", &server, "--format", "json"]);
    command.args((0..6).flat_map(|list| ["--list".to_owned(), format!("l{list}.bl.example")]));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut keyboard = child.stdin.take().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut tasks = 0;
    while let Some((off, on)) = told(&mut stderr) {
        tasks += 1;
        off.iter().for_each(|zone| drop(order(folder, &format!("blacklists remove {zone}"))));
        on.iter().for_each(|zone| drop(order(folder, &format!("blacklists add {zone}"))));
        order(folder, "restart");
        keyboard.write_all(b"\n").unwrap();
    }
    let out = child.wait_with_output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(out.status.code(), Some(1), "{report}");
    assert_eq!(report["isolation"]["culprits"][0]["settings"][0]["what"], "l3.bl.example");
    assert!(tasks <= 6, "{tasks} tasks for 6 lists");
    let held = order(folder, "blacklists");
    assert!((0..6).all(|list| held.contains(&format!("l{list}.bl.example"))), "{held}");
    let schema = common::maildoctor().args(["schema", "isolation"]).output().unwrap();
    let schema = serde_json::from_slice(&schema.stdout).unwrap();
    jsonschema::validator_for(&schema).unwrap().validate(&report).unwrap();
}

#[test]
fn a_person_who_leaves_is_told_what_is_off() {
    let running = story(2, &[0]);
    let server = SocketAddr::new(running.lab.plan().mx(1), running.lab.plan().smtp).to_string();
    let lists = ["--no-reverse", "--list", "l0.bl.example", "--list", "l1.bl.example"];
    let mut child = common::maildoctor()
        .args(["isolate", "--control", "manual", "--software", "modusmail", "--server", &server])
        .args(lists)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    let out = child.wait_with_output().unwrap();
    let said = text(&out.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(out.status.code(), Some(3), "{said}");
    for part in
        ["To be switched on again, as far as it is off: DNS list l0.bl.example.", "RBL Servers", "stopped before"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    for wrong in [&["--no-reverse"][..], &["--list", "a b"], &["--in-place"]] {
        let out = common::maildoctor()
            .args(["isolate", "--control", "manual", "--server", &server])
            .args(wrong)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(out.status.code(), Some(3), "{wrong:?}");
        assert_eq!(text(&out.stderr).lines().count(), 1, "{}", text(&out.stderr));
    }
}

/// How often the service was started, as its log says.
fn running_starts(folder: &Path) -> usize {
    order(folder, "log 2000").matches("the SMTP service is started").count()
}

#[test]
fn two_guilty_lists_are_both_found() {
    let running = story(5, &[1, 4]);
    let state = tempfile::tempdir().unwrap();
    let before = settings(running.lab.root());
    let out = isolate(running.lab.root(), state.path()).output().unwrap();
    let said = text(&out.stdout);
    assert!(said.contains("DNS list l1.bl.example:") && said.contains("DNS list l4.bl.example:"), "{said}");
    assert_eq!((out.status.code(), settings(running.lab.root())), (Some(1), before), "{said}");
}

#[test]
fn nothing_is_changed_without_consent_or_while_another_run_works() {
    let running = story(3, &[0]);
    let folder = running.lab.root();
    let (state, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let before = settings(folder);
    let out = common::maildoctor()
        .args(["isolate", "--control", "lab", "--in-place", "--at"])
        .arg(folder)
        .arg("--state")
        .arg(state.path())
        .output()
        .unwrap();
    assert_eq!((out.status.code(), running_starts(folder)), (Some(3), 0), "{}", text(&out.stdout));
    assert!(text(&out.stderr).contains("--yes") && text(&out.stdout).contains("This changes settings"));
    let mut first = isolate(folder, state.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(first.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("with nothing left out")));
    let second = isolate(folder, other.path()).output().unwrap();
    assert!(
        second.status.code() == Some(3) && text(&second.stderr).contains("another run"),
        "{}",
        text(&second.stderr)
    );
    lines.for_each(drop);
    assert_eq!((first.wait().unwrap().code(), settings(folder)), (Some(1), before));
}

/// Stands between `isolate` and the console, and counts the requests that change something.
struct Between {
    folder: tempfile::TempDir,
    changes: Arc<AtomicUsize>,
}

impl Between {
    /// At the n-th change `act` is called, before or after it has reached the console.
    fn new(lab: &Path, nth: usize, after: bool, act: impl Fn() + Send + Sync + 'static) -> Self {
        let mut access: serde_json::Value =
            serde_json::from_slice(&std::fs::read(lab.join("console.json")).unwrap()).unwrap();
        let console: SocketAddr = access["address"].as_str().unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        access["address"] = listener.local_addr().unwrap().to_string().into();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("console.json"), access.to_string()).unwrap();
        let changes = Arc::new(AtomicUsize::new(0));
        let count = changes.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let now = |is: bool, number: usize| {
                    if is && number == nth {
                        act();
                    }
                };
                let _ = pass(client, console, &count, after, now);
            }
        });
        Self { folder, changes }
    }
}

fn pass(
    mut client: TcpStream,
    console: SocketAddr,
    count: &AtomicUsize,
    after: bool,
    now: impl Fn(bool, usize),
) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut buffer = [0; 65536];
    loop {
        let length = client.read(&mut buffer)?;
        request.extend_from_slice(&buffer[..length]);
        let head = String::from_utf8_lossy(&request).to_ascii_lowercase();
        let Some((head, body)) = head.split_once("\r\n\r\n") else { continue };
        let wanted =
            head.split("content-length: ").nth(1).and_then(|t| t.lines().next()).map_or(0, |n| n.parse().unwrap());
        if body.len() >= wanted || length == 0 {
            break;
        }
    }
    // The end of a run changes nothing by itself.
    let changes = !request.starts_with(b"GET") && !request.starts_with(b"POST /v1/runs/end");
    let number = if changes { count.fetch_add(1, Ordering::SeqCst) + 1 } else { 0 };
    now(changes && !after, number);
    let mut server = TcpStream::connect(console)?;
    server.write_all(&request)?;
    let mut reply = Vec::new();
    server.read_to_end(&mut reply)?;
    now(changes && after, number);
    client.write_all(&reply)
}

/// Runs `isolate` and kills it at the n-th change; whether it came that far.
fn killed_at(lab: &Path, state: &Path, nth: usize, after: bool) -> (Between, bool) {
    let child: Arc<std::sync::Mutex<Option<std::process::Child>>> = Arc::default();
    let victim = child.clone();
    let between = Between::new(lab, nth, after, move || {
        if let Some(child) = victim.lock().unwrap().as_mut() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    });
    let mut held = child.lock().unwrap();
    let said = std::fs::File::create(state.join("said")).unwrap();
    let run = isolate(between.folder.path(), state).stdout(said.try_clone().unwrap()).stderr(said).spawn().unwrap();
    *held = Some(run);
    drop(held);
    let ended = loop {
        let status = child.lock().unwrap().as_mut().unwrap().try_wait().unwrap();
        if let Some(status) = status {
            break status;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let said = std::fs::read_to_string(state.join("said")).unwrap();
    assert!(matches!(ended.code(), None | Some(1)), "{ended}: {said}");
    (between, ended.code().is_none())
}

/// Labs that are killed at the same time: most of the time goes by in waiting.
const SIDES: usize = 4;

/// Kills a run at each change in turn; `after` it was made, or before.
fn kill_everywhere(after: bool) {
    let sides: Vec<_> = (1..=SIDES).map(|first| std::thread::spawn(move || kill_at_every(first, after))).collect();
    let kills: usize = sides.into_iter().map(|side| side.join().unwrap()).sum();
    assert!(kills >= 10, "only {kills} changes were made");
}

fn kill_at_every(first: usize, after: bool) -> usize {
    let running = story(3, &[2]);
    let lab = running.lab.root();
    let before = settings(lab);
    for nth in (first..).step_by(SIDES) {
        let state = tempfile::tempdir().unwrap();
        let (between, killed) = killed_at(lab, state.path(), nth, after);
        if !killed {
            assert!(between.changes.load(Ordering::SeqCst) < nth);
            return (nth - first) / SIDES;
        }
        for round in 0..2 {
            let out = restore(state.path());
            assert!(out.status.success(), "change {nth}, round {round}: {}", text(&out.stderr));
            assert_eq!(settings(lab), before, "change {nth}, round {round}");
        }
        assert!(order(lab, "status").contains("SMTP service       running"), "change {nth}");
        assert!(order(lab, "cache").contains("empty"), "change {nth}");
    }
    0
}

#[test]
fn killed_before_any_change_all_is_put_back() {
    kill_everywhere(false);
}

#[test]
fn killed_after_any_change_all_is_put_back() {
    kill_everywhere(true);
}

#[test]
fn what_somebody_else_set_meanwhile_survives() {
    let running = story(4, &[3]);
    let lab: PathBuf = running.lab.root().to_owned();
    let state = tempfile::tempdir().unwrap();
    // While a run was killed with lists left out …
    let (_between, killed) = killed_at(&lab, state.path(), 4, true);
    assert!(killed && !order(&lab, "blacklists").contains("l0.bl.example"));
    let unfinished = isolate(&lab, state.path()).output().unwrap();
    assert!(unfinished.status.code() == Some(3) && text(&unfinished.stderr).contains("isolate --restore"));
    order(&lab, "blacklists add new.bl.example");
    order(&lab, "whitelist add 192.0.2.9");
    let said = text(&restore(state.path()).stdout);
    assert!(said.contains("new.bl.example was added") && said.contains("the whitelist was changed"), "{said}");
    let lists = order(&lab, "blacklists");
    let zones: Vec<&str> = lists.split_whitespace().filter(|word| word.contains('.')).collect();
    assert_eq!(zones, ["l0.bl.example", "l1.bl.example", "l2.bl.example", "l3.bl.example", "new.bl.example"]);
    assert!(order(&lab, "whitelist").contains("192.0.2.9"));

    // … and while one is under way: it stops, says so, and leaves that alone as well.
    let (folder, other) = (lab.clone(), tempfile::tempdir().unwrap());
    let between = Between::new(&lab, 4, true, move || drop(order(&folder, "blacklists add newer.bl.example")));
    let out = isolate(between.folder.path(), other.path()).output().unwrap();
    assert_eq!(out.status.code(), Some(3), "{}", text(&out.stdout));
    assert!(text(&out.stderr).contains("somebody else changed the settings"), "{}", text(&out.stderr));
    let lists = order(&lab, "blacklists");
    assert!(
        (0..4).all(|n| lists.contains(&format!("l{n}.bl.example"))) && lists.contains("newer.bl.example"),
        "{lists}"
    );
}

#[cfg(unix)]
#[test]
fn told_to_stop_it_puts_everything_back_first() {
    let running = story(4, &[0]);
    let lab = running.lab.root();
    let before = settings(lab);
    for signal in ["-INT", "-TERM"] {
        let state = tempfile::tempdir().unwrap();
        let mut child = isolate(lab, state.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains("with nothing left out")));
        let told = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert!(told.success());
        lines.for_each(drop);
        let out = child.wait_with_output().unwrap();
        assert_eq!((out.status.code(), settings(lab)), (Some(3), before.clone()), "{}", text(&out.stderr));
        assert!(std::fs::read_dir(state.path()).unwrap().next().is_none(), "the journal is still there");
    }
}

#[test]
fn the_demo_finds_the_dead_list_and_leaves_nothing_behind() {
    let out = common::maildoctor().args(["demo", "isolate"]).output().unwrap();
    let said = text(&out.stdout);
    assert!(out.status.success(), "{said}{}", text(&out.stderr));
    for line in ["DNS list dnsbl.lab.example makes a new", "All settings are as they were", "(exit code 1)"] {
        assert!(said.contains(line), "{line} in {said}");
    }
    let folder = said.split("the lab in ").nth(1).and_then(|rest| rest.split(',').next()).unwrap();
    assert!(!Path::new(folder).exists(), "{folder} is still there");
}
