//! DKIM signatures as the headers of a message show them, and where their keys are (RFC 6376).

/// Selectors that many signers use: asked for sparingly, and their absence says nothing.
pub const USUAL_SELECTORS: [&str; 8] = ["default", "dkim", "mail", "google", "selector1", "selector2", "s1", "k1"];

/// Selector and domain of each DKIM signature among the headers of a message.
pub fn signers(headers: &[(String, String)]) -> Vec<(String, String)> {
    let of = |value: &str, wanted: &str| {
        let plain: String = value.chars().filter(|c| !c.is_whitespace()).collect();
        plain.split(';').find_map(|part| part.strip_prefix(wanted).map(str::to_owned)).filter(|part| !part.is_empty())
    };
    headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("dkim-signature"))
        .filter_map(|(_, value)| Some((of(value, "s=")?, of(value, "d=")?)))
        .collect()
}

/// The name of a key.
pub fn selector(selector: &str, domain: &str) -> String {
    format!("{selector}._domainkey.{domain}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_names_its_key() {
        let header = |value: &str| ("DKIM-Signature".to_owned(), value.to_owned());
        let headers = [
            header("v=1; a=rsa-sha256; c=relaxed/relaxed;  d=example.org; s=2026a; h=from:to; bh=x; b=y"),
            header("v=1; d=example.org"),
            ("Subject".to_owned(), "s=x; d=example.org".to_owned()),
        ];
        assert_eq!(signers(&headers), [("2026a".to_owned(), "example.org".to_owned())]);
    }
}
