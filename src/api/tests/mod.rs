//! Every route in process, over fabricated stores and an API server that is a function.

mod access;
mod clusters;
mod documented;
mod exports;
mod fuzz;
mod live;
mod plan;
mod receivers;
mod routes;
mod tiers;
mod world;
mod writes;
