//! See `parlor::fuzzing::ice`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parlor::fuzzing::ice(bytes));
