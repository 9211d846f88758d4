//! A real sshd on loopback, with keys of its own, for the tests of the SSH side.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use deployer::host::{Connector, Host, HostError};
use deployer::machine::{Access, Machine, SshAccess};
use deployer::run::keys::Keys;

/// The server; ends with the test.
pub(crate) struct Sshd {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) port: u16,
    process: Option<Child>,
    keys: Keys,
}

/// Sends a signal to a process. A connection may end by itself as soon as the server goes on.
fn send(process: u32, signal: rustix::process::Signal) {
    let id = i32::try_from(process)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    match rustix::process::kill_process(id.expect("an id"), signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(error) => panic!("process {process}: {error}"),
    }
}

/// Lets processes go on that stand still.
pub(crate) fn thaw(processes: &[u32]) {
    for process in processes {
        send(*process, rustix::process::Signal::CONT);
    }
}

/// The server's program; `None`, where there is none.
fn program() -> Option<PathBuf> {
    let found = ["/usr/sbin/sshd", "/usr/local/sbin/sshd"]
        .map(PathBuf::from)
        .into_iter()
        .find(|path| path.exists());
    if found.is_none() {
        crate::skip::skip("there is no sshd (apt-get install openssh-server)");
    }
    found
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests start the server they talk to"
)]
pub(crate) fn command(program: &Path) -> Command {
    Command::new(program)
}

pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

impl Sshd {
    /// A server that runs, with more lines for its configuration; `None` where there is no sshd.
    pub(crate) fn start(more: &str) -> Option<Self> {
        let mut sshd = Self::prepare(more)?;
        sshd.run();
        Some(sshd)
    }

    /// A server that could run.
    pub(crate) fn prepare(more: &str) -> Option<Self> {
        program()?;
        let directory = tempfile::tempdir().expect("directory");
        let keys =
            Keys::ensure(directory.path(), &["node".to_owned(), "other".to_owned()]).expect("keys");
        let host_key = keys.host("node").expect("host key");
        let here = directory.path().display();
        fs::write(directory.path().join("authorized"), keys.user_public()).expect("written");
        let config = format!(
            "ListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {here}/authorized\nStrictModes no\nUsePAM no\n\
             PidFile none\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nLogLevel VERBOSE\n{more}\n",
            host_key.path.display()
        );
        fs::write(directory.path().join("sshd_config"), config).expect("written");
        fs::create_dir_all(directory.path().join("runtime")).expect("made");
        Some(Self {
            directory,
            port: free_port(),
            process: None,
            keys,
        })
    }

    /// Starts the server and waits until it listens.
    pub(crate) fn run(&mut self) {
        let program = program().expect("sshd");
        if is_root() {
            // Debian's sshd wants this directory when it runs as root.
            fs::create_dir_all("/run/sshd").expect("made");
        }
        // A port that was free may be somebody else's by now.
        while !self.listens(&program) {
            self.stop();
            self.port = free_port();
        }
    }

