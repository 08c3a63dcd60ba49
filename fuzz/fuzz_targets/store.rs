#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| seminar_hostile::targets::fuzz("store", input));
