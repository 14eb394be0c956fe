//! The queue id in the 250 reply after a message, as each server gives it.

/// The queue id in the text of a final reply, where there is one.
///
/// Known forms: Postfix `Ok: queued as 4F1X2Y3Z`, Exim `OK id=1rABCD-0001xy-2Z`, Sendmail
/// `t3KIx1qG012345 Message accepted for delivery`, qmail `ok 1113954693 qp 29052`, Exchange
/// `<id@host> [InternalId=123, Hostname=…] Queued mail for delivery`, OpenSMTPD `… id=`-less
/// `a1b2c3d4 Message accepted for delivery`, Courier `Ok. 00000000000AB…`, Google `OK  170… x-si12. - gsmtp`.
pub fn queue_id(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let word_after = |mark: &str| {
        let place = lower.find(mark)? + mark.len();
        let id: String = text
            .get(place..)?
            .trim_start()
            .chars()
            .take_while(|c| !c.is_whitespace() && !matches!(c, ',' | ']' | ')' | ';'))
            .collect();
        let id = id.trim_end_matches('.').to_owned();
        (!id.is_empty() && id.len() <= 128).then_some(id)
    };
    if let Some(id) = word_after("internalid=") {
        return Some(id);
    }
    if let Some(id) = word_after("queued as ").or_else(|| word_after("id=")) {
        return Some(id);
    }
    if lower.contains(" qp ") {
        let time = lower.split_whitespace().find(|w| w.len() >= 9 && w.bytes().all(|b| b.is_ascii_digit()))?;
        return Some(format!("{time} qp {}", word_after(" qp ")?));
    }
    let looks_like_id = |w: &&str| {
        w.len() >= 8
            && w.bytes().any(|b| b.is_ascii_digit())
            && w.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
    };
    if lower.contains("message accepted for delivery") {
        return text.split_whitespace().find(looks_like_id).map(str::to_owned);
    }
    if lower.contains("gsmtp") {
        return text
            .split_whitespace()
            .find(|w| w.contains('-') && w.len() >= 10)
            .map(|w| w.trim_end_matches('.').to_owned());
    }
    text.split_whitespace()
        .skip_while(|w| !w.to_ascii_lowercase().starts_with("ok"))
        .nth(1)
        .filter(|w| looks_like_id(w))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn as_servers_give_it() {
        for (text, id) in [
            ("2.0.0 Ok: queued as 4F1X2Y3Z", "4F1X2Y3Z"),
            ("2.0.0 Ok: queued as 3x4YtZ6kz0z1B", "3x4YtZ6kz0z1B"),
            ("OK id=1rABCD-0001xy-2Z", "1rABCD-0001xy-2Z"),
            ("2.0.0 t3KIx1qG012345 Message accepted for delivery", "t3KIx1qG012345"),
            ("ok 1113954693 qp 29052", "1113954693 qp 29052"),
            ("2.6.0 <a@b> [InternalId=12345, Hostname=x.example] Queued mail for delivery", "12345"),
            ("2.0.0 a1b2c3d4 Message accepted for delivery", "a1b2c3d4"),
            ("2.0.0 OK  1700000000 d9443c01a7336-1a2b3c.12 - gsmtp", "d9443c01a7336-1a2b3c.12"),
            ("Ok. 00000000000AB12C.0000.65", "00000000000AB12C.0000.65"),
        ] {
            assert_eq!(queue_id(text).as_deref(), Some(id), "{text}");
        }
        assert_eq!(queue_id("2.0.0 thank you"), None);
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in ".{0,120}") {
            let _ = queue_id(&text);
        }
    }
}
