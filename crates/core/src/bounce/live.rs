//! The live test that tells more than the text can.

use maildoctor_wire::octets::shell_word;

use super::judge::{Fault, Judgement};
use super::read::Reading;
use super::read::fields::is_address;
use crate::questions::bounce::Said;

/// What to give to `maildoctor`, word by word: a check of the recipient where the other side is at fault or nobody
/// knows, of the sender's own domain where that is.
pub(super) fn test(said: &Said, judgement: &Judgement, reading: &Reading) -> Option<Vec<String>> {
    let recipient = || said.recipients.first().filter(|recipient| is_plain(recipient)).cloned();
    let own = || {
        let sender = reading.whole.returned_to.as_ref().or(reading.whole.from.as_ref())?;
        let domain = is_plain(sender).then(|| sender.rsplit_once('@'))??.1;
        Some(domain.to_owned())
    };
    let (target, options): (String, &[&str]) = match (judgement.sense.fault, judgement.code) {
        (Fault::Recipient | Fault::TheirServer | Fault::InBetween | Fault::Unknown, _) => (recipient()?, &[]),
        (Fault::YourDomain, _) => (own()?, &["--only", "records"]),
        (Fault::YourServer, "rcpt-rejected-dnsbl" | "bounce-provider-reputation") => (own()?, &["--dnsbl"]),
        (Fault::YourServer, "bounce-provider-ptr" | "helo-rejected") => (own()?, &["--only", "dns"]),
        _ => return None,
    };
    let words = ["check", target.as_str()].into_iter().chain(options.iter().copied());
    Some(words.map(str::to_owned).collect())
}

/// An address that can be typed as it stands, and is no option.
fn is_plain(address: &str) -> bool {
    is_address(address) && address.starts_with(|c: char| c.is_ascii_alphanumeric()) && !address.contains('\\')
}

/// The command as it is typed.
pub(super) fn command(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| shell_word(word)).collect();
    format!("maildoctor {}", words.join(" "))
}
