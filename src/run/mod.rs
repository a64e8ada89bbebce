//! The life of a run: `observe` takes a snapshot, `decide` says what follows (pure), `act` does it.

mod absent;
pub mod act;
pub mod clock;
pub mod controller;
pub mod decide;
pub mod events;
pub mod memories;
pub mod memory;
pub mod observe;
pub mod observed;
pub mod plan;
pub mod queue;
pub mod remains;
mod removal;

pub use controller::RunContext;
