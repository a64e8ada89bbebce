//! Tables of rules, and properties over histories.

mod properties;
mod world;
