//! A real `MariaDB` as a process of this machine, on loopback, which shows a certificate.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use sqlx::AssertSqlSafe;
use sqlx::mysql::{MySqlConnectOptions, MySqlPool};

use crate::certificates::Authority;
use crate::cluster::free;
use crate::lab::{secret, wait_until};

/// Debian's packages that the server's program is in, and what a small machine may lack of what it needs.
const PACKAGES: [&str; 3] = ["mariadb-server-core", "libaio1", "liburing2"];
/// The files that make its own tables, in their order.
const TABLES: [&str; 3] = [
    "mysql_system_tables.sql",
    "mysql_performance_tables.sql",
    "mysql_system_tables_data.sql",
];

pub struct Mariadb {
    directory: PathBuf,
    pub listens: SocketAddr,
    pub authority: Authority,
    child: Option<Child>,
}

impl Mariadb {
    /// Starts it, with a database and a user of which `agent.password` is the password.
    pub fn start(directory: &Path) -> Self {
        std::fs::create_dir(directory).unwrap();
        let mut sql = String::from("CREATE DATABASE mysql;\nUSE mysql;\n");
        for name in TABLES {
            sql += &std::fs::read_to_string(unpacked().join("usr/share/mysql").join(name)).unwrap();
        }
        sql += "FLUSH PRIVILEGES;\nCREATE DATABASE d;\nCREATE DATABASE c;\nCREATE USER agent@'%' IDENTIFIED BY 'the word';\n\
                GRANT SELECT, INSERT, UPDATE, CREATE, ALTER ON d.* TO agent@'%';\n\
                GRANT SELECT, INSERT, UPDATE, CREATE, ALTER, DELETE ON c.* TO agent@'%';\nCREATE USER maker@'%' IDENTIFIED BY 'the word';\n\
                GRANT ALL ON d.* TO maker@'%';\n";
        let mut child = server(directory)
            .arg("--bootstrap")
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(sql.as_bytes()).unwrap();
        drop(input);
        let made = child.wait().unwrap().success();
        let log = std::fs::read_to_string(directory.join("mariadb.log")).unwrap();
        assert!(made, "its tables are not made:\n{log}");
        let authority = Authority::new(directory, "authority");
        authority.issue("server");
        secret(directory, "agent.password", "the word");
        let mut mariadb = Self {
            directory: directory.to_owned(),
            listens: free(),
            authority,
            child: None,
        };
        mariadb.up();
        mariadb
    }

    /// Starts it again.
    pub fn up(&mut self) {
        let file = |name: &str| self.directory.join("authority").join(name);
        let child = server(&self.directory)
            .arg("--bind-address=127.0.0.1")
            .arg(format!("--port={}", self.listens.port()))
            .arg(format!("--ssl-cert={}", file("server.pem").display()))
            .arg(format!("--ssl-key={}", file("server.key").display()))
            .arg("--max-allowed-packet=1M")
            .spawn()
            .unwrap();
        self.child = Some(child);
        wait_until("MariaDB listens", || {
            TcpStream::connect(self.listens).is_ok()
        });
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// The keys that lead to it, as somebody who may write.
    pub fn access(&self) -> String {
        format!(
            "host = \"127.0.0.1\"\nport = {}\nca_file = \"{}\"\nuser = \"agent\"\npassword_file = \"{}\"\ndatabase = \"d\"\n",
            self.listens.port(),
            self.authority.file().display(),
            self.password().display(),
        )
    }

    /// The file of the password.
    pub fn password(&self) -> PathBuf {
        self.directory.join("agent.password")
    }

    /// Asks for one number.
    pub fn number(&self, question: &str) -> i64 {
        runtime().block_on(async {
            let pool = self.pool();
            let answer = sqlx::query_scalar(AssertSqlSafe(question)).fetch_one(&pool);
            let number = answer.await.unwrap();
            pool.close().await;
            number
        })
    }

    /// Connections of somebody who may do anything with its tables.
    pub fn pool(&self) -> MySqlPool {
        let options = MySqlConnectOptions::new()
            .host("127.0.0.1")
            .port(self.listens.port())
            .username("maker")
            .password("the word")
            .database("d");
        MySqlPool::connect_lazy_with(options)
    }
}

impl Drop for Mariadb {
    fn drop(&mut self) {
        self.kill();
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().unwrap()
}

/// The server's program, with a directory of a test's own and no settings of the machine's.
fn server(directory: &Path) -> Command {
    let root = unpacked();
    let libraries = ["usr/lib", "lib"].map(|place| {
        format!(
            "{}/{place}/{}-linux-gnu",
            root.display(),
            std::env::consts::ARCH
        )
    });
    let log = std::fs::File::options()
        .append(true)
        .create(true)
        .open(directory.join("mariadb.log"))
        .unwrap();
    let mut command = Command::new(root.join("usr/sbin/mariadbd"));
    command
        .env("LD_LIBRARY_PATH", libraries.join(":"))
        .arg("--no-defaults")
        .arg(format!("--basedir={}/usr", root.display()))
        .arg(format!(
            "--lc-messages-dir={}/usr/share/mysql",
            root.display()
        ))
        .arg(format!("--datadir={}/data", directory.display()))
        .arg(format!("--socket={}/socket", directory.display()))
        // Each that starts removes what it takes for its own temporary tables.
        .arg(format!("--tmpdir={}/tmp", directory.display()))
        .arg("--user=root")
        // The machine has only so many for all that runs on it.
        .arg("--innodb-use-native-aio=0")
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    for own in ["data", "tmp"] {
        std::fs::create_dir_all(directory.join(own)).unwrap();
    }
    command
}

/// Returns where Debian's packages are unpacked, which is done once; nothing is installed.
fn unpacked() -> &'static Path {
    static UNPACKED: OnceLock<PathBuf> = OnceLock::new();
    UNPACKED.get_or_init(|| {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mariadb");
        if place.join("done").exists() {
            return place;
        }
        eprintln!(
            "MariaDB's packages are fetched once, into {}",
            place.display()
        );
        std::fs::create_dir_all(&place).unwrap();
        let fetched = Command::new("apt-get")
            .args(["download", "-qq"])
            .args(PACKAGES)
            .current_dir(&place)
            .status()
            .unwrap();
        assert!(fetched.success(), "apt-get download {}", PACKAGES.join(" "));
        for entry in std::fs::read_dir(&place).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "deb") {
                let mut unpack = Command::new("dpkg-deb");
                let unpacked = unpack.arg("-x").arg(&path).arg(&place).status();
                assert!(unpacked.unwrap().success(), "{}", path.display());
            }
        }
        std::fs::write(place.join("done"), "").unwrap();
        place
    })
}
