//! What ssh said when it could not connect, told apart. The kinds of its errors do not separate host keys from timeouts;
//! only its words do.

use super::HostError;

/// A failed attempt to connect.
pub(super) struct Failure {
    /// What went wrong.
    pub(super) error: HostError,
    /// The same attempt may succeed in a moment: the machine is still booting, or its sshd dropped one of many newcomers.
    pub(super) passing: bool,
    /// The machine took the connection, and then did not get to speak in time, or closed it: it is there, and busy.
    pub(super) busy: bool,
}

/// What the crate puts before ssh's own words.
const CRATE: &str = "failed to connect to the remote host: ";

const UNKNOWN_HOST_KEY: &[&str] = &["host key is known"];
const HOST_KEY: &[&str] = &[
    "IDENTIFICATION HAS CHANGED",
    "REVOKED HOST KEY",
    "Host key verification failed",
];
const LOGIN: &[&str] = &[
    "UNPROTECTED PRIVATE KEY FILE",
    "no such identity",
    "Permission denied",
    "Too many authentication failures",
];
const UNRESOLVED: &[&str] = &["Could not resolve hostname"];
const REFUSED: &[&str] = &["Connection refused"];
const SILENT: &[&str] = &[
    "timed out",
    "No route to host",
    "Host is down",
    "Network is unreachable",
];
const DROPPED: &[&str] = &[
    "kex_exchange_identification",
    "banner exchange",
    "Connection closed by",
    "Connection reset by",
    "connection reset",
];

/// What is said where the connection stood, and the other side was silent on it. The last are our own words.
const TAKEN: &[&str] = &["during banner exchange", HANDSHAKE];
/// Our words where ssh itself set no limit.
pub(super) const HANDSHAKE: &str = "the handshake timed out";

/// Turns ssh's words into an error. `seconds` is the attempt's own deadline.
pub(super) fn interpret(node: &str, address: &str, seconds: u64, words: &str) -> Failure {
    let node = node.to_owned();
    let address = address.to_owned();
    let has = |needles: &[&str]| needles.iter().any(|needle| words.contains(needle));
    let detail = |needles: &[&str]| {
        let lines = || {
            words
                .lines()
                .map(|line| line.trim_matches(['@', ' ', '\r']))
        };
        lines()
            .find(|line| needles.iter().any(|needle| line.contains(needle)))
            .or_else(|| lines().rfind(|line| !line.is_empty()))
            .map_or("ssh ended without a word", |line| {
                line.strip_prefix(CRATE).unwrap_or(line)
            })
            .to_owned()
    };

    // Host key and login come first: a refusal by the machine is final, whatever else was said before it.
    if has(UNKNOWN_HOST_KEY) {
        let detail = detail(UNKNOWN_HOST_KEY);
        final_failure(HostError::UnknownHostKey {
            node,
            address,
            detail,
        })
    } else if has(HOST_KEY) {
        let detail = detail(HOST_KEY);
        final_failure(HostError::HostKey {
            node,
            address,
            detail,
        })
    } else if has(LOGIN) {
        let detail = detail(LOGIN);
        final_failure(HostError::Login {
            node,
            address,
            detail,
        })
    } else if has(UNRESOLVED) {
        let detail = detail(UNRESOLVED);
        Failure {
            passing: detail.contains("Temporary failure"),
            busy: false,
            error: HostError::Name {
                node,
                address,
                detail,
            },
        }
    } else if has(REFUSED) {
        passing_failure(HostError::Refused { node, address }, false)
    } else if has(SILENT) {
        let detail = detail(SILENT);
        let busy = has(TAKEN);
        let error = HostError::Timeout {
            node,
            address,
            seconds,
            detail,
        };
        passing_failure(error, busy)
    } else {
        let passing = has(DROPPED);
        let detail = detail(DROPPED);
        Failure {
            error: HostError::Connection { node, detail },
            passing,
            busy: passing,
        }
    }
}

fn final_failure(error: HostError) -> Failure {
    Failure {
        error,
        passing: false,
        busy: false,
    }
}

fn passing_failure(error: HostError, busy: bool) -> Failure {
    Failure {
        error,
        passing: true,
        busy,
    }
}
