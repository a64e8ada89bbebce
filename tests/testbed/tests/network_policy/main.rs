//! Network policies in the test cluster, with real packets: what the stand-in that enforces them lets through, and
//! what not. Every "blocked" has an "open" beside it that shows that the same connection would work otherwise.

// A test that fails is a test that panics, also in the functions that tests call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bench;
mod first_instant;
mod isolation;
mod node;
mod peers;
mod pods;
