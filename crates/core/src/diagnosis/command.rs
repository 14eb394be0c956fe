//! How a next test is typed: the command of this run with something added, ready for a shell.

use maildoctor_wire::octets::shell_word;

use crate::case::Case;

/// The option that reads the server on its own host.
pub(super) const ON_HOST: &str = "--on-host";

/// The area of what is read there.
const HOST_AREA: &str = "server-config";

/// The right of root, which is missing, and no option.
const SUDO: &str = "sudo";

/// Options of a run that are in the way of one that is added: of which there may be one, or which bind it to this
/// machine or to less time than it takes.
const IN_THE_WAY: &[(&str, &[&str])] = &[
    ("--control-mx", &["--control-mx"]),
    (ON_HOST, &["--bind"]),
    // Without it there are the two minutes of the default.
    ("--listen", &["--deadline"]),
];

/// Passwords that come by a variable, which sudo takes away: the option that wants one, those that give it otherwise,
/// and the variable.
const BY_VARIABLE: &[(&str, &[&str], &str)] = &[
    ("--user", &["--password-file", "--password-command", "--auth-token-file"], "MAILDOCTOR_PASSWORD"),
    ("--from", &["--socks-password-file"], "MAILDOCTOR_SOCKS_PASSWORD"),
];

/// The command of this run with something added. What is read on the server itself is read by root.
pub(super) fn command(case: &Case, add: &str) -> String {
    let given = &case.terms.arguments;
    let mut words = match given.as_slice() {
        [] => vec!["check".to_owned(), shell_word(&case.target.input)],
        given => without(given, add).iter().map(|word| shell_word(word)).collect(),
    };
    if matches!(add, SUDO | ON_HOST) {
        look_at_the_host(&mut words);
    }
    if add != SUDO {
        // Behind `--` there are no options any more.
        let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
        words.insert(end, add.to_owned());
    }
    let sudo = if matches!(add, SUDO | ON_HOST) { sudo(case) } else { String::new() };
    format!("{sudo}maildoctor {}", words.join(" "))
}

/// The arguments of a run without what is in the way of an option.
fn without<'a>(given: &'a [String], add: &str) -> Vec<&'a String> {
    let name = add.split([' ', '=']).next().unwrap_or_default();
    let gone: &[&str] =
        IN_THE_WAY.iter().find(|(option, _)| *option == name).map(|(_, gone)| *gone).unwrap_or_default();
    let mut kept = Vec::new();
    let mut words = given.iter();
    while let Some(word) = words.next() {
        if gone.contains(&word.as_str()) {
            // Its value goes with it.
            words.next();
        } else if !gone.iter().any(|option| word.strip_prefix(option).is_some_and(|rest| rest.starts_with('='))) {
            kept.push(word);
        }
    }
    kept
}

/// Has the areas of a run hold what is read on the host: what it tells is said of nowhere else.
fn look_at_the_host(words: &mut Vec<String>) {
    let mut after = None;
    for word in words.iter_mut() {
        let (option, areas) = match (after.take(), word.split_once('=')) {
            (Some(option), _) => (option, word.clone()),
            (None, Some((option @ ("--only" | "--skip"), areas))) => (option.to_owned(), areas.to_owned()),
            _ => {
                after = ["--only", "--skip"].into_iter().find(|option| word == option).map(str::to_owned);
                continue;
            }
        };
        let others = areas.split(',').filter(|area| *area != HOST_AREA);
        let areas: Vec<&str> = others.chain((option == "--only").then_some(HOST_AREA)).collect();
        *word = if word.starts_with("--") { format!("{option}={}", areas.join(",")) } else { areas.join(",") };
    }
    // Nothing else was to be left out.
    if let Some(place) = words.iter().position(|word| word == "--skip=") {
        words.remove(place);
    } else if let Some(place) =
        words.windows(2).position(|pair| matches!(pair, [skip, none] if skip == "--skip" && none.is_empty()))
    {
        words.drain(place..place + 2);
    }
}

/// `sudo`, and what it must not take out of the environment.
fn sudo(case: &Case) -> String {
    let terms = &case.terms;
    let wanted = |(option, others, _): &&(&str, &[&str], &str)| {
        let asks = match *option {
            "--from" => terms.arguments.iter().any(|word| word.contains("socks5://") && word.contains('@')),
            option => terms.gives(option),
        };
        asks && !others.iter().any(|other| terms.gives(other))
    };
    let kept: Vec<&str> = BY_VARIABLE.iter().filter(wanted).map(|(.., variable)| *variable).collect();
    if kept.is_empty() { "sudo ".to_owned() } else { format!("sudo --preserve-env={} ", kept.join(",")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The command that a run with these arguments suggests.
    fn suggested(arguments: &str, add: &str) -> String {
        let mut case = Case::from_json(include_str!("../../tests/golden/healthy.1.json")).unwrap();
        case.terms.arguments = arguments.split(' ').map(str::to_owned).collect();
        command(&case, add)
    }

    #[test]
    fn what_the_user_gave_is_kept() {
        let given = "check a.example --port smtp=2525 --from ssh:b --mta-config /etc/x --resolver 192.0.2.1";
        assert_eq!(suggested(given, "--send"), format!("maildoctor {given} --send"));
        assert_eq!(
            suggested("check a.example --control-mx=b", "--send"),
            "maildoctor check a.example --control-mx=b --send"
        );
    }

    #[test]
    fn what_is_in_the_way_of_an_option_goes_with_its_value() {
        for given in ["check a.example --control-mx gone.example", "check --control-mx=gone.example a.example"] {
            assert_eq!(
                suggested(given, "--control-mx up.example"),
                "maildoctor check a.example --control-mx up.example"
            );
        }
        assert_eq!(
            suggested("check a.example --on-host --deadline 30s", "--listen 60s"),
            "maildoctor check a.example --on-host --listen 60s"
        );
        assert_eq!(suggested("check --bind 192.0.2.1 a.example", ON_HOST), "sudo maildoctor check a.example --on-host");
    }

    #[test]
    fn what_is_read_on_the_host_is_among_the_areas() {
        for (given, then) in [
            ("check a.example --only dns,banner", "check a.example --only dns,banner,server-config --on-host"),
            ("check a.example --only=server-config", "check a.example --only=server-config --on-host"),
            ("check a.example --skip dns,server-config", "check a.example --skip dns --on-host"),
            ("check --skip server-config a.example", "check a.example --on-host"),
            ("check a.example --skip=server-config", "check a.example --on-host"),
        ] {
            assert_eq!(suggested(given, ON_HOST), format!("sudo maildoctor {then}"));
            assert_eq!(suggested(given, "--send"), format!("maildoctor {given} --send"));
        }
    }

    #[test]
    fn an_option_stands_before_the_end_of_options() {
        assert_eq!(suggested("check -- a.example", "--send"), "maildoctor check --send -- a.example");
    }

    #[test]
    fn sudo_leaves_a_password_that_comes_by_a_variable() {
        assert_eq!(
            suggested("check a.example --on-host --user anna", SUDO),
            "sudo --preserve-env=MAILDOCTOR_PASSWORD maildoctor check a.example --on-host --user anna"
        );
        let file = "check a.example --on-host --user anna --password-file pw";
        assert_eq!(suggested(file, SUDO), format!("sudo maildoctor {file}"));
        assert_eq!(
            suggested("check a.example --from socks5://me@192.0.2.1:1080", ON_HOST),
            "sudo --preserve-env=MAILDOCTOR_SOCKS_PASSWORD maildoctor check a.example --from socks5://me@192.0.2.1:1080 --on-host"
        );
    }
}
