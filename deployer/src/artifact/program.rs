//! Programs of the operator's box that fetch for us: found or installed, run with a deadline, their last words in the
//! error.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use super::Progress;
use crate::process;

/// A program and the Debian package that brings it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Its name, or a path.
    pub name: String,
    /// The package.
    pub package: &'static str,
}

/// Why a program could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It is not there and could not be installed.
    #[error("`{program}` is not installed; install the package `{package}`")]
    Missing {
        /// Its name.
        program: String,
        /// The package.
        package: &'static str,
        /// Why it could not be installed.
        #[source]
        source: Box<ProgramError>,
    },
    /// It could not be started.
    #[error("cannot run `{command}`")]
    Start {
        /// Program and arguments.
        command: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It failed.
    #[error("`{command}` ended with {status}{}", super::lines(.output))]
    Failed {
        /// Program and arguments.
        command: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// Its last 20 lines.
        output: Vec<String>,
    },
    /// It took too long and was ended.
    #[error("`{command}` was ended after {seconds} s")]
    Deadline {
        /// Program and arguments.
        command: String,
        /// The deadline.
        seconds: u64,
    },
}

impl Program {
    /// Maven, which fetches jars.
    pub fn maven() -> Self {
        Self {
            name: "mvn".into(),
            package: "maven",
        }
    }

    /// npm, which fetches packages.
    pub fn npm() -> Self {
        Self {
            name: "npm".into(),
            package: "npm",
        }
    }

    /// Java, which runs what is of this box alone.
    pub fn java() -> Self {
        Self {
            name: "java".into(),
            package: "default-jre-headless",
        }
    }

    /// Where it is, if anywhere.
    #[expect(
        clippy::disallowed_methods,
        reason = "PATH is no setting of ours: it is how any program is found"
    )]
    pub fn find(&self) -> Option<PathBuf> {
        if self.name.contains('/') {
            return Some(PathBuf::from(&self.name)).filter(|path| path.is_file());
        }
        std::env::split_paths(&std::env::var_os("PATH")?)
            .map(|directory| directory.join(&self.name))
            .find(|path| path.is_file())
    }

    /// Installs its package when it is not there, after saying so. Takes sudo, without a question, unless we are root.
    pub async fn provide(&self, progress: Progress<'_>) -> Result<(), ProgramError> {
        if self.find().is_some() {
            return Ok(());
        }
        progress(&format!(
            "installing the package {} on this box, for {}",
            self.package, self.name
        ));
        install(self.package)
            .await
            .map_err(|source| ProgramError::Missing {
                program: self.name.clone(),
                package: self.package,
                source: Box::new(source),
            })
    }

    /// Runs it in a directory.
    pub async fn run(
        &self,
        arguments: &[&str],
        directory: &Path,
        deadline: Duration,
    ) -> Result<(), ProgramError> {
        let mut command = process::command(&self.name);
        command.args(arguments).current_dir(directory);
        run(command, deadline).await
    }
}

async fn install(package: &str) -> Result<(), ProgramError> {
    for (arguments, deadline) in [
        (vec!["update", "-q"], Duration::from_mins(3)),
        (
            vec!["install", "-q", "-y", "--no-install-recommends", package],
            Duration::from_mins(15),
        ),
    ] {
        let mut command = if rustix::process::geteuid().is_root() {
            process::command("env")
        } else {
            let mut command = process::command("sudo");
            command.args(["-n", "env"]);
            command
        };
        command.args([
            "DEBIAN_FRONTEND=noninteractive",
            "apt-get",
            "-o",
            "DPkg::Lock::Timeout=300",
        ]);
        command.args(arguments);
        run(command, deadline).await?;
    }
    Ok(())
}

async fn run(mut command: Command, deadline: Duration) -> Result<(), ProgramError> {
    command.env("LC_ALL", "C.UTF-8");
    let words = words(&command);
    let ended = match process::run(&mut command, &[], deadline, &|_| ()).await {
        Ok(Some(ended)) => ended,
        Ok(None) => {
            return Err(ProgramError::Deadline {
                command: words,
                seconds: deadline.as_secs(),
            });
        }
        Err(source) => {
            return Err(ProgramError::Start {
                command: words,
                source,
            });
        }
    };
    if ended.status.success() {
        return Ok(());
    }
    Err(ProgramError::Failed {
        command: words,
        status: ended.status,
        output: last_lines(&[ended.stdout, ended.stderr].concat()),
    })
}

fn words(command: &Command) -> String {
    let command = command.as_std();
    let mut words = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        words.push(' ');
        words.push_str(&argument.to_string_lossy());
    }
    words
}

fn last_lines(output: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(20)..]
        .iter()
        .map(ToString::to_string)
        .collect()
}
