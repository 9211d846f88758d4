//! An event of any bytes becomes a document or a dead letter.
#![no_main]

#[expect(dead_code, reason = "the other target has the rest")]
#[path = "../../../tests/agent/any_bytes.rs"]
mod any_bytes;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    any_bytes::event(input);
});
