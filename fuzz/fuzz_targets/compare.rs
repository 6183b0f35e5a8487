//! What `checks/compare.rs` checks, with inputs that are looked for.

#![no_main]

#[path = "../checks/compare.rs"]
mod compare;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| compare::check(bytes));
