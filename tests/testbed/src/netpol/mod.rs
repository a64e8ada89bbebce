//! A small stand-in for the part of a CNI plugin that enforces `NetworkPolicy`. It is a part of the tests, not of the
//! product: the plugins that are used in earnest cannot be had where these tests run, and the sandboxes that Kymaros
//! closes with a policy have to be closed for the tests to mean anything.
//!
//! It watches policies, pods and namespaces, and keeps one nftables table up to date, which it replaces as a whole:
//!
//! - [`snapshot`]: what is known of the cluster at one moment
//! - [`addresses`]: the addresses of pods, read from what the CNI plugin left on disk
//! - [`selectors`], [`peers`], [`ports`], [`intervals`]: what one rule of a policy means in numbers
//! - [`compile`]: what each pod may send and receive, the sum of all policies
//! - [`rules`]: the same as an nftables table
//! - [`watch`]: reacts to changes; [`run`] is the entry point
//!
//! What it does not do: IPv6, more than one node, and cutting connections that are open when a policy comes.

pub mod addresses;
pub mod compile;
pub mod intervals;
pub mod nft;
pub mod peers;
pub mod ports;
pub mod rules;
pub mod selectors;
pub mod snapshot;
pub mod watch;

pub use watch::{Options, run};
