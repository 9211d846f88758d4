//! Hosts by SSH: one multiplexed connection per node, kept for the next command line.
//!
//! The connection is an `ssh` process in the background (a master). It outlives this program on purpose, never for ever: it
//! ends by itself when nobody used it for [`KEPT`]. That may also happen to a program that waits that long, so a connection
//! that is gone when a command begins is opened anew.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use openssh::{ControlPersist, KnownHosts, Session, SessionBuilder, Stdio};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{sleep, timeout};

use super::ssh_error::{Failure, interpret};
use super::{Command, Host, HostError, Input, Line, MAX_CHANNELS, Output, exchange};

/// How long an unused connection stays.
const KEPT: NonZeroUsize = NonZeroUsize::new(600).expect("not zero");
/// How long a kept master, a process of this box, may take to answer.
const PROBE: Duration = Duration::from_millis(500);
/// How long a machine may take to open a channel on a connection that stands.
const OPEN: Duration = Duration::from_secs(10);
/// The directory of a connection attempt that is younger than this may still be at work.
const ATTEMPT: Duration = Duration::from_mins(1);
/// The crate's name for the directories that hold control sockets.
const SOCKET_PREFIX: &str = ".ssh-connection";

/// The way to a node.
#[derive(Debug, Clone)]
pub struct Route {
    /// The node.
    pub node: String,
    /// What ssh is asked to connect to.
    pub destination: String,
    /// The same with the port, for messages.
    pub address: String,
    /// Where to knock, cheaply, while a new machine boots; `None` when only ssh knows the way.
    pub knock: Option<std::net::SocketAddr>,
    /// The deployment's SSH configuration.
    pub config: PathBuf,
    /// The directory for this node's control sockets.
    pub control: PathBuf,
}

/// An open connection to a node.
#[derive(Debug)]
pub struct SshHost {
    route: Route,
    session: Mutex<Arc<Session>>,
    channels: Semaphore,
}

impl SshHost {
    /// Takes up the kept connection, or opens one. A machine that refuses, does not answer or drops newcomers is tried again
    /// until `patience` is over; all other failures are final. Zero patience is one attempt of 2 s. `progress` gets the attempts.
    pub async fn connect(
        route: Route,
        patience: Duration,
        progress: Line<'_>,
    ) -> Result<Self, HostError> {
        let session = match resume(&route.control).await {
            Some(session) => session,
            None => reach(&route, patience, progress).await?,
        };
        Ok(Self {
            route,
            session: Mutex::new(Arc::new(session)),
            channels: Semaphore::new(MAX_CHANNELS),
        })
    }

    fn connection(&self, detail: impl Into<String>) -> HostError {
        HostError::Connection {
            node: self.route.node.clone(),
            detail: detail.into(),
        }
    }

    fn silent(&self, limit: Duration, detail: String) -> HostError {
        HostError::Timeout {
            node: self.route.node.clone(),
            address: self.route.address.clone(),
            seconds: limit.as_secs(),
            detail,
        }
    }

    /// Starts a command. Only until it runs may anything be tried again.
    async fn start(&self, command: &Command) -> Result<openssh::Child<Arc<Session>>, HostError> {
        let began = Instant::now();
        let mut renewed = false;
        loop {
            let session = Arc::clone(&*self.session.lock().await);
            let mut remote = Arc::clone(&session).arc_command(exchange::PROGRAM);
            remote
                .args(exchange::arguments(command))
                .stdin(self.input(&command.input)?)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            let failure = match timeout(OPEN, remote.spawn()).await {
                Ok(Ok(child)) => return Ok(child),
                Ok(Err(error)) => error,
                Err(_) => return Err(self.silent(OPEN, format!("opening `{}`", command.program))),
            };
            let words = chain(&failure);
            if words.contains("refused by peer") && began.elapsed() < command.timeout {
                // Another deployer uses the same connection, too.
                sleep(jitter(Duration::from_millis(100))).await;
            } else if session.check().await.is_err() && !renewed {
                renewed = true;
                self.renew(&session).await?;
            } else {
                return Err(self.connection(words));
            }
        }
    }

