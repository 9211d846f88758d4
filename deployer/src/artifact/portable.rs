//! Agents for older systems than the one that builds them: linked by zig, looked into, and laid where
//! [`find`](super::agents::find) looks for them.

use std::ffi::OsStr;
use std::iter::repeat;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::agents::{Agent, Agents, LibcVersion, look_into};
use super::program::Program;
use super::{ArtifactError, Progress, file_error, off_thread};

/// The oldest glibc that is deployed to: that of Debian 11 and Ubuntu 20.04.
pub const OLDEST_LIBC: LibcVersion = LibcVersion {
    major: 2,
    minor: 31,
};

/// The most bytes of an agent.
pub const MOST_BYTES: usize = 20_000_000;

/// What links them. Pinned: another version may want another glibc.
const LINKER: [&str; 2] = ["cargo-zigbuild==0.24.1", "ziglang==0.17.1"];

/// How long the linker may take to arrive, and a build to end on a slow box.
const FETCH: Duration = Duration::from_mins(15);
const BUILD: Duration = Duration::from_hours(2);

/// Builds the agents of a checkout for a kind of machine (`x86_64`, `aarch64`) and puts them into a folder of that name.
/// What is not fit to be shipped is not put there. `home` is where the sources of other crates lie.
pub async fn build(
    source: &Path,
    machine: &'static str,
    into: &Path,
    home: &Path,
    progress: Progress<'_>,
) -> Result<Agents, ArtifactError> {
    let source = std::path::absolute(source).map_err(file_error("read", source))?;
    if !source.join("agent/Cargo.toml").is_file() {
        return Err(ArtifactError::NotUsable {
            path: source,
            wanted: "a checkout of this project",
            why: "it has no agent/Cargo.toml".into(),
        });
    }
    let zig = linker(&source, progress).await?;
    add_target(&source, machine).await?;
    progress(&format!("building the agents for {machine}: some minutes"));
    let variables = variables(&source, machine, &zig, home);
    let target = format!("{machine}-unknown-linux-gnu.{OLDEST_LIBC}");
    let words =
        "cargo zigbuild --quiet --profile portable -p agent --target-dir target/portable --target";
    let arguments = variables.iter().map(String::as_str);
    let arguments: Vec<&str> = arguments
        .chain(words.split(' '))
        .chain([&*target])
        .collect();
    // `env` sets the variables, so that an error shows all that is needed to see it again.
    let env = program("env", "coreutils");
    env.run(&arguments, &source, BUILD).await?;
    let made = source.join(format!(
        "target/portable/{machine}-unknown-linux-gnu/portable"
    ));
    let (to, forbidden) = (into.join(machine), [source, home.to_owned()]);
    off_thread("the agents' binaries", move || {
        Agents::each_by(|name| take(name, machine, &made, &to, &forbidden))
    })
    .await
}

/// Brings the linker, once for a checkout; returns the directory of its programs.
async fn linker(source: &Path, progress: Progress<'_>) -> Result<PathBuf, ArtifactError> {
    let place = source.join("target/zig");
    let done = place.join(LINKER.join(" "));
    if !done.exists() {
        progress("fetching zig, the linker");
        let python = program("python3", "python3-venv");
        python.provide(progress).await?;
        python
            .run(&["-m", "venv", "--clear", "target/zig"], source, FETCH)
            .await?;
        let pip = program(&place.join("bin/pip").to_string_lossy(), "python3-venv");
        let install = ["install", "--quiet", "--disable-pip-version-check"];
        pip.run(&[&install[..], &LINKER].concat(), &place, FETCH)
            .await?;
        std::fs::write(&done, "").map_err(file_error("write", &done))?;
    }
    Ok(place.join("bin"))
}

/// Brings the standard library for a kind of machine. Without rustup it is there or the build says so.
async fn add_target(source: &Path, machine: &str) -> Result<(), ArtifactError> {
    let rustup = program("rustup", "rustup");
    if rustup.find().is_some() {
        let target = format!("{machine}-unknown-linux-gnu");
        rustup
            .run(&["target", "add", &target], source, FETCH)
            .await?;
    }
    Ok(())
}

