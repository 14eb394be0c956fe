//! A Received header taken apart: words, comments, which may nest, and semicolons.

/// A piece of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'h> {
    /// A word, with the brackets or angles it has.
    Word(&'h str),
    /// What stands within parentheses.
    Comment(&'h str),
    /// A semicolon outside both.
    Semicolon,
}

/// Takes a header apart. A comment that does not end goes to the end.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut out = Vec::new();
    let (mut word, mut comment) = (None, 0_usize);
    let (mut depth, mut angle, mut escaped) = (0_usize, false, false);
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    for (at, c) in text.char_indices() {
        let plain = !std::mem::take(&mut escaped);
        escaped = plain && c == '\\' && depth > 0;
        if depth > 0 {
            match c {
                '(' if plain => depth += 1,
                ')' if plain => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                out.push(Token::Comment(part(comment, at)));
            }
            continue;
        }
        match c {
            '<' => angle = true,
            '>' => angle = false,
            _ => {}
        }
        let divides = c == '(' || c == ')' || c == ';' && !angle || c.is_whitespace();
        if !divides {
            word.get_or_insert(at);
            continue;
        }
        if let Some(from) = word.take() {
            out.push(Token::Word(part(from, at)));
        }
        match c {
            '(' => (depth, comment) = (1, at + 1),
            ';' => out.push(Token::Semicolon),
            _ => angle = false,
        }
    }
    match word {
        Some(from) => out.push(Token::Word(part(from, text.len()))),
        None if depth > 0 => out.push(Token::Comment(part(comment, text.len()))),
        None => {}
    }
    out
}

/// The words of a text outside its comments.
pub(super) fn outside_comments(text: &str) -> Vec<&str> {
    tokens(text).into_iter().filter_map(|token| if let Token::Word(word) = token { Some(word) } else { None }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_comments_and_semicolons() {
        let read = tokens("from a(b (c) [192.0.2.1])by <rfc822;d>; (e");
        assert_eq!(
            read,
            [
                Token::Word("from"),
                Token::Word("a"),
                Token::Comment("b (c) [192.0.2.1]"),
                Token::Word("by"),
                Token::Word("<rfc822;d>"),
                Token::Semicolon,
                Token::Comment("e")
            ]
        );
        assert_eq!(tokens("(a \\) b) c"), [Token::Comment("a \\) b"), Token::Word("c")]);
        assert_eq!(tokens("a) b"), [Token::Word("a"), Token::Word("b")]);
    }

    proptest! {
        #[test]
        fn any_text_can_be_taken_apart(text in "[a();<> \\\\é]{0,60}|.{0,60}") {
            let _ = tokens(&text);
        }
    }
}
