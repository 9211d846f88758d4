//! Connecting by SSH: taking up what an earlier command line left, else reaching the machine, with patience.

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::{Duration, SystemTime};

use openssh::{ControlPersist, KnownHosts, Session, SessionBuilder};
use tokio::time::timeout;

use super::route::Route;
use super::ssh_error::{Failure, HANDSHAKE, interpret};
use super::{HostError, Line, jump, ssh_program};
use crate::causes::chain;
use crate::retry::Retry;

/// How long an unused connection stays.
pub(super) const KEPT: NonZeroUsize = NonZeroUsize::new(600).expect("not zero");
/// How long a kept master, a process of this box, may take to answer.
pub(super) const PROBE: Duration = Duration::from_millis(500);
/// How long a machine may take, at least, that takes connections and does not get to answer on them: it just started, or has much to do.
const BUSY: Duration = Duration::from_secs(30);
/// The directory of a connection attempt that is younger than this may still be at work.
const ATTEMPT: Duration = Duration::from_mins(1);
/// The crate's name for the directories that hold control sockets.
const SOCKET_PREFIX: &str = ".ssh-connection";

/// The connection that an earlier command line left, if it still stands. What is left of dead ones is removed.
pub(super) async fn resume(control: &Path) -> Option<Session> {
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

pub(super) async fn reach(
    route: &Route,
    connect_timeout: Duration,
    progress: Line<'_>,
) -> Result<Session, HostError> {
    let mut retry = Retry::growing(Duration::from_millis(100), 10)
        .within(connect_timeout)
        .with_jitter();
    let mut listens = connect_timeout.is_zero();
    loop {
        // Where something listens a knock is one more newcomer that its sshd counts, and drops others for.
        if !listens {
            knock(route, retry.left().min(Duration::from_secs(2))).await;
        }
        // Short at first, since a machine that boots answers late to the knock it missed, not at all to the one it lost.
        let seconds = 2_u64
            .saturating_mul(u64::from(retry.attempt()))
            .min(retry.left().as_secs())
            .clamp(2, 10);
        let mut failure = match launch(route, seconds).await {
            Ok(session) => return Ok(session),
            Err(failure) => failure,
        };
        // Where a host on the way is to blame, ssh says only that the connection closed.
        if matches!(failure.error, HostError::Connection { .. })
            && let Some(explained) = jump::explain(route).await
        {
            failure = explained;
        }
        let Failure {
            error,
            passing,
            busy,
        } = failure;
        if busy && !connect_timeout.is_zero() {
            retry = retry.within(connect_timeout.max(BUSY));
        }
        if !passing || !retry.leaves(Duration::from_secs(1)) {
            return Err(error);
        }
        progress(&retry.failed(&error));
        listens = matches!(error, HostError::Connection { .. });
        retry.pause().await;
    }
}

/// Waits until something listens, as far as that can be known without ssh: attempts of ssh cost far more than these.
async fn knock(route: &Route, limit: Duration) {
    let Some(address) = route.knock else {
        return;
    };
    let listens = async {
        let mut retry = Retry::every(Duration::from_millis(50));
        loop {
            let attempt = tokio::net::TcpStream::connect(address);
            if let Ok(Ok(_)) = timeout(Duration::from_millis(200), attempt).await {
                return;
            }
            retry.pause().await;
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
        Ok(Err(_)) if ssh_program::is_lacking().await => Err(Failure {
            error: HostError::NoSsh {
                node: route.node.clone(),
            },
            passing: false,
            busy: false,
        }),
        Ok(Err(error)) => Err(failure(&chain(&error))),
        Err(_) => Err(failure(HANDSHAKE)),
    }
}
