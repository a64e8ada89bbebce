//! What the API server and the operator make of manifests: structural schema, CEL rules and parsing, held together.

mod admission;
mod compatibility;
mod examples;
mod generated;
mod refused;
mod refused_checks;
