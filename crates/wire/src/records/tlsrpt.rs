//! TLS reporting records (RFC 8460 section 3).

use super::Flaw;
use super::tags::{Tags, addresses};

/// A record as it reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsRpt {
    /// Where reports go.
    pub rua: Vec<String>,
    /// What is wrong with it.
    pub flaws: Vec<Flaw>,
}

/// Whether a text begins as a record must; others at the name are passed over.
pub fn is_tlsrpt(text: &str) -> bool {
    text.strip_prefix("v=TLSRPTv1")
        .is_some_and(|rest| rest.trim_start().is_empty() || rest.trim_start().starts_with(';'))
}

/// Whether a text was meant to be a record and begins wrongly.
pub fn is_nearly_tlsrpt(text: &str) -> bool {
    let bare: String = text.chars().filter(|c| !c.is_whitespace() && *c != '"').take(8).collect();
    !is_tlsrpt(text) && bare.to_ascii_lowercase().starts_with("v=tlsrpt")
}

impl TlsRpt {
    /// Reads a record.
    pub fn parse(text: &str) -> Self {
        let mut tags = Tags::parse(text);
        if !is_tlsrpt(text) {
            tags.flaw(0, "the record must begin with `v=TLSRPTv1;`");
        }
        let rua = addresses(&mut tags, "rua", &["mailto", "https"]);
        if tags.get("rua").is_none() {
            tags.flaw(text.len(), "rua= is missing: nobody knows where reports go");
        }
        Self { rua, flaws: tags.flaws }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn records_of_the_standard_are_read() {
        // RFC 8460 section 3.1.
        for text in
            ["v=TLSRPTv1;rua=mailto:reports@example.com", "v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt"]
        {
            let record = TlsRpt::parse(text);
            assert!(is_tlsrpt(text) && record.flaws.is_empty() && record.rua.len() == 1, "{text}: {record:?}");
        }
    }

    #[test]
    fn faults_are_named() {
        for (text, what) in [
            ("v=TLSRPTv1", "rua= is missing"),
            ("v=TLSRPTv1; rua=reports@example.com", "mailto:"),
            ("v=TLSRPTv1; rua=http://example.com/", "no address for reports"),
            ("v=TLSRPT1; rua=mailto:a@example.com", "must begin"),
        ] {
            let record = TlsRpt::parse(text);
            assert!(record.flaws.iter().any(|f| f.what.contains(what)), "{text}: {:?}", record.flaws);
        }
        assert!(is_nearly_tlsrpt("v=TLSRPT1; rua=x") && !is_nearly_tlsrpt("v=spf1 -all"));
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in ".{0,200}") {
            let _ = (TlsRpt::parse(&text), is_nearly_tlsrpt(&text));
        }
    }
}
