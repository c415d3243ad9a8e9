//! See `parlor::fuzzing::dtls_handshake`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parlor::fuzzing::dtls_handshake(bytes));
