//! See `parlor::fuzzing::rewrite`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parlor::fuzzing::rewrite(bytes));
