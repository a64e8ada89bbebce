//! All reports, as far as lists and figures need them.
//!
//! - `run`: what is kept of a report
//! - `index`: runs, however they are asked for
//! - `days`: how they ended, counted
//! - `ordered`: how that index keeps the runs of a test
//! - `log`: that index, fed by the watch over reports, and who is told of changes

mod days;
mod index;
mod log;
mod ordered;
mod run;
#[cfg(test)]
mod tests;

pub use days::Count;
pub(super) use index::Index;
pub use log::{RunChange, RunLog};
pub use run::{Run, RunName, Untold};
