//! `maildoctor catalogue`: every finding code.

use maildoctor_core::catalogue;

use super::check::Format;
use crate::output;

/// List every finding code.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  maildoctor catalogue\n  maildoctor catalogue --area banner\n  maildoctor catalogue --format json"
)]
pub(crate) struct Args {
    /// Only this area.
    #[arg(long)]
    area: Option<String>,
    /// How the list is written.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Runs the command and gives its exit code.
pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    let mut entries: Vec<_> =
        catalogue::all().filter(|e| args.area.as_ref().is_none_or(|area| e.area == *area)).collect();
    if let (true, Some(area)) = (entries.is_empty(), &args.area) {
        let mut areas: Vec<&str> = catalogue::all().map(|e| e.area.as_str()).collect();
        areas.sort_unstable();
        areas.dedup();
        anyhow::bail!("there is no area `{area}`; the areas are {}", areas.join(", "));
    }
    if args.format == Format::Json {
        output::print(&format!("{}\n", serde_json::to_string_pretty(&entries)?))?;
        return Ok(0);
    }
    entries.sort_by(|a, b| (&a.area, &a.code).cmp(&(&b.area, &b.code)));
    let width = entries.iter().map(|e| e.code.len()).max().unwrap_or(0);
    let mut out = String::new();
    let mut area = "";
    for entry in &entries {
        if entry.area != area {
            area = &entry.area;
            out.push_str(&format!("{}{area}\n", if out.is_empty() { "" } else { "\n" }));
        }
        out.push_str(&format!("  {:width$}  {:9}  {}\n", entry.code, entry.severity.name(), entry.title));
    }
    out.push_str(&format!("\n{} codes; `maildoctor explain CODE` tells more of one.\n", entries.len()));
    output::print(&out)?;
    Ok(0)
}
