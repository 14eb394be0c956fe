//! Where lines come from: a keyboard, or a script on standard input. A thread reads them, one when it is asked for.

use std::io::{BufRead, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use anyhow::{Context, anyhow};
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{Config, Editor, ExternalPrinter};
use secrecy::SecretString;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::keyboard::{Keyboard, Typing};
use crate::output;

/// The longest line of a script, in octets.
const MAX_LINE: u64 = 1024 * 1024;

/// The most lines that are remembered.
const MAX_HISTORY: usize = 500;

/// The longest history file that is read, in octets.
const MAX_HISTORY_FILE: u64 = 1024 * 1024;

/// What is asked of the one who types.
#[derive(Debug)]
pub(super) enum Ask {
    /// A line; the last one is remembered where it is given.
    Line { remember: Option<String> },
    /// Something that may be seen, such as a user name.
    Open(String),
    /// Something that may not.
    Hidden(String),
}

/// What came.
pub(super) enum Told {
    /// A line without its end.
    Line(Vec<u8>),
    /// An answer to [`Ask::Open`].
    Open(String),
    /// An answer to [`Ask::Hidden`].
    Hidden(SecretString),
    /// Ctrl-C.
    Interrupted,
    /// The end of the input.
    End,
    /// It cannot be read.
    Failed(anyhow::Error),
}

/// The thread that reads.
pub(super) struct Input {
    asks: mpsc::Sender<Ask>,
    tells: UnboundedReceiver<Told>,
}

impl Input {
    /// A script on standard input.
    pub(super) fn script() -> Self {
        Self::start(|asks, tells| {
            let mut lines = std::io::stdin().lock();
            for ask in asks {
                let told = match ask {
                    Ask::Line { .. } => script_line(&mut lines),
                    Ask::Open(_) | Ask::Hidden(_) => Told::Interrupted,
                };
                if tells.send(told).is_err() {
                    return;
                }
            }
        })
    }

    /// A keyboard, with what prints above the line that is typed. `file` keeps the history.
    pub(super) fn keyboard(
        typing: Arc<Mutex<Typing>>,
        file: Option<PathBuf>,
    ) -> anyhow::Result<(Self, Option<Box<dyn ExternalPrinter + Send>>)> {
        let config = Config::builder()
            .max_history_size(MAX_HISTORY)
            .and_then(|config| config.history_ignore_dups(true))
            .context("the terminal cannot be set up")?
            .bracketed_paste(false)
            .build();
        let mut editor: Editor<Keyboard, DefaultHistory> =
            Editor::with_config(config).context("the terminal cannot be used")?;
        editor.set_helper(Some(Keyboard::new(typing.clone())));
        let mut kept: Vec<String> = Vec::new();
        if let Some(path) = file.as_deref().filter(|path| path.exists()) {
            kept = output::read(path, MAX_HISTORY_FILE)?.lines().map(str::to_owned).collect();
            for line in &kept {
                editor.add_history_entry(line.as_str()).context("the history cannot be used")?;
            }
        }
        let printer = editor.create_external_printer().ok().map(|p| Box::new(p) as Box<dyn ExternalPrinter + Send>);
        let input = Self::start(move |asks, tells| {
            for ask in asks {
                if let Ask::Line { remember: Some(line) } = &ask {
                    let _ = editor.add_history_entry(line.as_str());
                    kept.push(line.clone());
                    if let Some(path) = &file {
                        let from = kept.len().saturating_sub(MAX_HISTORY);
                        let _ = output::save(
                            path,
                            &kept.get(from..).unwrap_or_default().iter().map(|l| format!("{l}\n")).collect::<String>(),
                        );
                    }
                }
                if tells.send(answer(&mut editor, &typing, ask)).is_err() {
                    return;
                }
            }
        });
        Ok((input, printer))
    }

    fn start(read: impl FnOnce(mpsc::Receiver<Ask>, UnboundedSender<Told>) + Send + 'static) -> Self {
        let (asks, asked) = mpsc::channel();
        let (told, tells) = unbounded_channel();
        std::thread::spawn(move || read(asked, told));
        Self { asks, tells }
    }

    /// Asks; the answer comes with [`Input::told`].
    pub(super) fn ask(&self, ask: Ask) {
        let _ = self.asks.send(ask);
    }

    /// Waits for the answer. Nothing is lost where the wait is dropped.
    pub(super) async fn told(&mut self) -> Told {
        self.tells.recv().await.unwrap_or(Told::End)
    }
}

/// One answer of the person at the keyboard.
fn answer(editor: &mut Editor<Keyboard, DefaultHistory>, typing: &Mutex<Typing>, ask: Ask) -> Told {
    let read = |editor: &mut Editor<Keyboard, DefaultHistory>, prompt: &str, is_line: bool| {
        typing.lock().unwrap_or_else(PoisonError::into_inner).is_line = is_line;
        editor.readline(prompt)
    };
    let failed = |error: ReadlineError| match error {
        ReadlineError::Interrupted => Told::Interrupted,
        ReadlineError::Eof => Told::End,
        other => Told::Failed(anyhow!("the terminal cannot be read: {other}")),
    };
    match ask {
        Ask::Line { .. } => read(editor, "> ", true).map_or_else(failed, |line| Told::Line(line.into_bytes())),
        Ask::Open(prompt) => read(editor, &prompt, false).map_or_else(failed, Told::Open),
        Ask::Hidden(prompt) => match rpassword::prompt_password(prompt) {
            Ok(text) => Told::Hidden(text.into()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Told::Interrupted,
            Err(error) => Told::Failed(anyhow!(
                "the password cannot be read from the terminal ({error}); give --password-file FILE"
            )),
        },
    }
}

/// The next line of a script, without its LF or CRLF.
fn script_line(lines: &mut impl BufRead) -> Told {
    let mut line = Vec::new();
    match lines.take(MAX_LINE + 1).read_until(b'\n', &mut line) {
        Ok(0) => Told::End,
        Ok(length) if length as u64 > MAX_LINE => {
            Told::Failed(anyhow!("a line of the script is longer than {MAX_LINE} octets; no server takes one"))
        }
        Ok(_) => {
            if line.ends_with(b"\n") {
                line.pop();
                if line.ends_with(b"\r") {
                    line.pop();
                }
            }
            Told::Line(line)
        }
        Err(error) => Told::Failed(anyhow!("the script cannot be read from standard input: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_of_a_script_are_taken_off_once() {
        let mut script = std::io::Cursor::new(b"a\r\nb\n\r\r\n\nc".to_vec());
        let mut lines = Vec::new();
        while let Told::Line(line) = script_line(&mut script) {
            lines.push(line);
        }
        assert_eq!(lines, [b"a".to_vec(), b"b".to_vec(), b"\r".to_vec(), b"".to_vec(), b"c".to_vec()]);
    }

    #[test]
    fn a_line_without_an_end_is_refused() {
        let mut script = std::io::Cursor::new(vec![b'x'; 3 * 1024 * 1024]);
        assert!(matches!(script_line(&mut script), Told::Failed(_)));
    }
}
