//! A real OpenStack for the tests of one process: the test's side of `tests/clouds/openstack_cloud.py`.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use deployer::cloud::chameleon::credentials::{Login, find};
use deployer::cloud::chameleon::places::Places;
use deployer::cloud::chameleon::{Chameleon, Settings};
use deployer::cloud::wait::Pace;
use deployer::secret::Secret;

use super::skip::skip;

/// A running cloud. It ends with this process: its standard input closes.
pub(crate) struct OpenStack {
    /// Its credentials.
    pub clouds: PathBuf,
    /// Where its programs are.
    pub home: PathBuf,
    _process: Option<Child>,
}

/// The line that a running one has printed: it is used instead of starting another one, which takes a minute.
const RUNNING: &str = "DEPLOYER_TEST_OPENSTACK";

#[expect(clippy::disallowed_methods, reason = "tests start their own servers")]
fn command(program: &Path) -> Command {
    Command::new(program)
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/clouds/openstack_cloud.py")
}

/// Tests that ask for much at once: two of them at a time, or on two cores they wait for each other until their deadlines.
pub(crate) async fn turn() -> tokio::sync::SemaphorePermit<'static> {
    static TURNS: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(2);
    TURNS.acquire().await.expect("it is never closed")
}

impl OpenStack {
    /// The one that tests of this process share. `None`, with one line why, where it cannot be brought here; never so in CI.
    pub(crate) fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Result<OpenStack, String>> = OnceLock::new();
        match SHARED.get_or_init(Self::start) {
            Ok(cloud) => Some(cloud),
            Err(why) => {
                skip(&format!("needs OpenStack, and {why}"));
                None
            }
        }
    }

    /// One of its own, with another version of Blazar.
    pub(crate) fn with_blazar(version: &str) -> Result<Self, String> {
        Ok(Self::serve(Self::installed()?, &[version]))
    }

    fn start() -> Result<Self, String> {
        if let Some((_, line)) = std::env::vars().find(|(key, _)| key == RUNNING) {
            return Ok(Self::read(&line, Self::home(), None));
        }
        Ok(Self::serve(Self::installed()?, &[]))
    }

    fn home() -> PathBuf {
        if rustix::process::geteuid().is_root() {
            PathBuf::from("/var/cache/deployer-tests/openstack")
        } else {
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("openstack")
        }
    }

    fn installed() -> Result<PathBuf, String> {
        let home = Self::home();
        let python = Path::new("python3");
        let installed = command(python)
            .arg(script())
            .arg("install")
            .arg(&home)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("python3: {error}"))?;
        if !installed.status.success() {
            let said = String::from_utf8_lossy(&installed.stderr);
            return Err(said.lines().last().unwrap_or_default().to_owned());
        }
        Ok(home)
    }

    fn serve(home: PathBuf, versions: &[&str]) -> Self {
        let mut process = command(Path::new("python3"))
            .arg(script())
            .arg("serve")
            .arg(&home)
            .args(versions)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("OpenStack starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("stdout"))
            .read_line(&mut line)
            .expect("OpenStack says where it is");
        assert!(!line.is_empty(), "OpenStack did not start");
        Self::read(&line, home, Some(process))
    }

    fn read(line: &str, home: PathBuf, process: Option<Child>) -> Self {
        let line: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        Self {
            clouds: line["clouds"].as_str().expect("a path").into(),
            home,
            _process: process,
        }
    }

    /// Where the credentials of one of its clouds are.
    pub(crate) fn places(&self, cloud: &str) -> Places {
        let file = self.clouds.display().to_string();
        let variables = [
            ("OS_CLIENT_CONFIG_FILE", file.as_str()),
            ("OS_CLOUD", cloud),
        ];
        Places {
            variables: variables
                .map(|(name, value)| (name.to_owned(), Secret::new(value)))
                .into(),
            ..Places::default()
        }
    }

    pub(crate) fn login(&self, cloud: &str) -> Login {
        find(&self.places(cloud), &settings()).expect("credentials")
    }

    /// A new process of this user: nothing is known.
    pub(crate) fn cloud(&self, user: &str) -> Chameleon {
        self.cloud_with(user, settings())
    }

    pub(crate) fn cloud_with(&self, user: &str, settings: Settings) -> Chameleon {
        Chameleon::new(self.login(user), settings, pace()).expect("a client")
    }
}

/// The waits of a test: its services answer at once, but the box may be busy.
pub(crate) fn pace() -> Pace {
    Pace {
        poll: Duration::from_millis(800),
        settle: Duration::from_secs(30),
        boot: Duration::from_mins(2),
        gone: Duration::from_mins(2),
    }
}

pub(crate) fn settings() -> Settings {
    Settings {
        ssh_from: vec!["192.0.2.1".into()],
        ..Settings::default()
    }
}
