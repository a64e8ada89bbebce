//! Certificates of the webhooks.
