//! The admin listener: health, metrics and a dashboard, for the operator alone.

mod health;
mod status;
mod metrics;
mod dashboard;
mod handler;

pub(super) use handler::Admin;
pub use health::{Durations, Health, MAX_RELOADS, Monitor, Reload};
#[cfg(test)]
pub(super) use {
    metrics::exposition,
    status::{View, feed_usage},
};
