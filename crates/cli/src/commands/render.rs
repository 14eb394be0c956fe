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
    let text = |style: text::Style| text::render(&report, style);
    let json = || serde_json::to_string_pretty(&report).map(|json| format!("{json}\n"));
    output::in_formats(formats, to, "report", &text, &json)?;
    Ok(diagnosis.verdict.exit_code())
}
