//! serve

pub mod raw_heads;
