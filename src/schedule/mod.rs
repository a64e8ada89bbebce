//! The `RestoreTest` controller: when a run is due, triggers, history and what `kubectl get rt` shows.

pub mod act;
pub mod controller;
pub mod decide;
pub mod summary;
#[cfg(test)]
mod tests;

pub use controller::ScheduleContext;
