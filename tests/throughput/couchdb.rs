//! A real `CouchDB` from an archive, as a process of this machine.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use agent::store::couchdb::Couchdb;
use reqwest::Method;
use tokio::runtime::Runtime;

use crate::cluster::free;
use crate::lab::wait_until;

/// How long a request may take.
const PATIENCE: Duration = Duration::from_mins(1);

pub struct Server {
    child: Child,
    pub url: String,
    pub client: Couchdb,
    pub runtime: Runtime,
}

impl Server {
    /// Unpacks and starts the archive that the environment names.
    pub fn start(directory: &Path) -> Option<Self> {
        let archive = File::open(std::env::var_os("DEPLOYER_TEST_COUCHDB")?).unwrap();
        let root = directory.join("couchdb");
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
        let log = File::create(root.join("log")).unwrap();
        let child = Command::new(release.join("bin/couchdb"))
            .env("HOME", &root)
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let url = format!("http://{listens}");
        let server = Self {
            child,
            client: Couchdb::new(&url, "admin", "adminpw").unwrap(),
            url,
            runtime: Runtime::new().unwrap(),
        };
        wait_until("CouchDB is up", || {
            server.ask(Method::GET, "_up", None) == 200
        });
        Some(server)
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

    /// Returns how many documents a database has.
    pub fn count(&self, name: &str) -> usize {
        let found = self
            .runtime
            .block_on(self.client.get_json(name, &[], PATIENCE))
            .unwrap();
        usize::try_from(found["doc_count"].as_u64().unwrap()).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
