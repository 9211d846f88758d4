//! A test that cannot run here says why.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

/// Says in one line why this test does not run. With `CI=true` that is a failure.
#[allow(
    clippy::disallowed_methods,
    reason = "CI says by its environment that nothing may be skipped; the agents have no such ban"
)]
pub(crate) fn skip(why: &str) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    // A test runs in a thread that is called as it is; its program as its suite, with a hash behind.
    let thread = std::thread::current();
    let program = std::env::current_exe().unwrap_or_default();
    let suite = program.file_stem().unwrap_or_default().to_string_lossy();
    let suite = suite.rsplit_once('-').map_or(&*suite, |(suite, _)| suite);
    let test = format!("{suite}::{}", thread.name().unwrap_or("main"));
    let strict = std::env::var("CI").as_deref() == Ok("true");
    assert!(!strict, "{test} could not run: {why}");
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if said.insert(test.clone()) {
        // Not by `eprintln!`: what that says is kept from sight when the test passes.
        let line = format!("not run: {test}: {why}\n");
        std::io::stderr().write_all(line.as_bytes()).expect("said");
    }
}
