//! Every route in process, over fabricated stores and an API server that is a function.

mod access;
mod clusters;
mod documented;
mod fuzz;
mod live;
mod receivers;
mod routes;
mod tiers;
mod world;
mod writes;
