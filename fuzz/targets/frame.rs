//! A frame of a vault file, and the changes inside it.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tokenvault::fuzzing::frame(data));
