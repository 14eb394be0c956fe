//! One target for each reader. As ordinary tests they replay their corpus and try random input for a moment;
//! `cargo bolero test` runs each for as long as wanted (see CONTRIBUTING.md).

mod bounces;
mod captured;
mod cases;
mod names;
mod records;
mod smtp;
mod tokens;
mod traces;
mod transport;
mod typed;

/// How long each tries random input as an ordinary test; `BOLERO_RANDOM_TEST_TIME_MS` makes it longer.
const BRIEF: std::time::Duration = std::time::Duration::from_millis(400);
