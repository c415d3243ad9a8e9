//! See `parlor::fuzzing::rtcp_up`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parlor::fuzzing::rtcp_up(bytes));
