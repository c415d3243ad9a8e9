//! See `parlor::fuzzing::dtls`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parlor::fuzzing::dtls(bytes));