    /// Opens the connection anew, once for all commands that found it gone.
    async fn renew(&self, gone: &Arc<Session>) -> Result<(), HostError> {
        let mut session = self.session.lock().await;
        if Arc::ptr_eq(&session, gone) {
            *session = Arc::new(reach(&self.route, Duration::ZERO, &|_| {}).await?);
        }
        Ok(())
    }

    fn input(&self, input: &Input) -> Result<Stdio, HostError> {
        Ok(match input {
            Input::Nothing => Stdio::null(),
            Input::Bytes(_) => Stdio::piped(),
            // The master reads the file itself: nothing is copied through this process.
            Input::File(path) => std::fs::File::open(path)
                .map_err(|source| HostError::Local {
                    node: self.route.node.clone(),
                    path: path.clone(),
                    source,
                })?
                .into(),
        })
    }

    async fn finish(
        &self,
        mut child: openssh::Child<Arc<Session>>,
        command: &Command,
        line: Line<'_>,
    ) -> Result<Output, HostError> {
        let stdin = child.stdin().take();
        let (Some(stdout), Some(stderr)) = (child.stdout().take(), child.stderr().take()) else {
            return Err(self.connection("a command without outputs"));
        };
        let bytes = match &command.input {
            Input::Bytes(bytes) => bytes.as_slice(),
            Input::Nothing | Input::File(_) => &[],
        };
        let (stdout, stderr) =
            exchange::exchange(stdin.map(|pipe| (pipe, bytes)), stdout, stderr, line)
                .await
                .map_err(|error| self.connection(format!("`{}`: {error}", command.program)))?;
        let status = match child.wait().await {
            Ok(status) => status.code().unwrap_or(128),
            // The crate's word for exit code 127.
            Err(openssh::Error::Remote(_)) => 127,
            Err(error) => {
                let words = chain(&error);
                return Err(self.connection(format!("during `{}`: {words}", command.program)));
            }
        };
        Ok(Output {
            status,
            stdout,
            stderr,
        })
    }
}

#[async_trait]
impl Host for SshHost {
    async fn run_telling(&self, command: &Command, line: Line<'_>) -> Result<Output, HostError> {
        let _channel = self.channels.acquire().await;
        let child = self.start(command).await?;
        let started = Instant::now();
        let limit = command.timeout + exchange::GRACE;
        let output = timeout(limit, self.finish(child, command, line))
            .await
            .map_err(|_| self.silent(limit, format!("during `{}`", command.program)))??;
        exchange::judge(&self.route.node, command, output, started.elapsed())
    }

    async fn close(self: Box<Self>, keep: bool) -> Result<(), HostError> {
        if keep {
            return Ok(());
        }
        let node = self.route.node.clone();
        let Ok(session) = Arc::try_unwrap(self.session.into_inner()) else {
            return Err(HostError::Connection {
                node,
                detail: "closed while a command runs".into(),
            });
        };
        let closed = end(session)
            .await
            .and_then(|()| remove(&self.route.control));
        closed.map_err(|detail| HostError::Connection { node, detail })
    }
}

/// Ends the connection that earlier command lines left open in a directory for control sockets, if there is one, and removes
/// the directory. Fails with the reason in words.
pub(super) async fn forget(control: &Path) -> Result<(), String> {
    if let Some(session) = resume(control).await {
        end(session).await?;
    }
    remove(control)
}

async fn end(session: Session) -> Result<(), String> {
    match timeout(PROBE, session.close()).await {
        // Gone already is closed, too.
        Ok(Ok(()) | Err(openssh::Error::Disconnected)) | Err(_) => Ok(()),
        Ok(Err(error)) => Err(chain(&error)),
    }
}

