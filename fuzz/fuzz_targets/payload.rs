//! See `parlor::fuzzing::payload`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parlor::fuzzing::payload(bytes));
