//! Other clusters: found by labelled Secrets, followed read-only, and shown beside this one.
//!
//! - `secret`, `kubeconfig`, `refusal`: what is taken for a way to a cluster, and what is refused; pure
//! - `planned`: which clusters are to be followed, of the Secrets there are and the tier; pure
//! - `connect`: a client that can only read, and reaches no place it should not
//! - `follow`: one cluster, for as long as it is named; `session`: while it is reached; `lost`: why it is not, in words
//! - `kept`: as much of its objects as there is room for
//! - `roster`: starts and stops all of that as Secrets come, change and go
//!
//! What it finds is kept in [`crate::fleet`]. Nothing here writes anywhere: the client of a cluster sends nothing but
//! GET.

mod connect;
mod follow;
mod kept;
mod kubeconfig;
mod lost;
mod planned;
mod refusal;
mod roster;
mod secret;
mod session;

pub use roster::watch;
