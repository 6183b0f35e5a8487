//! What `checks/xml.rs` checks, with inputs that are looked for.

#![no_main]

#[path = "../checks/xml.rs"]
mod xml;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xml::check(bytes));
