//! See `parlor::fuzzing::turn`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parlor::fuzzing::turn(bytes));
