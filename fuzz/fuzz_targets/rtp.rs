//! See `parlor::fuzzing::rtp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parlor::fuzzing::rtp(bytes));
