#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lathe_fuzzing::containers(data));
