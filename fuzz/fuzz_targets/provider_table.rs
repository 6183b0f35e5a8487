//! What `checks/provider_table.rs` checks, with inputs that are looked for.

#![no_main]

#[path = "../checks/provider_table.rs"]
mod provider_table;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| provider_table::check(bytes));
