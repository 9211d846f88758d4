//! A test Internet: what machines would fetch from outside, served by this box at an address that they reach. Packages are real
//! ones in signed repositories of the test's own.

#![expect(
    clippy::disallowed_methods,
    reason = "tests run the box's own programs"
)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::support::succeed;

/// How a path is answered; any other is not found.
#[derive(Clone)]
pub(crate) enum Page {
    /// With this.
    Body(Vec<u8>),
    /// With a file of this box.
    File(PathBuf),
    /// That it is elsewhere.
    Moved(String),
}

/// Path → page, and the paths that were asked for.
#[derive(Default)]
struct Served {
    pages: BTreeMap<String, Page>,
    asked: Vec<String>,
}

/// The test Internet; it ends with the test's process.
pub(crate) struct Internet {
    /// `http://ADDRESS:PORT`.
    pub(crate) base: String,
    served: Arc<Mutex<Served>>,
}

impl Internet {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let served = Arc::new(Mutex::new(Served::default()));
        let shared = Arc::clone(&served);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || answer(stream, &shared));
            }
        });
        Self {
            base: format!("http://{}:{port}", own_address()),
            served,
        }
    }

    /// Puts a page at a path.
    pub(crate) fn put(&self, path: impl Into<String>, page: Page) {
        let mut served = self.served.lock().expect("pages");
        served.pages.insert(path.into(), page);
    }

    /// How often paths that end so were asked for.
    pub(crate) fn asked(&self, end: &str) -> usize {
        let served = self.served.lock().expect("pages");
        served
            .asked
            .iter()
            .filter(|path| path.ends_with(end))
            .count()
    }

    /// Puts a repository of Debian packages at a path: for one suite, signed by a key. Gives its address.
    pub(crate) fn put_repository(
        &self,
        place: &str,
        suite: &str,
        key: &Key,
        packages: &[&Path],
    ) -> String {
        use std::fmt::Write as _;
        let mut list = String::new();
        for file in packages {
            let bytes = std::fs::read(file).expect("a package");
            let path = file.to_str().expect("a plain path");
            let control = succeed("dpkg-deb", &["--field", path]);
            let name = file
                .file_name()
                .and_then(|name| name.to_str())
                .expect("a name");
            let _ = write!(
                list,
                "{}\nFilename: pool/{name}\nSize: {}\nSHA256: {}\n\n",
                control.trim_end(),
                bytes.len(),
                sha256(&bytes)
            );
            self.put(
                format!("/{place}/pool/{name}"),
                Page::File((*file).to_owned()),
            );
        }
        let architecture = succeed("dpkg", &["--print-architecture"]);
        let architecture = architecture.trim();
        let index = format!("main/binary-{architecture}/Packages");
        let release = format!(
            "Origin: test\nSuite: {suite}\nCodename: {suite}\nArchitectures: {architecture}\nComponents: main\n\
             Date: {}\nSHA256:\n {} {} {index}\n",
            succeed("date", &["-uR"]).trim().replace("+0000", "UTC"),
            sha256(list.as_bytes()),
            list.len()
        );
        let folder = format!("/{place}/dists/{suite}");
        self.put(format!("{folder}/{index}"), Page::Body(list.into_bytes()));
        self.put(
            format!("{folder}/InRelease"),
            Page::Body(key.sign(&release)),
        );
        format!("{}/{place}", self.base)
    }
}

