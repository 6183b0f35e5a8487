//! What `checks/draft.rs` checks, with inputs that are looked for.

#![no_main]

#[path = "../checks/draft.rs"]
mod draft;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| draft::check(bytes));
