//! Benchmarks, as ratios within one run: a full check against the tools that a person would run one after the
//! other, on the lab and on a real Postfix; the run against its longest chain; start-up, size, and how fast the
//! lab takes messages in. docs/BENCHMARKS.md has figures, and says what each is for.

mod chain;
pub(crate) mod log;
mod receiver;
mod tools;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use maildoctor_core::case::Case;

use crate::lab;
use tools::Site;

/// How long each reply of the slow lab takes: long enough that a millisecond is nothing.
const SLOWNESS: &str = "100ms";

/// Makes Postfix wait a second at each step, for the same reason.
const SLOW_POSTFIX: &str = "
postconf -e smtpd_delay_reject=no
for step in client helo sender; do
  postconf -e \"smtpd_${step}_restrictions=sleep 1 $(postconf -h smtpd_${step}_restrictions)\"
done
postfix reload
sleep 1
";

/// Measures everything, what needs a real Postfix on a machine of its own.
pub(crate) fn run(runs: usize) -> anyhow::Result<()> {
    let program = lab::program()?;
    let size = std::fs::metadata(&program)?.len();
    println!("binary: {:.1} MB", size as f64 / 1e6);
    let start_up = median(runs * 3, || quiet(Command::new(&program).arg("--version")));
    println!("start-up: {:.1} ms", ms(start_up));

    let running = lab::start(&program, &[])?;
    let check = format!("{} {}", program.display(), running.check);
    let site = lab_site(&running.check).context("the lab does not say how it is reached")?;
    compare("lab", &check, &site, runs);
    drop(running);

    let folder = Scratch::new()?;
    let story = folder.0.join("slow.toml");
    let kinds = "BANNER EHLO STARTTLS AUTH MAIL RCPT RSET VRFY QUIT";
    let rules: String =
        kinds.split(' ').map(|on| format!("[[rule]]\non = \"{on}\"\ndelay = \"{SLOWNESS}\"\n")).collect();
    std::fs::write(&story, rules)?;
    let running = lab::start(&program, &["--scenario", &story.display().to_string()])?;
    let check = format!("{} {}", program.display(), running.check);
    against_chain("slow lab", &check, &folder.0.join("case.json"))?;
    drop(running);

    on_postfix(&program, runs)
}

/// Runs the rest on a trial's machine.
fn on_postfix(program: &Path, runs: usize) -> anyhow::Result<()> {
    let program = program.canonicalize()?;
    let this = std::env::current_exe()?;
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let status = Command::new(cargo)
        .args(["run", "--quiet", "--package", "maildoctor-ward", "--example", "machine"])
        .env("MAILDOCTOR_WARD_PROGRAM", &program)
        .env("WARD_COMMAND", format!("{} bench --runs {runs} --here", this.display()))
        .status()?;
    if !status.success() {
        bail!("no machine with a real Postfix could be had; see tests/ward/README.md for what it needs");
    }
    Ok(())
}

/// What is measured on that machine.
pub(crate) fn here(runs: usize) -> anyhow::Result<()> {
    let given = |name: &str| std::env::var_os(name).map(PathBuf::from).context("this is no machine of the ward");
    let (program, folder) = (given("MAILDOCTOR_WARD_PROGRAM")?, given("MAILDOCTOR_WARD_FOLDER")?);
    let site = ward_site();
    let file = |name: &str| folder.join(name).display().to_string();
    let check = format!(
        "{} check {} --resolver {} --foreign-resolver {} --ca-file {} --user {} --password-file {} --relay-rcpt {}",
        program.display(),
        site.user,
        site.resolvers[0],
        site.resolvers[1],
        file("root.pem"),
        site.user,
        file("password"),
        site.stranger
    );
    compare("Postfix", &check, &site, runs);
    against_chain("Postfix", &check, &folder.join("case.json"))?;
    receiver::run(&program, &folder)?;
    set_up("Postfix cannot be slowed", SLOW_POSTFIX, &[])?;
    against_chain("slow Postfix", &check, &folder.join("case.json"))
}

/// A check against the tools, in turn, so that a busy machine is busy for both.
fn compare(name: &str, check: &str, site: &Site, runs: usize) {
    let whole = median(runs, || shell(check));
    println!("{name}, full check: {:.0} ms", ms(whole));
    if !tools::are_here() {
        println!("{name}, the same by hand: not measured, for dig, swaks and openssl are not all here");
        return;
    }
    let commands = tools::commands(site);
    let sum = median(runs.min(3), || commands.iter().for_each(|command| shell(command)));
    let ratio = sum.as_secs_f64() / whole.as_secs_f64();
    let count = commands.len();
    println!("{name}, the same by hand: {:.0} ms ({count} commands), {ratio:.1} times as long", ms(sum));
}

