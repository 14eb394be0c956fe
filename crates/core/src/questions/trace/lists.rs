//! Mailing lists and mailings, as the header of a message shows them (RFC 2369, RFC 2919, and what list servers add).

use super::{Message, domain_of, house};

/// A list that a message went over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// Its List-Id, or its address.
    pub id: String,
    /// Whether it passed on what others wrote, as discussion lists do; a mailing is sent by its author.
    pub passes_on: bool,
}

/// Fields that list servers write into what they pass on: Mailman, Majordomo and others, ezmlm, Google Groups.
const MARKS: [&str; 5] = ["X-Mailman-Version", "X-BeenThere", "X-Mailing-List", "Mailing-List", "X-Google-Group-Id"];

/// The list that a message went over, where its header tells of one.
pub(super) fn of(message: &Message) -> Option<List> {
    let id = id(message)?;
    let posts = message.value("List-Post").is_some_and(|post| !post.trim().to_ascii_uppercase().starts_with("NO"));
    let is_list = |precedence: &str| precedence.trim().eq_ignore_ascii_case("list");
    let sympa = ["X-Loop", "X-Sequence"].iter().all(|name| message.value(name).is_some());
    let marked = MARKS.iter().any(|name| message.value(name).is_some());
    // Who writes in the list's own name has nobody to pass it on for: notifications, newsletters. A list that does so too,
    // since DMARC would fail otherwise, says who the author was.
    let own = message.author_domain().is_some_and(|author| house::related(&author, &id));
    let munged =
        ["X-Original-From", "X-MailFrom", "X-Mailman-Original-From"].iter().any(|name| message.value(name).is_some());
    let tagged = message.value("Subject").is_some_and(|subject| is_tagged(subject, &id));
    let shown = marked || sympa || posts || tagged || message.values("Precedence").any(is_list);
    let passes_on = shown && (marked || !own || munged);
    Some(List { id, passes_on })
}

/// Whether a subject begins with the name of the list in brackets.
fn is_tagged(subject: &str, id: &str) -> bool {
    let tag = subject.split_once('[').and_then(|(before, rest)| Some((before, rest.split_once(']')?.0)));
    let name = id.split(['.', '@']).next().unwrap_or_default();
    tag.is_some_and(|(before, tag)| before.len() <= 5 && !name.is_empty() && tag.eq_ignore_ascii_case(name))
}

fn id(message: &Message) -> Option<String> {
    let bare = |text: &str| text.trim_matches(['<', '>', ' ', '"', '.']).to_owned();
    if let Some(list) = message.value("List-Id") {
        return Some(bare(list.rsplit_once('<').map_or(list, |(_, id)| id)));
    }
    let address = |value: &str| {
        let word = value.split([' ', ';', ',', '<', '>']).find(|word| word.contains('@'))?;
        domain_of(word).map(|_| bare(word.trim_start_matches("mailto:")))
    };
    ["List-Post", "Mailing-List", "X-Mailing-List"].iter().find_map(|name| address(message.value(name)?))
}
