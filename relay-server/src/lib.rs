//! The public side of inhaul: takes webhooks, stores them, streams them to clients.

pub mod admin;
mod arriving;
pub mod attach;
pub mod cli;
pub mod clients;
pub mod data_dir;
pub mod hub;
pub mod ingest;
pub mod limits;
pub mod log;
pub mod metrics;
mod open_files;
pub mod ready;
pub mod registry;
pub mod relay;
pub mod serve;
pub mod session;
pub mod spool;
pub mod tls;
