//! The developer's side of inhaul.

pub mod access;
pub mod annotation;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod connection;
pub mod control;
pub mod data_dir;
pub mod demo;
pub mod filtering;
pub mod forward;
pub mod history;
pub mod listen;
pub mod listing;
pub mod live;
pub mod output;
pub mod pipeline;
mod random;
pub mod row;
pub mod sample;
pub mod sender;
pub mod session;
pub mod thread;
pub mod tls;
pub mod tui;
