//! Validated types: a spec is parsed once, completely, and everything else works with the result.
//!
//! Every rule about what is valid lives here. A conversion returns *all* errors, each with the path of its field, what
//! is wrong and what to write instead. Values that Go clients write for "not set" (empty text, `0s`) count as not set,
//! because 0.6.9 stored them.

mod check;
pub mod duration;
mod health;
mod invalid;
mod label;
mod log_collection;
mod metadata;
mod name;
mod notifications;
mod problems;
mod quantity;
mod sandbox;
mod schedule;
mod sla;
mod source;
mod test;
mod tier;

pub use crate::{CompletenessBasis, Isolation, NotificationType, Retention};
pub use check::{Check, CheckAction, Pattern, ResourceRef, merge_checks, parse_checks};
pub use health::Health;
pub use invalid::{FieldError, Invalid};
pub use log_collection::LogCollection;
pub use metadata::check_metadata;
pub use name::{InvalidName, NamespaceName};
pub use notifications::{NotificationTarget, Notifications};
pub use sandbox::{Quota, Sandbox};
pub use schedule::Schedule;
pub use sla::Sla;
pub use source::{BackupChoice, Source, SourceNamespace};
pub use test::Test;
pub use tier::{Tier, UnknownTier};
