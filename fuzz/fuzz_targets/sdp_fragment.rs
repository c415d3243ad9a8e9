//! See `parlor::fuzzing::sdp_fragment`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parlor::fuzzing::sdp_fragment(bytes));
