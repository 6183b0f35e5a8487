//! The developer's side of inhaul.

pub mod access;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod connection;
pub mod control;
pub mod data_dir;
pub mod demo;
pub mod diff;
pub mod export;
pub mod filtering;
pub mod forward;
pub mod history;
pub mod import;
mod json_text;
pub mod listen;
pub mod live;
pub mod output;
pub mod pipeline;
mod random;
pub mod row;
pub mod sample;
pub mod sender;
pub mod session;
pub mod tls;
pub mod tui;
