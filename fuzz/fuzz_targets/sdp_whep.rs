//! See `parlor::fuzzing::sdp_whep`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parlor::fuzzing::sdp_whep(bytes));
