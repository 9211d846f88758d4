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
    let strict = std::env::var("CI").as_deref() == Ok("true");
    assert!(!strict, "{} could not run: {why}", test());
    leave_out(why);
}

/// Says it of cases that not every box can run: that is no failure anywhere.
pub(crate) fn leave_out(why: &str) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    let line = format!("not run: {}: {why}\n", test());
    if said.insert(line.clone()) {
        // Not by `eprintln!`: what that says is kept from sight when the test passes.
        std::io::stderr().write_all(line.as_bytes()).expect("said");
    }
}

/// The test's own name. It runs in a thread that is called as it is; its program as its suite, with a hash behind.
fn test() -> String {
    let thread = std::thread::current();
    let program = std::env::current_exe().unwrap_or_default();
    let suite = program.file_stem().unwrap_or_default().to_string_lossy();
    let suite = suite.rsplit_once('-').map_or(&*suite, |(suite, _)| suite);
    format!("{suite}::{}", thread.name().unwrap_or("main"))
}
