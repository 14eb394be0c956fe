//! Hosts that serve an MTA-STS policy badly: without end, by drops, in part, as a page, as something else.

use maildoctor_lab::scenario::Scenario;

use crate::common::story;
use crate::peer::{Outcome, run};

/// A lab whose policy host serves a text in a manner.
fn served(text: &str, more: &str) -> Outcome {
    // What JSON escapes in a text, TOML does.
    let story_of = format!("[policy]\ntext = {}\n{more}\n", serde_json::json!(text));
    let running = story(&Scenario::from_toml(&story_of).unwrap());
    let arguments = running.lab.check_arguments();
    run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

const GOOD: &str = "version: STSv1\nmode: enforce\nmx: *.lab.example\nmax_age: 86400\n";

#[test]
fn a_sound_policy_is_no_finding() {
    for (text, more) in [
        (GOOD, ""),
        (&GOOD.replace("enforce", "testing"), "content_type = 'text/plain; charset=us-ascii'"),
        ("version: STSv1\nmode: none\nmax_age: 86400\n", ""),
    ] {
        let outcome = served(text, more);
        assert_eq!(outcome.roots(), Vec::<String>::new(), "{text}: {}", outcome.report["summary"]);
    }
}

#[test]
fn a_policy_that_does_not_come_whole_is_unreachable_and_nothing_else() {
    for (text, more) in [
        (GOOD, "manner = 'endless'"),
        (GOOD, "manner = 'drip'"),
        (GOOD, "manner = 'cut'"),
        (GOOD, "manner = 'silent'"),
        (GOOD, "status = 404"),
        (GOOD, "status = 302\nlocation = \"https://www.lab.example/\\u001b[31m\""),
        ("<html><body>Welcome</body></html>", "content_type = 'text/html'"),
    ] {
        let outcome = served(text, more);
        assert_eq!(outcome.roots(), ["mta-sts-policy-unreachable"], "{more}: {}", outcome.report["summary"]);
        assert!(!outcome.states("mta-sts-mx-mismatch").contains(&"found"), "{more}");
    }
}

#[test]
fn nonsense_in_a_policy_is_a_fault_of_its_grammar() {
    let lines = "mx: *.lab.example\n".repeat(3000);
    for text in [
        "<html><body>Welcome</body></html>",
        "\u{1b}[31m\u{0}\u{202e}",
        "",
        &format!("version: STSv1\nmode: enforce\nmax_age: -1\n{lines}"),
    ] {
        let outcome = served(text, "");
        assert_eq!(outcome.roots(), ["mta-sts-syntax"], "{text:.40}: {}", outcome.report["summary"]);
    }
}
