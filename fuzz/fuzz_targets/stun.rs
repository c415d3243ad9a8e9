//! See `parlor::fuzzing::stun`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parlor::fuzzing::stun(bytes));
