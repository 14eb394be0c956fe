//! `maildoctor lab console`: the guide's console, as a command line.

use std::fmt::Write as _;
use std::io::{self, BufRead, IsTerminal, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use maildoctor_core::console::{Console, ConsoleError};
use maildoctor_core::report::text::harmless;
use maildoctor_wire::console::{ACCESS_FILE, Settings};
use tokio::runtime::Runtime;

use super::order::{Change, HELP, Order, Setting};
use crate::output;

/// How often a change is tried when others change the settings at the same time.
const TRIES: usize = 5;

/// Drive the console of a running lab: blacklist servers, whitelist, cache, stop and start of the SMTP service.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("Orders:\n{}\nExamples:
  maildoctor lab console
  maildoctor lab console blacklists remove dnsbl.lab.example
  echo restart | maildoctor lab console --at /tmp/maildoctor-lab-1234-0123456789abcdef

Without an order it reads them line by line from standard input; when that is no terminal, the first that fails \
ends it with exit code 3.", HELP.lines().map(|line| format!("  {line}\n")).collect::<String>()))]
pub(crate) struct Args {
    /// The folder of the lab, which it prints as its files; needed only where several run.
    #[arg(long, value_name = "FOLDER")]
    at: Option<PathBuf>,
    /// One order; without it they are read from standard input.
    #[arg(value_name = "ORDER")]
    order: Vec<String>,
}

/// Runs the command and gives its exit code.
pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let folder = match &args.at {
        Some(folder) => folder.clone(),
        None => only_lab(&runtime)?,
    };
    let desk = Desk { console: Console::at(&folder)?, runtime };
    if !args.order.is_empty() {
        desk.obey(&args.order.join(" "))?;
        return Ok(0);
    }
    let input = io::stdin().lock();
    let terminal = input.is_terminal();
    if terminal {
        output::print(&format!(
            "The console of the lab in {}. `help` says what it knows, `quit` leaves it.\n",
            desk.console.folder().display()
        ))?;
    }
    desk.converse(input, terminal)?;
    Ok(0)
}

/// The folder of the only lab of ours that runs.
pub(crate) fn only_lab(runtime: &Runtime) -> anyhow::Result<PathBuf> {
    let running = labs(runtime)?;
    match running.as_slice() {
        [one] => Ok(one.clone()),
        [] => bail!("no lab of yours is running here; start one with `maildoctor lab`, or say which with --at FOLDER"),
        several => bail!(
            "{} labs are running; say which with --at and one of {}",
            several.len(),
            several.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
        ),
    }
}

/// The folders of the labs of ours that run.
pub(crate) fn labs(runtime: &Runtime) -> anyhow::Result<Vec<PathBuf>> {
    let folder = std::env::temp_dir();
    let entries = std::fs::read_dir(&folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let labs = entries.flatten().filter(|e| e.file_name().to_string_lossy().starts_with("maildoctor-lab-"));
    let candidates = labs.map(|e| e.path()).filter(|path| path.join(ACCESS_FILE).exists());
    Ok(candidates.filter(|path| runs(runtime, path)).collect())
}

fn runs(runtime: &Runtime, folder: &Path) -> bool {
    Console::at(folder).is_ok_and(|console| runtime.block_on(console.service()).is_ok())
}

/// A console and what waits for its answers.
struct Desk {
    console: Console,
    runtime: Runtime,
}

impl Desk {
    /// Reads orders until the end of the input or `quit`.
    fn converse(&self, input: impl BufRead, terminal: bool) -> anyhow::Result<()> {
        let prompt = || if terminal { output::print("console> ") } else { Ok(()) };
        prompt()?;
        for (number, line) in input.lines().enumerate() {
            match self.obey(&line?) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(e) if terminal && !output::is_broken_pipe(&e) => {
                    let _ = writeln!(anstream::stderr(), "error: {e:#}");
                }
                Err(e) => return Err(e.context(format!("line {}", number + 1))),
            }
            prompt()?;
        }
        if terminal { output::print("\n") } else { Ok(()) }
    }

    /// Does what a line says, and whether there is to be another.
    fn obey(&self, line: &str) -> anyhow::Result<bool> {
        let Some(order) = Order::parse(line)? else { return Ok(true) };
        let goes_on = order != Order::Quit;
        output::print(&harmless(&self.runtime.block_on(self.answer(order))?))?;
        Ok(goes_on)
    }

    async fn answer(&self, order: Order) -> anyhow::Result<String> {
        let console = &self.console;
        Ok(match order {
            Order::Quit => String::new(),
            Order::Help => HELP.to_owned(),
            Order::Status => self.status().await?,
            Order::Cache => table(&console.cache().await?, "The cache is empty.", |c| {
                let listed = c.listed.as_ref().map_or(String::new(), |zone| format!(", listed by {zone}"));
                format!("{}  looked up {} ago{listed}", c.client, age(c.age_ms))
            }),
            Order::Sessions => table(&console.sessions().await?, "Nobody is connected.", |s| {
                format!("{}  to {} for {}, last {}", s.client, s.server, age(s.age_ms), s.last)
            }),
            Order::Log(lines) => {
                let log = console.log(0).await?;
                let from = log.len().saturating_sub(lines);
                table(log.get(from..).unwrap_or_default(), "Nothing has happened yet.", |l| {
                    format!("{}  {}", l.at, l.text)
                })
            }
            Order::Stop => {
                console.stop().await?;
                "The SMTP service is stopped, its cache cleared. Connections are refused.\n".to_owned()
            }
            Order::Start => {
                console.start().await?;
                "The SMTP service is running.\n".to_owned()
            }
            Order::Restart => {
                console.stop().await?;
                console.start().await?;
                "The SMTP service was stopped and is running again, its cache empty.\n".to_owned()
            }
            Order::Show(setting) => show(setting, &console.settings().await?.settings),
            Order::Change(change) => self.change(&change).await?,
        })
    }

    async fn status(&self) -> anyhow::Result<String> {
        let (held, service) = (self.console.settings().await?, self.console.service().await?);
        let (cache, sessions) = (self.console.cache().await?, self.console.sessions().await?);
        let at: Vec<String> = service.exchangers.iter().map(ToString::to_string).collect();
        let state = if service.running { format!("running, at {}", at.join(" and ")) } else { "stopped".to_owned() };
        Ok(format!(
            "SMTP service       {state}\nreverse lookup     {}\nblacklist servers  {}\nwhitelist          {}\ncache              {}\nsessions           {}\nkept in            {}\n",
            on_off(held.settings.reverse_lookup),
            held.settings.blacklists.len(),
            count(held.settings.whitelist.len(), "client"),
            count(cache.len(), "client"),
            sessions.len(),
            held.file.display()
        ))
    }

    /// Changes the settings as they are, also where others change them at the same time.
    async fn change(&self, change: &Change) -> anyhow::Result<String> {
        for _ in 0..TRIES {
            let held = self.console.settings().await?;
            let mut settings = held.settings;
            apply(change, &mut settings)?;
            match self.console.set(&held.revision, &settings).await {
                Ok(now) => {
                    let cached = self.console.cache().await?.len();
                    let mut text = show(setting_of(change), &now.settings);
                    if cached > 0 {
                        let clients = count(cached, "client");
                        writeln!(text, "The cache holds {clients}, not looked up again before a `restart`.")?;
                    }
                    return Ok(text);
                }
                Err(ConsoleError::Changed) => {}
                Err(other) => return Err(other.into()),
            }
        }
        bail!("others keep changing the settings at the same time; try again")
    }
}

