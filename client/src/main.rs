//! The `inhaul` program.

fn main() {}
