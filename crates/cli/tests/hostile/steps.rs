//! The lab does something nasty at each step of the dialogue in turn.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use maildoctor_lab::scenario::Scenario;

use crate::common::{diagnosis, report, story};
use crate::peer::GRACE;

/// How many labs run at once: most of the time is waiting on purpose.
const AT_ONCE: usize = 6;

/// Every step of a dialogue with an exchanger, and of one that submits a message.
const STEPS: [(&str, &str); 11] = [
    ("mx", "BANNER"),
    ("mx", "EHLO"),
    ("mx", "STARTTLS"),
    ("mx", "MAIL"),
    ("mx", "RCPT"),
    ("mx", "RSET"),
    ("mx", "VRFY"),
    ("mx", "QUIT"),
    ("submission", "AUTH"),
    ("mx", "DATA"),
    ("mx", "CONTENT"),
];

/// What happens there.
const ACTIONS: [&str; 5] = ["cut", "reset", "silent", "drip", "split"];

/// What a step that fails must not be passed over for: without these no mail gets through.
fn matters(step: &str) -> bool {
    !["RSET", "VRFY", "QUIT"].contains(&step)
}

fn tried(role: &str, step: &str, action: &str) -> Option<String> {
    let story_of = format!("[[rule]]\non = '{step}'\nrole = '{role}'\naction = '{action}'\n");
    let running = story(&Scenario::from_toml(&story_of).unwrap());
    let maildir = format!("maildir:{}", running.lab.maildir("anna@lab.example").display());
    let mut more = vec!["--timeout", "700ms", "--deadline", "3s"];
    if ["DATA", "CONTENT"].contains(&step) {
        more.extend(["--send", "--mailbox", &maildir]);
    }
    let started = Instant::now();
    let report = report(&running, &more);
    let took = started.elapsed();
    let roots = diagnosis(&report);
    let verdict = report["verdict"].as_str().unwrap();
    let wrong = match action {
        _ if took > Duration::from_secs(3) + GRACE => format!("took {took:?}"),
        "split" if !roots.is_empty() => format!("{roots:?}"),
        "cut" | "reset" | "silent" if matters(step) && verdict == "healthy" => "a healthy verdict".to_owned(),
        "cut" | "reset" | "silent" if !matters(step) && verdict != "healthy" => format!("{verdict}: {roots:?}"),
        _ => return None,
    };
    Some(format!("{role} {step} {action}: {wrong}"))
}

#[test]
fn the_lab_cuts_resets_and_drips_at_every_step() {
    let all = STEPS.iter().flat_map(|&(role, step)| ACTIONS.map(|action| (role, step, action)));
    let waiting = Mutex::new(all.collect::<Vec<_>>());
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some((role, step, action)) = waiting.lock().unwrap().pop() else { return };
                    wrong.lock().unwrap().extend(tried(role, step, action));
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
