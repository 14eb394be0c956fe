//! `maildoctor explain`: the whole entry of a finding code.

use maildoctor_core::catalogue;

use super::check::Format;
use crate::output;

/// Explain a finding code: cause, signs, look-alikes, remedy, sources.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  maildoctor explain dnsbl-timeout\n  maildoctor explain banner-slow --format json")]
pub(crate) struct Args {
    /// The code, as it stands in a report.
    code: String,
    /// How the entry is written.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Runs the command and gives its exit code.
pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    let code = args.code.trim().to_ascii_lowercase();
    let Some(entry) = catalogue::entry(&code) else {
        let near = nearest(&code);
        let hint = if near.is_empty() { String::new() } else { format!(" Perhaps you mean {}?", near.join(" or ")) };
        anyhow::bail!("there is no finding code `{code}`; `maildoctor catalogue` lists them all.{hint}");
    };
    if args.format == Format::Json {
        output::print(&format!("{}\n", serde_json::to_string_pretty(entry)?))?;
        return Ok(0);
    }
    let style = output::style();
    let bold = |text: &str| {
        if style.colour { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
    };
    let mut out = format!(
        "{}  ({}, {}, party {}, area {})\n\n",
        bold(&entry.title),
        entry.code,
        entry.severity.name(),
        entry.party.name(),
        entry.area
    );
    out.push_str(&wrapped(&format!("Recognised by: {}", entry.signs), style.width));
    for section in &entry.sections {
        out.push_str(&format!("\n{}\n", bold(&section.heading)));
        out.push_str(&wrapped(&section.text, style.width));
        for (name, text) in &section.parts {
            out.push_str(&format!("\n  {}\n", bold(name)));
            out.push_str(&wrapped(text, style.width));
        }
    }
    if !entry.explains.is_empty() {
        out.push_str(&format!("\n{}\n", bold("May explain")));
        out.push_str(&wrapped(&entry.explains.join(", "), style.width));
    }
    output::print(&out)?;
    Ok(0)
}

/// Markdown paragraphs and lists wrapped, fenced blocks left as they are. `{{` and `}}` stand for the braces
/// themselves, as in remedies.
fn wrapped(text: &str, width: usize) -> String {
    let text = text.replace("{{", "{").replace("}}", "}");
    let mut out = String::new();
    let mut fenced = false;
    let mut paragraph = String::new();
    let flush = |paragraph: &mut String, out: &mut String| {
        if !paragraph.is_empty() {
            let rest = if paragraph.starts_with("- ") { "    " } else { "  " };
            let options = textwrap::Options::new(width).initial_indent("  ").subsequent_indent(rest).break_words(false);
            out.push_str(&textwrap::fill(paragraph, options));
            out.push('\n');
            paragraph.clear();
        }
    };
    for line in text.lines() {
        if line.starts_with("```") {
            flush(&mut paragraph, &mut out);
            fenced = !fenced;
        } else if fenced {
            out.push_str(&format!("      {line}\n"));
        } else if line.trim().is_empty() {
            flush(&mut paragraph, &mut out);
            out.push('\n');
        } else {
            if line.starts_with("- ") {
                flush(&mut paragraph, &mut out);
            } else if !paragraph.is_empty() {
                paragraph.push(' ');
            }
            paragraph.push_str(line.trim());
        }
    }
    flush(&mut paragraph, &mut out);
    out
}

/// Codes that a typing error may have made of this.
fn nearest(code: &str) -> Vec<&'static str> {
    let mut near: Vec<(usize, &'static str)> = catalogue::codes()
        .map(|known| (distance(code, known), known))
        .filter(|(d, known)| *d <= 3.max(known.len() / 4))
        .collect();
    near.sort();
    near.into_iter().take(3).map(|(_, known)| known).collect()
}

/// The least number of letters to insert, delete or replace.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, a) in one.chars().enumerate() {
        let mut before = line;
        let mut next = vec![line + 1];
        for (column, b) in other.iter().enumerate() {
            let above = row.get(column + 1).copied().unwrap_or(usize::MAX);
            let left = next.last().copied().unwrap_or(usize::MAX);
            next.push((before + usize::from(a != *b)).min(above + 1).min(left + 1));
            before = above;
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn letters_to_change() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
    }
}