/// A run against the longest chain within it.
fn against_chain(name: &str, check: &str, file: &Path) -> anyhow::Result<()> {
    shell(&format!("{check} --save {}", file.display()));
    let text = std::fs::read_to_string(file).with_context(|| format!("{name}: no case was saved"))?;
    let case = Case::from_json(&text)?;
    let (length, steps) = chain::of_case(&case);
    let ratio = case.duration_ms as f64 / length.max(1) as f64;
    println!("{name}, run over longest chain: {} / {length} ms = {ratio:.2}", case.duration_ms);
    for step in steps.iter().filter(|step| !step.ends_with(" 0 ms")) {
        println!("    {step}");
    }
    Ok(())
}

/// A folder for what is written meanwhile.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("maildoctor-bench-{}", std::process::id()));
        std::fs::create_dir(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Changes something on the trial's machine.
fn set_up(failure: &str, script: &str, arguments: &[&Path]) -> anyhow::Result<()> {
    let said = Command::new("sh").args(["-euc", script, "bench"]).args(arguments).output()?;
    if !said.status.success() {
        bail!("{failure}: {}", String::from_utf8_lossy(&said.stderr));
    }
    Ok(())
}

fn shell(line: &str) {
    quiet(Command::new("sh").args(["-c", line]));
}

fn quiet(command: &mut Command) {
    // What it says is not the question here, only how long it takes.
    let _ = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
}

fn median(runs: usize, mut work: impl FnMut()) -> Duration {
    work();
    let mut times: Vec<Duration> = (0..runs.max(1))
        .map(|_| {
            let started = Instant::now();
            work();
            started.elapsed()
        })
        .collect();
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The value after an option of a command line.
fn after<'a>(line: &'a str, option: &str) -> Option<&'a str> {
    line.split_whitespace().skip_while(|word| *word != option).nth(1)
}

/// The port of a service, as `--port` says it.
fn port<'a>(check: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = after(check, "--port")?.split(',').filter_map(|pair| pair.split_once('='));
    pairs.find(|(service, _)| *service == name).map(|(_, port)| port)
}

/// The lab's first three octets.
fn network(check: &str) -> Option<&str> {
    Some(after(check, "--resolver")?.rsplit_once('.')?.0)
}

/// Address and port of the lab's first exchanger.
fn exchanger(check: &str) -> Option<(String, &str)> {
    Some((format!("{}.11", network(check)?), port(check, "smtp")?))
}

fn lab_site(check: &str) -> Option<Site> {
    let (here, dns) = after(check, "--resolver")?.rsplit_once(':')?;
    let outside = after(check, "--foreign-resolver")?.rsplit_once(':')?.0;
    let network = network(check)?;
    let submission = format!("{network}.20");
    let password = std::fs::read_to_string(after(check, "--password-file")?).ok()?;
    Some(Site {
        domain: "lab.example".to_owned(),
        hosts: vec!["mx1.lab.example".to_owned(), "mx2.lab.example".to_owned()],
        resolvers: [here.to_owned(), outside.to_owned()],
        dns: dns.to_owned(),
        exchangers: vec![format!("{network}.11"), format!("{network}.12")],
        smtp: port(check, "smtp")?.to_owned(),
        submission: (submission.clone(), port(check, "submission")?.to_owned()),
        smtps: (submission, port(check, "smtps")?.to_owned()),
        user: after(check, "--user")?.to_owned(),
        password: password.trim_end().to_owned(),
        stranger: after(check, "--relay-rcpt")?.to_owned(),
    })
}

fn ward_site() -> Site {
    use maildoctor_ward::{DOMAIN, FOREIGN_RESOLVER, MX, MX_ADDRESS, PASSWORD, RESOLVER, STRANGER, USER};
    let at = |port: &str| (MX_ADDRESS.to_owned(), port.to_owned());
    Site {
        domain: DOMAIN.to_owned(),
        hosts: vec![MX.to_owned()],
        resolvers: [RESOLVER.to_owned(), FOREIGN_RESOLVER.to_owned()],
        dns: "53".to_owned(),
        exchangers: vec![MX_ADDRESS.to_owned()],
        smtp: "25".to_owned(),
        submission: at("587"),
        smtps: at("465"),
        user: USER.to_owned(),
        password: PASSWORD.to_owned(),
        stranger: STRANGER.to_owned(),
    }
}
