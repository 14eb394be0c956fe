//! From a case to what is printed, and to the exit code.

use std::path::Path;

use maildoctor_core::case::Case;
use maildoctor_core::diagnosis::diagnose;
use maildoctor_core::report::{self, text};

use super::check::Format;
use crate::output;

/// Diagnoses a case, writes the report in each format, and gives the exit code.
pub(crate) fn diagnosis(case: &Case, formats: &[Format], to: Option<&Path>) -> anyhow::Result<u8> {
    let diagnosis = diagnose(case);
    let report = report::report(case, &diagnosis);
    let folder = to.filter(|_| formats.len() > 1);
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder).map_err(|e| {
            anyhow::anyhow!("the folder {} cannot be made: {e}; give another with --output", folder.display())
        })?;
    }
    for format in formats {
        let (text, name) = match format {
            Format::Text => {
                (text::render(&report, if to.is_some() { text::Style::PLAIN } else { output::style() }), "report.txt")
            }
            Format::Json => (format!("{}\n", serde_json::to_string_pretty(&report)?), "report.json"),
        };
        match (folder, to) {
            (Some(folder), _) => output::save(&folder.join(name), &text)?,
            (None, Some(file)) => output::save(file, &text)?,
            (None, None) => output::print(&text)?,
        }
    }
    Ok(diagnosis.verdict.exit_code())
}
