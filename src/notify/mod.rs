//! Telling people: who is told of a run, and how each of them is told exactly once.
//!
//! - `receiver`: who is told by a test; `decide`: what is to be told to whom, of one run; pure
//! - `record`: what becomes of each message, kept in the report's status; pure
//! - `message`: the words, and the payloads of Slack and webhooks
//! - `address`: which addresses may be sent to; `send`: one attempt; `secret`: where the address comes from
//! - `notifier`: all of that for one message; also for a test message
//! - `controller`: drives them from the reports, on the leader

mod address;
pub mod controller;
pub mod decide;
mod message;
mod notifier;
mod receiver;
pub mod record;
mod secret;
mod send;
#[cfg(test)]
mod tests;

pub use address::AddressError;
pub use controller::NotifyContext;
pub use message::Message;
pub use notifier::{Notifier, NotifyError};
pub use receiver::{Defaults, OwnReceiver, Receiver, Receivers, SecretName};
pub use send::{SendError, Sender};

pub use crate::reach::Reach;
