//! What is traced: one message, or the messages of an mbox or a folder, as they lie there.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use maildoctor_core::report::text::harmless;
use maildoctor_core::trace::mailbox::{MailboxSource, Mbox, is_mbox};
use maildoctor_core::trace::{MAX_MESSAGE_OCTETS, NoMessage};

/// What the user named.
pub(super) enum Source {
    /// One message.
    Message(Vec<u8>),
    /// Several, or a folder.
    Mailbox(MailboxSource, Messages),
}

/// The messages of a mailbox, in its order; each is read when it is its turn.
pub(super) type Messages = Box<dyn Iterator<Item = anyhow::Result<Message>>>;

/// A message of a mailbox.
pub(super) struct Message {
    /// Its own file, where it has one.
    pub(super) file: Option<String>,
    /// Its octets, or why it is none.
    pub(super) octets: Result<Vec<u8>, NoMessage>,
}

/// What the user calls it by, and what it is.
pub(super) fn open(file: &Path) -> anyhow::Result<(String, Source)> {
    let standard_input = file == Path::new("-");
    let name = if standard_input { "standard input".to_owned() } else { harmless(&file.display().to_string()) };
    if file.is_dir() {
        let source = folder(file, &name)?;
        return Ok((name, source));
    }
    let what =
        format!("{name} cannot be read; give the file of a message or an mbox, a Maildir, or `-` for standard input");
    let source: Box<dyn Read> = if standard_input {
        if std::io::stdin().is_terminal() {
            anstream::eprintln!("Paste the message with its whole header, then press Ctrl-D on a line of its own.");
        }
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(file).context(what.clone())?)
    };
    let mut reader = BufReader::new(source);
    if is_mbox(reader.fill_buf().context(what.clone())?) {
        return Ok((name, mbox(reader, what)?));
    }
    match all(reader).context(what)? {
        Ok(octets) => Ok((name, Source::Message(octets))),
        Err(error) => Err(error).with_context(|| format!("{name} is no message")),
    }
}

/// An mbox; one that holds one message is that message.
fn mbox(reader: impl BufRead + 'static, what: String) -> anyhow::Result<Source> {
    let mut messages = Mbox::new(reader);
    let mut begun: Vec<_> = messages.by_ref().take(2).collect();
    if begun.len() == 1
        && let Some(Ok(Ok(_))) = begun.first()
        && let Some(Ok(Ok(octets))) = begun.pop()
    {
        return Ok(Source::Message(octets));
    }
    let messages = begun.into_iter().chain(messages).map(move |message| {
        let octets = message.context(what.clone())?;
        Ok(Message { file: None, octets })
    });
    Ok(Source::Mailbox(MailboxSource::Mbox, Box::new(messages)))
}

/// A Maildir, or a folder with saved messages.
fn folder(path: &Path, name: &str) -> anyhow::Result<Source> {
    let parts: Vec<PathBuf> = ["cur", "new"].map(|part| path.join(part)).into_iter().filter(|p| p.is_dir()).collect();
    let is_maildir = !parts.is_empty();
    let mut files = Vec::new();
    for part in if is_maildir { parts } else { vec![path.to_owned()] } {
        let what = || format!("{} cannot be read", harmless(&part.display().to_string()));
        for entry in std::fs::read_dir(&part).with_context(what)? {
            let entry = entry.with_context(what)?.path();
            let saved = entry.extension().is_some_and(|kind| kind.eq_ignore_ascii_case("eml"));
            let hidden = entry.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
            if (is_maildir || saved) && !hidden && entry.is_file() {
                files.push(entry);
            }
        }
    }
    if files.is_empty() {
        let what = if is_maildir {
            "no message in its cur and new"
        } else {
            "no cur and no new in it, and no file that ends in .eml"
        };
        bail!("nothing to trace in {name}: there is {what}; give a Maildir, an mbox, or the file of a message");
    }
    // The names of a Maildir begin with the second of delivery.
    files.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
    let kind = if is_maildir { MailboxSource::Maildir } else { MailboxSource::Folder };
    let messages = files.into_iter().filter_map(|path| {
        let shown = harmless(&path.file_name().unwrap_or(OsStr::new("")).to_string_lossy());
        match File::open(&path) {
            Ok(file) => Some(
                all(file)
                    .context(format!("{shown} cannot be read"))
                    .map(|octets| Message { file: Some(shown), octets }),
            ),
            // A mail program has read it, or put it elsewhere, since the folder was listed.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => Some(Err(error).context(format!("{shown} cannot be read"))),
        }
    });
    Ok(Source::Mailbox(kind, Box::new(messages)))
}

/// All octets of a message, as far as one may be long.
fn all(source: impl Read) -> std::io::Result<Result<Vec<u8>, NoMessage>> {
    let mut octets = Vec::new();
    source.take(MAX_MESSAGE_OCTETS + 1).read_to_end(&mut octets)?;
    Ok(if octets.len() as u64 > MAX_MESSAGE_OCTETS { Err(NoMessage::TooLong) } else { Ok(octets) })
}
