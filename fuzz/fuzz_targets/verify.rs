//! What `checks/verify.rs` checks, with inputs that are looked for.

#![no_main]

#[path = "../checks/verify.rs"]
mod verify;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| verify::check(bytes));
