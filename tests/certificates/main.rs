//! Certificates of the webhooks on a real API server, with the rights that the chart gives.

mod load;
mod own_root;
mod published;
mod replica;
mod rotation;
mod secret;
mod stage;
