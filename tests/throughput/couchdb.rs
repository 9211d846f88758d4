//! A real `CouchDB` from an archive, as a process of this machine; or its double in this process.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use agent::admin::readers::{self, GUARD};
use agent::sink::couchdb::{self, Couchdb};
use reqwest::Method;
use tokio::runtime::Runtime;

use crate::cluster::free;
use crate::double::Double;
use crate::lab::wait_until;

/// How long a request may take.
const PATIENCE: Duration = Duration::from_mins(1);

pub struct Server {
    /// What it is, for whoever reads the figures.
    pub kind: &'static str,
    pub url: String,
    pub client: Couchdb,
    pub runtime: Runtime,
    _running: Running,
}

/// What ends with the server.
enum Running {
    Release(Release),
    Double(Double),
}

/// A process that is ended when this is dropped.
struct Release(Child);

impl Server {
    /// Starts the release whose archive the environment names, or else the tests' double: that stores in memory and in
    /// no time, so that both sides of a ratio show what the clients cost and nothing else.
    pub fn start(directory: &Path) -> Self {
        let archive = std::env::var_os("DEPLOYER_TEST_COUCHDB");
        let (kind, url, running) = if let Some(archive) = archive {
            let (url, release) = release(Path::new(&archive), directory);
            ("CouchDB", url, Running::Release(release))
        } else {
            let double = Double::start();
            let kind = "the double of CouchDB (DEPLOYER_TEST_COUCHDB names no archive)";
            (kind, double.url.clone(), Running::Double(double))
        };
        let server = Self {
            kind,
            client: couchdb::Server::at(&url).login("admin", "adminpw").unwrap(),
            url,
            runtime: Runtime::new().unwrap(),
            _running: running,
        };
        wait_until("CouchDB is up", || {
            server.ask(Method::GET, "_up", None) == 200
        });
        server
    }

    fn ask(&self, method: Method, path: &str, body: Option<String>) -> u16 {
        let answer = self.client.request(method, path, &[], body, PATIENCE);
        self.runtime
            .block_on(answer)
            .map_or(0, |answer| answer.status.as_u16())
    }

    /// Makes a database and the one of its dead letters.
    pub fn make(&self, name: &str) {
        for name in [name.to_owned(), format!("{name}-dead-letters")] {
            assert_eq!(self.ask(Method::PUT, &name, None), 201);
        }
    }

    /// Refuses to readers of a database what they would write.
    pub fn guard(&self, name: &str) {
        let (path, guard) = (format!("{name}/{GUARD}"), readers::guard("admin"));
        assert_eq!(self.ask(Method::PUT, &path, Some(guard.to_string())), 201);
    }

    /// Returns how many documents a database has.
    pub fn count(&self, name: &str) -> usize {
        let found = self
            .runtime
            .block_on(self.client.get_json(name, &[], PATIENCE))
            .unwrap();
        usize::try_from(found["doc_count"].as_u64().unwrap()).unwrap()
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Unpacks a release and starts it; returns its address.
fn release(archive: &Path, directory: &Path) -> (String, Release) {
    let root = directory.join("couchdb");
    let archive = File::open(archive).unwrap();
    tar::Archive::new(flate2::read::GzDecoder::new(archive))
        .unpack(&root)
        .unwrap();
    let release = root.join("couchdb");
    let listens = free();
    let data = root.join("data");
    let settings = format!(
        "[couchdb]\nsingle_node = true\ndatabase_dir = {data}\nview_index_dir = {data}\n[chttpd]\nbind_address = 127.0.0.1\n\
         port = {}\n[admins]\nadmin = adminpw\n[log]\nlevel = error\n",
        listens.port(),
        data = data.display()
    );
    let local = release.join("etc/local.d");
    std::fs::create_dir_all(&local).unwrap();
    std::fs::write(local.join("bench.ini"), settings).unwrap();
    // A node with a name starts Erlang's name server, which would stay when all else has ended.
    let arguments = release.join("etc/vm.args");
    let text = std::fs::read_to_string(&arguments).unwrap();
    let nameless: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("-name "))
        .collect();
    std::fs::write(arguments, nameless.join("\n")).unwrap();
    let log = File::create(root.join("log")).unwrap();
    let child = Command::new(release.join("bin/couchdb"))
        .env("HOME", &root)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    (format!("http://{listens}"), Release(child))
}
