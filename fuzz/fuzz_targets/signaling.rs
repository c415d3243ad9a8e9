//! See `parlor::fuzzing::signaling`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parlor::fuzzing::signaling(bytes));
