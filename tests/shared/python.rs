//! Python with packages of a test's own.

#![allow(
    clippy::disallowed_methods,
    reason = "tests run the box's Python; the agents have no such ban"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Python in an environment that has what this file of requirements wants: made at the first
/// use and kept with the build.
///
/// # Errors
/// When there is no Python, or no way to get the packages.
pub(crate) fn environment(name: &str, requirements: &Path) -> Result<PathBuf, String> {
    let text = fs::read(requirements).expect("requirements");
    let home = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let done = home.join(format!("{name}-{}", hex(&text)));
    // Test programs that start together: one makes it, the others wait.
    let lock = fs::File::create(home.join(format!("{name}.lock")));
    let lock = lock.map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    let python = done.join("bin/python");
    if done.join("complete").exists() {
        return Ok(python);
    }
    run(Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&done))?;
    run(Command::new(&python)
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--requirement",
        ])
        .arg(requirements))?;
    fs::write(done.join("complete"), "").map_err(|error| error.to_string())?;
    Ok(python)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().last().unwrap_or_default();
    Err(format!("{command:?}: {last}"))
}

fn hex(bytes: &[u8]) -> String {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
