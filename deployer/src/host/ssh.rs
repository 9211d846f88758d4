//! Hosts by SSH: one multiplexed connection per node, kept for the next command line.
//!
//! The connection is an `ssh` process in the background (a master). It outlives this program on purpose, never for ever: it
//! ends by itself when nobody used it for [`super::ssh_connect::KEPT`]. That may also happen to a program that waits that long, so a connection
//! that is gone when a command begins is opened anew.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use openssh::{Session, Stdio};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::timeout;

use super::moving::Moving;
pub use super::route::Route;
use super::ssh_connect::{PROBE, reach, resume};
use super::transport::OwnBytes;
use super::{
    Bytes, Command, Host, HostError, Input, Line, MAX_CHANNELS, Output, exchange, transport,
};
use crate::causes::chain;
use crate::process::{self, Ear, Feed};
use crate::retry::Retry;

/// How long a machine may take to open a channel on a connection that stands.
const OPEN: Duration = Duration::from_secs(10);
/// The same for the first channel on a connection that was kept: the machine may have died since, and nobody should have to
/// wait until the master notices. It may as well be busy: then a new connection tells.
const OPEN_KEPT: Duration = Duration::from_secs(2);
/// How long a machine may take to answer to a connection that is opened anew.
const ANEW: Duration = Duration::from_secs(10);

/// An open connection to a node.
#[derive(Debug)]
pub struct SshHost {
    route: Route,
    session: Mutex<Arc<Session>>,
    channels: Semaphore,
    /// The connection was kept from an earlier command line, and the machine has not answered on it yet.
    doubtful: AtomicBool,
}

impl SshHost {
    /// Takes up the kept connection, or opens one. A machine that refuses, does not answer or drops newcomers is tried again
    /// until `connect_timeout` is over; all other failures are final. A zero one is one attempt of 2 s. `progress` gets the attempts.
    pub async fn connect(
        route: Route,
        connect_timeout: Duration,
        progress: Line<'_>,
    ) -> Result<Self, HostError> {
        let kept = resume(&route.control).await;
        let doubtful = AtomicBool::new(kept.is_some());
        let session = match kept {
            Some(session) => session,
            None => reach(&route, connect_timeout, progress).await?,
        };
        Ok(Self {
            route,
            session: Mutex::new(Arc::new(session)),
            channels: Semaphore::new(MAX_CHANNELS),
            doubtful,
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

    /// Starts a command, with the file it reads, if it reads one. Only until it runs may anything be tried again.
    async fn start(
        &self,
        command: &Command,
    ) -> Result<(openssh::Child<Arc<Session>>, Option<Moving>), HostError> {
        let line = transport::line(command);
        let mut retry = Retry::every(Duration::from_millis(100))
            .within(command.timeout)
            .with_jitter();
        let mut renewed = false;
        loop {
            let session = Arc::clone(&*self.session.lock().await);
            let (moving, input) = self.input(&command.input)?;
            let mut remote = Arc::clone(&session).arc_raw_command(&line);
            remote
                .stdin(input)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            let doubtful = self.doubtful.load(Ordering::Relaxed);
            let limit = if doubtful { OPEN_KEPT } else { OPEN };
            let failure = match timeout(limit, remote.spawn()).await {
                Ok(Ok(child)) => {
                    self.doubtful.store(false, Ordering::Relaxed);
                    return Ok((child, moving));
                }
                Ok(Err(error)) => error,
                Err(_) => {
                    self.give_up(&session).await;
                    if doubtful && !renewed {
                        renewed = true;
                        self.renew(&session).await?;
                        continue;
                    }
                    return Err(self.silent(limit, format!("opening `{}`", command.program)));
                }
            };
            let words = chain(&failure);
            if words.contains("refused by peer") && !retry.is_over() {
                // Another deployer uses the same connection, too.
                retry.pause().await;
            } else if session.check().await.is_err() && !renewed {
                renewed = true;
                self.renew(&session).await?;
            } else {
                return Err(self.connection(words));
            }
        }
    }

    /// Lets the next command line not find this connection again. Its master ends as soon as it knows that the machine is gone; that
    /// it cannot be told to is no trouble beside the machine's silence.
    async fn give_up(&self, session: &Session) {
        let master = Session::resume_mux(session.control_socket().into(), None);
        let _ = timeout(PROBE, master.close()).await;
        let _ = std::fs::remove_dir_all(&self.route.control);
    }

    /// Opens the connection anew, once for all commands that found it gone.
    async fn renew(&self, gone: &Arc<Session>) -> Result<(), HostError> {
        let mut session = self.session.lock().await;
        if Arc::ptr_eq(&session, gone) {
            *session = Arc::new(reach(&self.route, ANEW, &|_| {}).await?);
            self.doubtful.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    fn input(&self, input: &Input) -> Result<(Option<Moving>, Stdio), HostError> {
        Ok(match input {
            Input::Nothing => (None, Stdio::null()),
            Input::Bytes(_) | Input::Held(_) => (None, Stdio::piped()),
            Input::Own => (None, Stdio::inherit()),
            // The master reads the file itself: nothing is copied through this process.
            Input::File(path) => {
                let opened = Moving::open(path).map_err(|source| HostError::Local {
                    node: self.route.node.clone(),
                    path: path.clone(),
                    source,
                })?;
                (Some(opened.0), opened.1.into())
            }
        })
    }

    async fn finish(
        &self,
        mut child: openssh::Child<Arc<Session>>,
        command: &Command,
        out: Option<Bytes<'_>>,
        line: Line<'_>,
    ) -> Result<Output, HostError> {
        let stdin = child.stdin().take();
        let (Some(stdout), Some(stderr)) = (child.stdout().take(), child.stderr().take()) else {
            return Err(self.connection("a command without outputs"));
        };
        let (bytes, stays_open) = exchange::bytes(command);
        let feed = stdin.map(|pipe| Feed {
            pipe,
            bytes,
            stays_open,
        });
        let own = exchange::own_lines(line);
        let live = out.map(OwnBytes::new);
        let hear = |bytes: &[u8]| live.iter().for_each(|live| live.hear(bytes));
        let ear = if live.is_some() {
            Ear::Live(&hear)
        } else {
            Ear::Whole
        };
        let (stdout, stderr) = process::exchange(feed, (stdout, ear), (stderr, Ear::Lines(&own)))
            .await
            .map_err(|error| self.connection(format!("`{}`: {error}", command.program)))?;
        let stdout = live.map_or(stdout, OwnBytes::end);
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
    async fn run_heard(
        &self,
        command: &Command,
        out: Option<Bytes<'_>>,
        line: Line<'_>,
    ) -> Result<Output, HostError> {
        let _channel = self.channels.acquire().await;
        let (child, moving) = self.start(command).await?;
        let started = Instant::now();
        let limit = command.timeout + exchange::GRACE;
        let work = self.finish(child, command, out, line);
        let output = match moving {
            Some(moving) => moving.watch(limit, line, work).await,
            None => timeout(limit, work).await.ok(),
        };
        let output =
            output.ok_or_else(|| self.silent(limit, format!("during `{}`", command.program)))??;
        exchange::judge(&self.route.node, command, &output, started.elapsed())
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