    /// Starts the server; `false`: its port is taken.
    fn listens(&mut self, program: &Path) -> bool {
        // A server that is started again writes on.
        let before = self.log().len();
        let process = command(program)
            .arg("-D")
            .args(["-p", &self.port.to_string()])
            .arg("-f")
            .arg(self.directory.path().join("sshd_config"))
            .arg("-E")
            .arg(self.log_path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sshd starts");
        self.process = Some(process);
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let log = self.log();
            let said = &log[before..];
            if said.contains("Address already in use") {
                return false;
            }
            if said.contains("Server listening") {
                return true;
            }
            assert!(Instant::now() < deadline, "sshd: {log}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Stops the server; connections that stand go on.
    pub(crate) fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("killed");
            process.wait().expect("waited for");
        }
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("sshd.log")
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Lets the server and its connections stand still, as a machine does that lost its power; returns their processes.
    pub(crate) fn freeze(&self) -> Vec<u32> {
        // Each before its children are looked for: what stands still makes no more of them.
        self.processes(|process| send(process, rustix::process::Signal::STOP))
    }

    /// The server and its connections; `visit` sees each before its children are looked for.
    fn processes(&self, visit: impl Fn(u32)) -> Vec<u32> {
        let mut all = vec![self.process.as_ref().expect("it runs").id()];
        let mut next = 0;
        while let Some(process) = all.get(next).copied() {
            visit(process);
            let children = format!("/proc/{process}/task/{process}/children");
            let children = fs::read_to_string(children).unwrap_or_default();
            all.extend(
                children
                    .split_whitespace()
                    .map(|id| id.parse::<u32>().expect("an id")),
            );
            next += 1;
        }
        assert!(all.len() > 1, "no connection to signal");
        all
    }

    /// How many connections logged in.
    pub(crate) fn logins(&self) -> usize {
        self.log().matches("Accepted publickey").count()
    }

    /// The control sockets of connections in the background.
    pub(crate) fn control_sockets(&self) -> Vec<PathBuf> {
        let list = |path: &Path| -> Vec<PathBuf> {
            fs::read_dir(path)
                .into_iter()
                .flatten()
                .map(|entry| entry.expect("entry").path())
                .collect()
        };
        let nodes = list(&self.directory.path().join("runtime/deployer"));
        let attempts = nodes.iter().flat_map(|node| list(node));
        attempts
            .map(|attempt| attempt.join("master"))
            .filter(|socket| socket.exists())
            .collect()
    }

    /// How the server is reached when all is right.
    pub(crate) fn access(&self) -> SshAccess {
        SshAccess {
            address: "127.0.0.1".into(),
            user: Some(user()),
            port: Some(self.port),
            key: Some(self.keys.user().path.display().to_string()),
            host_key: Some(self.keys.host("node").expect("host key").public),
            jump: None,
        }
    }

    /// A host key that the server does not have.
    pub(crate) fn other_host_key(&self) -> String {
        self.keys.host("other").expect("host key").public
    }

    /// Connects as a node of this name.
    pub(crate) async fn connect_as(
        &self,
        nodes: &BTreeMap<String, SshAccess>,
        node: &str,
        patience: Duration,
        progress: &(dyn Fn(&str) + Send + Sync),
    ) -> Result<Box<dyn Host>, HostError> {
        let machines: BTreeMap<String, Machine> = nodes
            .iter()
            .map(|(node, access)| (node.clone(), machine(node, access)))
            .collect();
        let connector = Connector::new(
            &machines,
            self.directory.path(),
            Some(&self.directory.path().join("runtime")),
            self.directory.path(),
        )
        .expect("prepared");
        connector.connect(&machines[node], patience, progress).await
    }

    /// Connects to one node, once.
    pub(crate) async fn connect(&self, access: &SshAccess) -> Result<Box<dyn Host>, HostError> {
        self.connect_as(
            &[("node".to_owned(), access.clone())].into(),
            "node",
            Duration::ZERO,
            &|_| {},
        )
        .await
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // A test that failed leaves its connections.
        for socket in self.control_sockets() {
            let mut exit = command(Path::new("ssh"));
            let ended = exit
                .arg("-S")
                .arg(socket)
                .args(["-O", "exit", "node"])
                .output();
            assert!(ended.is_ok(), "ssh cannot be started");
        }
        self.stop();
    }
}

fn machine(node: &str, access: &SshAccess) -> Machine {
    Machine {
        node: node.into(),
        id: node.into(),
        access: Access::Ssh(access.clone()),
        networks: BTreeMap::new(),
        public: None,
        operator: None,
    }
}

fn is_root() -> bool {
    user() == "root"
}

fn user() -> String {
    let output = command(Path::new("id")).arg("-un").output().expect("id");
    String::from_utf8(output.stdout)
        .expect("text")
        .trim()
        .to_owned()
}
