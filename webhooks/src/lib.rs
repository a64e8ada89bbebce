//! Admission: what the API server asks before it stores an object.
//!
//! Every decision is a plain function of a request and of what is known; the operator answers with
//! them, and `kymaros lint` says the same without a cluster.

pub mod validate;