fn apply(change: &Change, settings: &mut Settings) -> anyhow::Result<()> {
    let lists = &mut settings.blacklists;
    let find = |lists: &[String], zone: &str| {
        lists.iter().position(|z| z == zone).with_context(|| {
            format!("{zone} is none of the blacklist servers; these are {}", words(lists, "none at all"))
        })
    };
    let put = |lists: &mut Vec<String>, zone: &str, place: usize| {
        let place = (place - 1).min(lists.len());
        lists.insert(place, zone.to_owned());
    };
    match change {
        Change::AddZone(zone, _) if lists.contains(zone) => bail!("{zone} is asked already"),
        Change::AddZone(zone, place) => put(lists, zone, place.unwrap_or(lists.len() + 1)),
        Change::RemoveZone(zone) => drop(lists.remove(find(lists, zone)?)),
        Change::MoveZone(zone, place) => {
            lists.remove(find(lists, zone)?);
            put(lists, zone, *place);
        }
        Change::Reverse(on) => settings.reverse_lookup = *on,
        Change::Allow(ip) if settings.whitelist.contains(ip) => bail!("{ip} is on the whitelist already"),
        Change::Allow(ip) => settings.whitelist.push(*ip),
        Change::Disallow(ip) => {
            let known = settings.whitelist.iter().position(|i| i == ip);
            settings.whitelist.remove(known.with_context(|| format!("{ip} is not on the whitelist"))?);
        }
    }
    Ok(settings.check()?)
}

fn setting_of(change: &Change) -> Setting {
    match change {
        Change::AddZone(..) | Change::RemoveZone(_) | Change::MoveZone(..) => Setting::Blacklists,
        Change::Reverse(_) => Setting::Reverse,
        Change::Allow(_) | Change::Disallow(_) => Setting::Whitelist,
    }
}

fn show(setting: Setting, settings: &Settings) -> String {
    match setting {
        Setting::Blacklists => {
            let numbered: Vec<(usize, &String)> = settings.blacklists.iter().enumerate().collect();
            table(&numbered, "No blacklist server is asked.", |(place, zone)| format!("{:>2}  {zone}", place + 1))
        }
        Setting::Reverse => {
            format!("The lookup for the SMTP host in the DNS is {}.\n", on_off(settings.reverse_lookup))
        }
        Setting::Whitelist => table(&settings.whitelist, "No client is whitelisted.", IpAddr::to_string),
    }
}

fn table<T>(rows: &[T], none: &str, row: impl Fn(&T) -> String) -> String {
    if rows.is_empty() {
        return format!("{none}\n");
    }
    rows.iter().map(|r| format!("{}\n", row(r))).collect()
}

fn words(lists: &[String], none: &str) -> String {
    if lists.is_empty() { none.to_owned() } else { lists.join(", ") }
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn count(number: usize, what: &str) -> String {
    match number {
        0 => "none".to_owned(),
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

fn age(ms: u64) -> String {
    match ms / 1000 {
        0 => format!("{ms} ms"),
        s if s < 120 => format!("{s} s"),
        s => format!("{} min", s / 60),
    }
}