/// The address of this box towards the outside, which its own machines reach, too. Nothing is sent.
fn own_address() -> String {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a socket");
    socket
        .connect((Ipv4Addr::new(198, 51, 100, 1), 9))
        .expect("a route");
    socket.local_addr().expect("an address").ip().to_string()
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn answer(stream: TcpStream, served: &Mutex<Served>) {
    let mut lines = BufReader::new(stream);
    let mut line = String::new();
    if lines.read_line(&mut line).unwrap_or(0) == 0 {
        return;
    }
    // apt writes it so.
    let path = line
        .split(' ')
        .nth(1)
        .unwrap_or_default()
        .replace("%7e", "~");
    while lines.read_line(&mut line).unwrap_or(0) > 2 {}
    let page = {
        let mut served = served.lock().expect("pages");
        served.asked.push(path.clone());
        served.pages.get(&path).cloned()
    };
    let (status, more, body) = match page {
        Some(Page::Body(body)) => ("200 OK", String::new(), body),
        Some(Page::File(file)) => (
            "200 OK",
            String::new(),
            std::fs::read(file).expect("a file"),
        ),
        Some(Page::Moved(place)) => ("302 Found", format!("location: {place}\r\n"), Vec::new()),
        None => ("404 Not Found", String::new(), Vec::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\n{more}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let mut stream = lines.into_inner();
    // A client that has given up closes the connection; that is no failure here.
    let _gone = stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(&body));
}

/// A key that signs repositories, thrown away with the test.
pub(crate) struct Key {
    home: TempDir,
}

impl Key {
    pub(crate) fn new() -> Self {
        if Command::new("gpg").arg("--version").output().is_err() {
            println!("this test signs packages: installing gpg by apt");
            succeed(
                "apt-get",
                &[
                    "install",
                    "-y",
                    "-qq",
                    "--no-install-recommends",
                    "gpg",
                    "gpg-agent",
                ],
            );
        }
        let key = Self {
            home: tempfile::tempdir().expect("a directory"),
        };
        key.gpg(
            &[
                "--passphrase",
                "",
                "--quick-generate-key",
                "test",
                "ed25519",
                "sign",
                "never",
            ],
            b"",
        );
        key
    }

    fn gpg(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let mut gpg = Command::new("gpg");
        gpg.args([
            "--batch",
            "--quiet",
            "--pinentry-mode",
            "loopback",
            "--homedir",
        ])
        .arg(self.home.path())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
        let mut child = gpg.spawn().expect("gpg runs");
        child
            .stdin
            .take()
            .expect("its input")
            .write_all(input)
            .expect("taken");
        let output = child.wait_with_output().expect("gpg ends");
        assert!(output.status.success(), "gpg {arguments:?}");
        output.stdout
    }

    fn sign(&self, text: &str) -> Vec<u8> {
        self.gpg(&["--clearsign"], text.as_bytes())
    }

    /// The public key, armoured.
    pub(crate) fn public(&self) -> Vec<u8> {
        self.gpg(&["--armor", "--export"], b"")
    }

    /// The public key as a file.
    pub(crate) fn file(&self) -> PathBuf {
        let path = self.home.path().join("public.asc");
        std::fs::write(&path, self.public()).expect("a file");
        path
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        let _none_runs = Command::new("gpgconf")
            .arg("--homedir")
            .arg(self.home.path())
            .args(["--kill", "gpg-agent"])
            .output();
    }
}

/// Builds a package that behaves as Apache's does: it asks, makes a user, gives it its configuration, and starts its unit at once.
pub(crate) fn stand_in_package(directory: &Path, version: &str) -> PathBuf {
    let tree = directory.join(format!("couchdb-{version}"));
    let architecture = succeed("dpkg", &["--print-architecture"]);
    let control = format!(
        "Package: couchdb\nVersion: {version}\nArchitecture: {}\nMaintainer: Tests <tests@example.org>\nDepends: debconf\n\
         Description: behaves like Apache's package\n",
        architecture.trim()
    );
    let files = [
        ("DEBIAN/control", 0o644, control.as_str()),
        ("DEBIAN/templates", 0o644, TEMPLATES),
        ("DEBIAN/config", 0o755, CONFIG),
        ("DEBIAN/postinst", 0o755, POSTINST),
        ("opt/couchdb/etc/default.ini", 0o644, "[couchdb]\n"),
        (
            "opt/couchdb/bin/couchdb",
            0o755,
            "#!/bin/sh\nexec sleep infinity\n",
        ),
        ("lib/systemd/system/couchdb.service", 0o644, UNIT),
    ];
    for (name, mode, text) in files {
        use std::os::unix::fs::PermissionsExt as _;
        let path = tree.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, text).expect("a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("a mode");
    }
    let package = directory.join(format!("couchdb_{version}.deb"));
    let (tree, path) = (
        tree.to_str().expect("plain"),
        package.to_str().expect("plain"),
    );
    succeed(
        "dpkg-deb",
        &["--root-owner-group", "-Zgzip", "--build", tree, path],
    );
    package
}

const TEMPLATES: &str = "Template: couchdb/mode\nType: select\nChoices: standalone, clustered, none\nDefault: standalone\n\
                         Description: How?\n\nTemplate: couchdb/cookie\nType: string\nDescription: Cookie?\n";
const CONFIG: &str = "#!/bin/sh\nset -e\n. /usr/share/debconf/confmodule\ndb_input high couchdb/mode || true\n\
                      db_input high couchdb/cookie || true\ndb_go || true\n";
const POSTINST: &str = "#!/bin/sh\nset -e\n. /usr/share/debconf/confmodule\ndb_get couchdb/mode\n\
                        if [ \"$RET\" != none ]; then echo 'wrong answer' >&2; exit 1; fi\n\
                        db_get couchdb/cookie\nif [ -z \"$RET\" ]; then echo 'no cookie' >&2; exit 1; fi\n\
                        if ! getent passwd couchdb >/dev/null; then useradd --system --home-dir /opt/couchdb couchdb; fi\n\
                        chown -R couchdb:couchdb /opt/couchdb/etc\nsystemctl daemon-reload || true\n\
                        systemctl enable couchdb.service || true\nsystemctl start couchdb.service || true\n";
const UNIT: &str = "[Unit]\nDescription=CouchDB\n[Service]\nUser=couchdb\nExecStart=/opt/couchdb/bin/couchdb\n\
                    [Install]\nWantedBy=multi-user.target\n";
