//! See `parlor::fuzzing::netlink`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parlor::fuzzing::netlink(bytes));