fn remove(control: &Path) -> Result<(), String> {
    match std::fs::remove_dir_all(control) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("cannot remove {}: {error}", control.display()))
        }
        _ => Ok(()),
    }
}

/// The connection that an earlier command line left, if it still stands. What is left of dead ones is removed.
async fn resume(control: &Path) -> Option<Session> {
    let entries = std::fs::read_dir(control).ok()?;
    for entry in entries.filter_map(Result::ok) {
        if !entry
            .file_name()
            .to_string_lossy()
            .starts_with(SOCKET_PREFIX)
        {
            continue;
        }
        let socket = entry.path().join("master");
        let session = Session::resume_mux(socket.into(), Some(entry.path().join("log").into()));
        if matches!(timeout(PROBE, session.check()).await, Ok(Ok(()))) {
            return Some(session);
        }
        let age = entry
            .metadata()
            .and_then(|metadata| metadata.modified())
            .ok()
            .and_then(|modified| SystemTime::now().duration_since(modified).ok());
        if age.is_some_and(|age| age > ATTEMPT) {
            // Litter in our own directory: when it cannot be removed it does no harm either.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    None
}

async fn reach(
    route: &Route,
    patience: Duration,
    progress: Line<'_>,
) -> Result<Session, HostError> {
    let deadline = Instant::now() + patience;
    let left = || deadline.saturating_duration_since(Instant::now());
    let mut attempt = 0_u32;
    loop {
        if !patience.is_zero() {
            knock(route, left().min(Duration::from_secs(2))).await;
        }
        attempt += 1;
        // Short at first, since a machine that boots answers late to the knock it missed, not at all to the one it lost.
        let seconds = 2_u64
            .saturating_mul(u64::from(attempt))
            .min(left().as_secs())
            .clamp(2, 10);
        let Failure { error, passing } = match launch(route, seconds).await {
            Ok(session) => return Ok(session),
            Err(failure) => failure,
        };
        let pause = jitter(Duration::from_millis(100) * attempt.min(10));
        if !passing || left() < pause + Duration::from_secs(1) {
            return Err(error);
        }
        progress(&format!("attempt {attempt}: {error}"));
        sleep(pause).await;
    }
}

/// Waits until something listens, as far as that can be known without ssh: attempts of ssh cost far more than these.
async fn knock(route: &Route, limit: Duration) {
    let Some(address) = route.knock else {
        return;
    };
    let listens = async {
        loop {
            let attempt = tokio::net::TcpStream::connect(address);
            if let Ok(Ok(_)) = timeout(Duration::from_millis(200), attempt).await {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    // Not to hear anything is no failure: ssh has the last word.
    let _ = timeout(limit, listens).await;
}

async fn launch(route: &Route, seconds: u64) -> Result<Session, Failure> {
    let failure = |words: &str| interpret(&route.node, &route.address, seconds, words);
    std::fs::create_dir_all(&route.control)
        .map_err(|error| failure(&format!("{}: {error}", route.control.display())))?;
    let mut builder = SessionBuilder::default();
    builder
        .config_file(&route.config)
        .known_hosts_check(KnownHosts::Strict)
        .control_directory(&route.control)
        .control_persist(ControlPersist::IdleFor(KEPT))
        .connect_timeout(Duration::from_secs(seconds));
    // ssh's own limit covers the way to the machine, not the handshake.
    let limit = Duration::from_secs(seconds + 10);
    match timeout(limit, builder.launch_master(&route.destination)).await {
        Ok(Ok(directory)) => {
            let directory = directory.keep();
            Ok(Session::resume_mux(
                directory.join("master").into(),
                Some(directory.join("log").into()),
            ))
        }
        Ok(Err(error)) => Err(failure(&chain(&error))),
        Err(_) => Err(failure("the handshake timed out")),
    }
}

/// An error with all its causes, in one line.
fn chain(error: &openssh::Error) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}

/// Between half and one and a half of it, so that machines that were dropped together do not come back together.
fn jitter(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.5..1.5))
}
