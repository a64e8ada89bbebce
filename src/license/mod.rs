//! The license: a Secret beside the operator, verified offline, decides the tier.
//!
//! [`verify`] is a plain function of the Secret, the signing secret and the time; [`watch`] follows the Secret and the
//! clock. Whatever is wrong with a license, the answer is the Community tier and the exact reason; nothing opens a tier
//! but a signature.

mod expiry;
mod key;
mod refusal;
mod verify;
mod watch;

pub use expiry::InvalidExpiry;
pub use key::{KeyLength, SigningSecret, sign};
pub use refusal::Refusal;
pub use verify::{License, LicenseSecret, of_secret, verify};
pub use watch::watch;
