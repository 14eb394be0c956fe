//! Many messages in one go: each is looked at as one alone would be, several at once, and a table tells them all.

use std::time::Duration;

use futures::StreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use maildoctor_core::report::text::Style;
use maildoctor_core::trace::mailbox::{self, Mailbox, MailboxSource};
use maildoctor_core::trace::{self, Looker, NoMessage};

use super::Args;
use super::source::Messages;
use crate::{output, progress};

/// How many messages are looked at at once.
const AT_ONCE: usize = 8;

/// Looks at all messages of a mailbox, writes the table, and gives its exit code.
pub(super) async fn told(
    args: &Args,
    name: &str,
    source: MailboxSource,
    messages: Messages,
    looker: &Looker,
) -> anyhow::Result<u8> {
    let mut mailbox = Mailbox::new(name, source);
    let (now, bar) = (Timestamp::now(), bar());
    let mut late = 0;
    let looks = messages.map(|message| async {
        let message = message?;
        let asked = looker.asks();
        let case = match &message.octets {
            Ok(octets) => looker.look(octets, name, now).await,
            Err(error) => Err(*error),
        };
        let report = case.and_then(|case| trace::report(&case).ok_or(NoMessage::NoHeader));
        anyhow::Ok((message.file, report, asked))
    });
    let mut looked = futures::stream::iter(looks).buffered(AT_ONCE);
    while let Some(next) = looked.next().await {
        let (file, report, asked) = next?;
        late += usize::from(report.is_ok() && !asked && !args.offline);
        mailbox.take(file, report.as_ref());
        bar.inc(1);
    }
    bar.finish_and_clear();
    let report = mailbox.report(late);
    let text = |style: Style| mailbox::render(&report, style);
    let json = || serde_json::to_string_pretty(&report).map(|json| format!("{json}\n"));
    output::in_formats(&args.format, args.output.as_deref(), "trace", &text, &json)?;
    Ok(report.verdict.exit_code())
}

/// How many messages were looked at: on standard error, and only on a terminal.
fn bar() -> ProgressBar {
    if !progress::is_shown() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} messages, {per_sec}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}
