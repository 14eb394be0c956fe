//! `bounce`: what a bounce, a log or a pasted reply means for the one who sent the message.
//!
//! A text enters the same way as the world does: it is read into observations of a case, a rule judges them, and
//! the report says what follows for each recipient.

pub mod judge;
mod live;
pub mod log;
mod model;
mod note;
pub mod read;
mod text;

use std::time::Duration;

use jiff::Timestamp;

use crate::case::{Case, Recorder, TargetRecord, Terms, VantageRecord};
use crate::questions::bounce::{Answered, Returned, WHOLE};
use crate::subject::{Answer, VantageId};

pub use model::{AnswerReport, BounceReport, SCHEMA, ServerReply, report};
pub use read::{Kind, Reading, Unreadable};
pub use text::render;

/// The case of a text that was read. `input` is what the user named it by; `ours`, the servers that send for the
/// user, as they named them.
pub fn case(reading: &Reading, input: &str, ours: &[String], now: Timestamp) -> Case {
    let from = VantageId::local();
    let recorder = Recorder::new(None);
    let time = (Duration::ZERO, Duration::ZERO);
    for (number, said) in (1_u32..).zip(&reading.said) {
        let _ = recorder.record(&Answered, &Answer(number.to_string()), &from, time, said);
    }
    let mut whole = reading.whole.clone();
    whole.ours = ours.to_vec();
    let _ = recorder.record(&Returned, &Answer(WHOLE.to_owned()), &from, time, &whole);
    let target = TargetRecord { input: input.to_owned(), ..TargetRecord::default() };
    let here = VantageRecord { name: from.0, kind: "local".to_owned(), source_ip: None, resolver: None };
    let mut case = Case::new(target, now, vec![here], Terms::default());
    case.set_observations(recorder.take().0);
    case
}
