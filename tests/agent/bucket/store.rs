//! A bucket of moto's, and a way to it that fails as it is told.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

use crate::moto::Moto;

/// What becomes of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// They go to the store.
    Open,
    /// They wait until there is another way.
    Silent,
    /// The connection breaks off.
    Reset,
    /// This is the answer: status, and the body.
    Answer(u16, String),
    /// It is the service by which a machine asks about itself: keys are good for so many seconds.
    Profile(i64),
}

/// The way to a store: one request for each connection.
pub struct Front {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    store: u16,
    way: Mutex<Way>,
    changed: Condvar,
    /// The first lines of requests.
    asked: Mutex<Vec<String>>,
}

impl Front {
    fn before(store: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            store,
            way: Mutex::new(Way::Open),
            changed: Condvar::new(),
            asked: Mutex::default(),
        });
        let of_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&of_thread);
                // A client that is killed breaks off; that is what it does then.
                std::thread::spawn(move || drop(shared.serve(client)));
            }
        });
        Self { address, shared }
    }

    pub fn set(&self, way: Way) {
        *self.shared.way.lock().unwrap() = way;
        self.shared.changed.notify_all();
    }

    /// Returns how many requests had this in their first line.
    pub fn asked(&self, what: &str) -> usize {
        let asked = self.shared.asked.lock().unwrap();
        asked.iter().filter(|line| line.contains(what)).count()
    }
}

impl Shared {
    fn serve(&self, mut client: TcpStream) -> std::io::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        self.asked
            .lock()
            .unwrap()
            .extend(head.lines().next().map(str::to_owned));
        let way = self.way.lock().unwrap();
        let way = self
            .changed
            .wait_while(way, |way| *way == Way::Silent)
            .unwrap()
            .clone();
        match way {
            Way::Open | Way::Silent => {
                let mut store = TcpStream::connect(("127.0.0.1", self.store))?;
                let once = head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
                store.write_all(once.as_bytes())?;
                std::io::copy(&mut store, &mut client).map(drop)
            }
            Way::Reset => Ok(()),
            Way::Answer(status, body) => answer(&mut client, status, &body),
            Way::Profile(seconds) => {
                let has_token = head
                    .to_lowercase()
                    .contains("x-aws-ec2-metadata-token: it is i");
                let path = head.split(' ').nth(1).unwrap_or_default();
                match path.rsplit('/').next() {
                    Some("token") if head.starts_with("PUT ") => {
                        answer(&mut client, 200, "it is i")
                    }
                    _ if !has_token => answer(&mut client, 401, ""),
                    Some("") => answer(&mut client, 200, "role"),
                    _ => {
                        let end = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
                        let keys = format!(
                            "{{\"Code\":\"Success\",\"AccessKeyId\":\"ASIAEXAMPLE\",\"SecretAccessKey\":\"geheim\",\"Token\":\"t\",\"Expiration\":\"{end}\"}}"
                        );
                        answer(&mut client, 200, &keys)
                    }
                }
            }
        }
    }
}

/// Who puts objects there: moto looks at no signature, but lets nobody write over an object.
const SOMEBODY: &str = "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";

fn answer(client: &mut TcpStream, status: u16, body: &str) -> std::io::Result<()> {
    write!(
        client,
        "HTTP/1.1 {status} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// A bucket of a test's own.
pub struct Bucket {
    pub name: String,
    pub front: Front,
    store: u16,
}

impl Bucket {
    /// Makes one; nothing where moto cannot be had.
    pub fn new(name: &str) -> Option<Self> {
        let store = Moto::shared()?.port;
        let bucket = Self {
            name: name.to_owned(),
            front: Front::before(store),
            store,
        };
        bucket.send(&format!("PUT /{name}"), b"");
        Some(bucket)
    }

    pub fn put(&self, key: &str, contents: &[u8]) {
        self.send(&format!("PUT /{}/{key}", self.name), contents);
    }

    pub fn delete(&self, key: &str) {
        self.send(&format!("DELETE /{}/{key}", self.name), b"");
    }

    /// The body of a producer's table of its source.
    pub fn source(&self, credentials: &std::path::Path, more: &str) -> String {
        self.source_by(&format!(
            "credentials_file = \"{}\"\n{more}",
            credentials.display()
        ))
    }

    /// The same, with other keys.
    pub fn source_by(&self, keys: &str) -> String {
        format!(
            "kind = \"bucket\"\ncount = 0\nname = {:?}\nendpoint = \"http://{}\"\ninterval_ms = 100\n{keys}\n",
            self.name, self.front.address
        )
    }

    fn send(&self, what: &str, body: &[u8]) {
        let mut store = TcpStream::connect(("127.0.0.1", self.store)).unwrap();
        let head = format!(
            "{what} HTTP/1.1\r\nHost: s3.amazonaws.com\r\nAuthorization: {SOMEBODY}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        store.write_all(head.as_bytes()).unwrap();
        store.write_all(body).unwrap();
        let mut answer = String::new();
        store.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 2"), "{what}: {answer}");
    }
}
