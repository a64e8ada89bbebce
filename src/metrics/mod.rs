//! What Prometheus reads.
//!
//! - `registry`: all metrics of the process
//! - `answers`: answers of admission; `runs`: tests and their runs; `process`: certificates and leadership; `clusters`:
//!   whether other clusters are reached
//! - `serve`: over which listener, and to whom
//! - `sample`: all of it once, of an installation that does not exist
//!
//! Every replica tells of its own admission and certificate. Of tests, runs and other clusters only the leader tells,
//! so that a sum over replicas is right. Labels come from stores, or go with the test they name: nothing grows for ever.

mod answers;
mod clusters;
mod process;
mod registry;
mod runs;
mod sample;
mod serve;

pub use answers::Answers;
pub use clusters::Clusters;
pub use process::Process;
pub use registry::registry;
pub use runs::{Runs, RunsSeen};
pub use sample::sample;
pub use serve::{Served, serve};
