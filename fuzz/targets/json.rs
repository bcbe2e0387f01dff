//! A token as JSON, as `save` reads it.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tokenvault::fuzzing::json(data));
