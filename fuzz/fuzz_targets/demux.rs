//! See `parlor::fuzzing::demux`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parlor::fuzzing::demux(bytes));
