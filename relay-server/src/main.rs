//! The `inhaul-relay` program.

fn main() {}
