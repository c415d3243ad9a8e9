//! See `parlor::fuzzing::srtp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parlor::fuzzing::srtp(bytes));
