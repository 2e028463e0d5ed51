//! The HTTP server: one task and one hyper connection for each connection, which respond from the current edition.
//!
//! A request passes these modules in order: `listener` accepts the connection, `connection` waits for a permit and runs
//! hyper over a stream with timeouts, `handler` routes the address in the current edition, applies the rate limit,
//! negotiates the coding, evaluates the preconditions, and responds. Encoding and documents that are rendered on demand
//! run on threads for blocking work, behind a semaphore.

mod client;
mod connection_limit;
mod timeout;
mod conditional;
mod negotiate;
mod response;
mod connection;
mod listener;
mod usage;
mod addresses;
mod rate_limit;
mod blocking;
mod on_demand;
mod route;
mod access_log;
mod handler;
pub mod admin;
mod server;
#[cfg(test)]
mod tests;

pub use listener::{Listener, Listeners};
pub use server::Server;
