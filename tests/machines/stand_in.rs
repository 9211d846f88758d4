//! The stand-in for CouchDB meets requests of strangers: none ends it, and none without a login is answered.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::deployer_command::Deployer;
use crate::watch::{Documents, address, restarted, units};

const METHODS: [&str; 6] = ["GET", "PUT", "POST", "DELETE", "COPY", "OPTIONS"];

const PATHS: [&str; 16] = [
    "/",
    "/x",
    "/x/y",
    "/_all_dbs",
    "/_users/_all_docs",
    "/_users/z",
    "/_session",
    "/_replicate",
    "/_config/admins/me",
    "/_log?bytes=-5",
    "/utilizations1/_all_docs",
    "/utilizations1/_bulk_docs",
    "/utilizations1/_security",
    "/utilizations1/_design/a/_list/b/c",
    "/%ff",
    "/../../etc/passwd",
];

/// What a request says of who sends it: nothing, or what is no login.
const STRANGERS: [&str; 6] = [
    "",
    "Cookie: AuthSession=eA\r\n",
    "Authorization: Basic\r\n",
    "Authorization: Bearer eA==\r\n",
    // `:x`, and a wrong password.
    "Authorization: Basic Ong=\r\n",
    "Authorization: Basic YWRtaW46d3Jvbmc=\r\n",
];

/// Bodies that are no JSON, or other JSON than is wanted.
const BODIES: [&str; 3] = ["{\"a\":1", "null", "{\"docs\":[null]}"];

/// The status of an answer; `None`: there is none.
fn status(at: SocketAddr, request: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(at).expect("it listens");
    let limit = Some(Duration::from_secs(10));
    stream.set_read_timeout(limit).expect("a limit");
    // It may refuse before it has read all.
    let _refused = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _broken_off = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.split(' ').nth(1)?.parse().ok()
}

fn request(method: &str, path: &str, who: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n{who}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Of a deployment whose CouchDB is the stand-in, on `vm3`.
pub(crate) fn strangers_get_nothing(deployer: &Deployer) {
    let at = SocketAddr::new(address(deployer, "vm3"), 5984);
    let before = units(deployer);
    for method in METHODS {
        for path in PATHS {
            for (number, who) in STRANGERS.into_iter().enumerate() {
                let body = BODIES[number % BODIES.len()];
                let answer = status(at, &request(method, path, who, body));
                assert_eq!(answer, Some(401), "{method} {path} {who}");
            }
        }
    }
    // What is no request at all, and what its own administrator should not have sent.
    status(at, "\x16\x03\x01\x02\r\n\r\n");
    status(at, "GET /x\r\n\r\n");
    let documents = Documents::new(deployer, "vm3");
    for path in ["_log?bytes=-5", "%ff", "_users/_design/a/_list/b/c"] {
        let (answer, _) = documents.get(path, Some("admin"));
        assert!(answer >= 400, "{path}: {answer}");
    }
    assert_eq!(documents.get("_all_dbs", Some("admin")).0, 200);
    let none = BTreeSet::new();
    assert_eq!(restarted(&before, &units(deployer)), none);
}
