//! See `parlor::fuzzing::tcp_stream`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parlor::fuzzing::tcp_stream(bytes));
