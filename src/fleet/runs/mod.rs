//! All reports, as far as lists and figures need them.
//!
//! - `run`: what is kept of a report
//! - `index`: runs, however they are asked for
//! - `ordered`: how that index keeps the runs of a test
//! - `log`: that index, fed by the watch over reports, and who is told of changes

mod index;
mod log;
mod ordered;
mod run;

pub(super) use index::Index;
pub use log::{RunChange, RunLog};
pub use run::{Run, RunName, Untold};