/// What the build is told by its environment.
fn variables(source: &Path, machine: &str, zig: &Path, home: &Path) -> Vec<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "PATH is no setting of ours: it is how any program is found"
    )]
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = [zig.as_os_str().to_owned(), path].join(OsStr::new(":"));
    let target = format!("{machine}-linux-gnu.{OLDEST_LIBC}");
    vec![
        format!("PATH={}", path.to_string_lossy()),
        // The configure of the brokers' client looks at these and knows nothing of the target.
        format!("CC=python-zig cc -target {target}"),
        format!("CXX=python-zig c++ -target {target}"),
        // What .cargo/config.toml says of this box is not so for another target.
        "OPENSSL_NO_VENDOR=0".into(),
        "HOST_CC=gcc".into(),
        "HOST_CXX=g++".into(),
        "LDFLAGS=-Wl,--undefined-version".into(),
        // Nothing of this box in what is given to others.
        format!(
            "RUSTFLAGS=--remap-path-prefix={}=home --remap-path-prefix={}=.",
            home.display(),
            source.display()
        ),
    ]
}

/// Puts an agent where it is found, if it is fit to be shipped.
fn take(
    name: &'static str,
    machine: &'static str,
    from: &Path,
    to: &Path,
    forbidden: &[PathBuf],
) -> Result<Agent, ArtifactError> {
    let (made, path, new) = (
        from.join(name),
        to.join(name),
        to.join(format!("{name}.new")),
    );
    let mut bytes = std::fs::read(&made).map_err(file_error("read", &made))?;
    blank(&mut bytes, forbidden);
    std::fs::create_dir_all(to).map_err(file_error("create", to))?;
    // Keeps the mode of a program.
    std::fs::copy(&made, &new).map_err(file_error("write", &new))?;
    std::fs::write(&new, bytes).map_err(file_error("write", &new))?;
    let agent = look_into(name, &new)?;
    let mut problems = problems(&agent, forbidden)?;
    if agent.machine != machine {
        problems.push(format!("it is for {}", agent.machine));
    }
    if !problems.is_empty() {
        return Err(ArtifactError::NotUsable {
            path: new,
            wanted: "an agent that can be shipped",
            why: problems.join("; "),
        });
    }
    std::fs::rename(&new, &path).map_err(file_error("write", &path))?;
    Ok(Agent { path, ..agent })
}

/// Overwrites the places that OpenSSL's build writes into the library, and has no switch for: the compiler's, and where it
/// would look for engines, which on another box could be anybody's directory.
fn blank(bytes: &mut [u8], places: &[PathBuf]) {
    for name in places.iter().map(|place| within(place)) {
        let nowhere: Vec<u8> = b"/nonexistent"
            .iter()
            .copied()
            .chain(repeat(b'-'))
            .take(name.len() - 1)
            .collect();
        let mut at = 0;
        while let Some(found) = find(&bytes[at..], &name) {
            at += found;
            bytes[at..at + nowhere.len()].copy_from_slice(&nowhere);
        }
    }
}

/// How a path below a place begins.
fn within(place: &Path) -> Vec<u8> {
    format!("{}/", place.display()).into_bytes()
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// Says why an agent is not fit to be shipped to every supported system; nothing where it is. `forbidden` are the places
/// of the box that built it, whose names are nobody's business.
pub fn problems(agent: &Agent, forbidden: &[PathBuf]) -> Result<Vec<String>, ArtifactError> {
    let mut problems = Vec::new();
    if let Some(libc) = agent.libc.filter(|libc| *libc > OLDEST_LIBC) {
        problems.push(format!("it needs glibc {libc}, newer than {OLDEST_LIBC}"));
    }
    let bytes = std::fs::read(&agent.path).map_err(file_error("read", &agent.path))?;
    if bytes.len() > MOST_BYTES {
        problems.push(format!(
            "it has {} bytes, more than {MOST_BYTES}",
            bytes.len()
        ));
    }
    for place in forbidden {
        if find(&bytes, &within(place)).is_some() {
            problems.push(format!("it holds the path {}", place.display()));
        }
    }
    Ok(problems)
}

fn program(name: &str, package: &'static str) -> Program {
    Program {
        name: name.into(),
        package,
    }
}

#[cfg(test)]
mod tests {
    use super::blank;

    #[test]
    fn places_are_blanked_and_nothing_else() {
        let text =
            "a /box/of/somebody/target b /box/of/somebody else /root/x /rooted /box/of/somebody/";
        let mut bytes = text.as_bytes().to_vec();
        blank(&mut bytes, &["/box/of/somebody".into(), "/root".into()]);
        assert_eq!(
            String::from_utf8(bytes).expect("text"),
            "a /nonexistent----/target b /box/of/somebody else /none/x /rooted /nonexistent----/"
        );
    }
}
