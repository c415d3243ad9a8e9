//! See `parlor::fuzzing::uplink`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parlor::fuzzing::uplink(bytes));
