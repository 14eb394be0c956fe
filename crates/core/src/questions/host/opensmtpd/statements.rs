//! The statements of smtpd.conf (smtpd.conf(5)), each with the file and the line at which it begins: words, quoted
//! strings, macros and included files, as `smtpd/parse.y` of OpenSMTPD reads them.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

/// How deep files are included, and macros stand within macros.
const MAX_DEPTH: usize = 8;

/// The most statements that are kept, and the most words of one: what goes beyond is left out.
const MAX_STATEMENTS: usize = 2000;
const MAX_WORDS: usize = 500;

/// A statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    /// The file.
    pub(super) file: String,
    /// Its first line in it, from 1.
    pub(super) line: u32,
    /// Its words, quotes taken off, and the signs between them.
    pub(super) words: Vec<String>,
}

/// The statements of `file`, in order; `open` gives the text of a file, or why it has none.
pub(super) fn statements(file: &str, open: &mut dyn FnMut(&str) -> Result<String, String>) -> Reading {
    let mut reading = Reading::default();
    reading.include(file, 0, open);
    reading
}

/// What was read so far.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) statements: Vec<Statement>,
    /// Why a file could not be read.
    pub(super) flaws: Vec<String>,
    macros: BTreeMap<String, String>,
}

/// A word or a sign.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    text: String,
    quoted: bool,
    line: u32,
}

impl Reading {
    fn include(&mut self, file: &str, depth: usize, open: &mut dyn FnMut(&str) -> Result<String, String>) {
        let text = match open(file) {
            Ok(text) => text,
            Err(flaw) => return self.flaws.push(flaw),
        };
        for tokens in lines(&text) {
            if self.statements.len() >= MAX_STATEMENTS {
                return;
            }
            let words: Vec<&str> = tokens.iter().map(|token| token.text.as_str()).collect();
            match words.as_slice() {
                ["include", included] if depth < MAX_DEPTH => self.include(included, depth + 1, open),
                [name, "=", value @ ..] if is_name(name) => {
                    self.macros.insert((*name).to_owned(), value.join(" "));
                }
                _ => {
                    let line = tokens.first().map_or(0, |token| token.line);
                    let words = tokens.iter().flat_map(|token| self.replaced(token, 0)).take(MAX_WORDS).collect();
                    self.statements.push(Statement { file: file.to_owned(), line, words });
                }
            }
        }
    }

    /// A word, or what the macro stands for that it names.
    fn replaced(&self, token: &Token, depth: usize) -> Vec<String> {
        let value = token.text.strip_prefix('$').filter(|_| !token.quoted && depth < MAX_DEPTH);
        match value.and_then(|name| self.macros.get(name)) {
            Some(value) => lines(value).concat().iter().flat_map(|inner| self.replaced(inner, depth + 1)).collect(),
            None => vec![token.text.clone()],
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'_')
}

/// The tokens of each line that counts; a line goes on behind a backslash, and within braces.
fn lines(text: &str) -> Vec<Vec<Token>> {
    let mut found: Vec<Vec<Token>> = Vec::new();
    let mut here: Vec<Token> = Vec::new();
    let (mut line, mut open) = (1_u32, 0_usize);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let begun = line;
        let token = |text: String, quoted| Token { text, quoted, line: begun };
        match c {
            '\n' => {
                line = line.saturating_add(1);
                if open == 0 && !here.is_empty() {
                    found.push(std::mem::take(&mut here));
                }
            }
            '\\' if chars.peek() == Some(&'\n') => {
                chars.next();
                line = line.saturating_add(1);
            }
            '#' => while chars.next_if(|c| *c != '\n').is_some() {},
            '"' | '\'' => here.push(token(quoted(c, &mut chars, &mut line), true)),
            '{' | '}' | ',' | '=' | '<' | '>' | '!' => {
                open = match c {
                    '{' => open + 1,
                    '}' => open.saturating_sub(1),
                    _ => open,
                };
                here.push(token(c.to_string(), false));
            }
            c if c.is_whitespace() => {}
            c => {
                let mut word = String::from(c);
                while let Some(next) = chars.next_if(|c| !(c.is_whitespace() || "{}(),=<>!#\"".contains(*c))) {
                    word.push(next);
                }
                here.push(token(word, false));
            }
        }
    }
    found.extend((!here.is_empty()).then_some(here));
    found
}

/// The rest of a string in quotes; a backslash takes the quote behind it for a letter, and joins lines.
fn quoted(quote: char, chars: &mut Peekable<Chars<'_>>, line: &mut u32) -> String {
    let mut text = String::new();
    while let Some(c) = chars.next() {
        match c {
            '\n' => *line = line.saturating_add(1),
            '\\' => match chars.next_if(|next| *next == quote || matches!(next, ' ' | '\t' | '\n')) {
                Some('\n') => *line = line.saturating_add(1),
                Some(next) => text.push(next),
                None => text.push(c),
            },
            c if c == quote => break,
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(files: &[(&str, &str)]) -> Reading {
        let mut open = |name: &str| {
            let text = files.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
            text.ok_or_else(|| format!("{name} cannot be read"))
        };
        statements("a", &mut open)
    }

    #[test]
    fn a_statement_stands_at_its_first_line_with_its_macros_replaced() {
        let text =
            "# x\naddr = \"192.0.2.7\"\next = $addr\ntable t { a, \"b c\" \n  d }\nlisten on $ext \\\n  port 25 # y\n";
        let read = read(&[("a", text)]);
        let [table, listen] = read.statements.as_slice() else { panic!("{read:?}") };
        assert_eq!((table.line, table.words.join("|").as_str()), (4, "table|t|{|a|,|b c|d|}"));
        assert_eq!((listen.line, listen.words.join(" ").as_str()), (6, "listen on 192.0.2.7 port 25"));
    }

    #[test]
    fn included_files_are_read_in_their_place_and_never_for_ever() {
        let read = read(&[
            ("a", "include \"b\"\nlisten on $lan\ninclude \"gone\"\n"),
            ("b", "lan = eth0\ninclude \"b\"\n\nx\n"),
        ]);
        let places: Vec<_> = read.statements.iter().map(|s| (s.file.as_str(), s.line, s.words.join(" "))).collect();
        assert_eq!(places.last(), Some(&("a", 2, "listen on eth0".to_owned())));
        assert!(places.len() < 20 && read.flaws.contains(&"gone cannot be read".to_owned()), "{read:?}");
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[ -~\n]{0,300}") {
            let _ = read(&[("a", &text)]);
        }

        #[test]
        fn macros_of_themselves_end(name in "[a-c]", other in "[a-c]") {
            let _ = read(&[("a", &format!("{name} = ${other} ${other}\n{other} = ${name}\nlisten on ${name}\n"))]);
        }
    }
}
