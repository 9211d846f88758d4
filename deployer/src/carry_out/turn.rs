//! One at a time across laptops: whoever changes a deployment that several may change has its turn, kept on one of its nodes. It is
//! renewed while its holder is at work, and over soon after he died.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinHandle;

use crate::cli::Environment;
use crate::error::CommandError;
use crate::facts::Query;
use crate::host::{Command, Connector, Host, Input, Output};
use crate::machine::Machine;
use crate::observe::older;
use crate::prepare::recorded;
use crate::reach::connections::{CONNECT_TIMEOUT_RUNNING, Connections};
use crate::receipt::Receipt;
use crate::report::{Event, Reporter};
use crate::run::Executor as _;
use crate::step::{StateMark, sha256};

const TURN: &str = include_str!("turn.sh");
/// The exit code of the script where it is another's turn.
const TAKEN: i32 = 75;
/// How long a turn is that nobody renews.
const LONG: Duration = Duration::from_mins(2);
/// How often it is renewed, and how soon again where that failed.
const RENEW: Duration = Duration::from_secs(30);
/// How long a node may take for it.
const QUICK: Duration = Duration::from_secs(30);

/// A turn that is ours.
pub struct Turn {
    node: String,
    keeper: Keeper,
    renewing: JoinHandle<()>,
}

/// What keeps it, whatever becomes of other connections.
#[derive(Clone)]
struct Keeper {
    machine: Machine,
    directory: PathBuf,
    runtime: Option<PathBuf>,
    home: PathBuf,
    name: String,
    token: String,
    words: String,
}

impl Turn {
    /// Takes the turn on the first of these nodes, unless another has it, or has changed the deployment since we looked.
    pub async fn take(
        verb: &str,
        receipt: &Receipt,
        machines: &BTreeMap<String, Machine>,
        directory: PathBuf,
        environment: &Environment,
    ) -> Result<Option<Self>, CommandError> {
        let Some((node, machine)) = machines.first_key_value() else {
            return Ok(None);
        };
        let since = Timestamp::now().strftime("%Y-%m-%d %H:%M UTC");
        let keeper = Keeper {
            machine: machine.clone(),
            runtime: environment.runtime_dir.clone(),
            home: environment.home.clone(),
            name: receipt.name.clone(),
            token: token(&directory),
            words: format!("{} runs `deployer {verb}` since {since}", environment.who()),
            directory,
        };
        let output = keeper.call("take").await?;
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        match output.status {
            0 => {}
            TAKEN => {
                let holder = said.replace(char::is_control, " ");
                return Err(others(&holder, &keeper.name, node));
            }
            status => {
                let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                return Err(CommandError::failed(format!(
                    "{node}: nobody's turn can be kept there: exit code {status}: {why}"
                )));
            }
        }
        if let Some(mark) = StateMark::read(&said)
            && older::is_ahead(&mark, receipt)
        {
            keeper.call("end").await?;
            return Err(older::old(receipt, node, &mark));
        }
        let renewing = tokio::spawn(keeper.clone().renew());
        Ok(Some(Self {
            node: node.clone(),
            keeper,
            renewing,
        }))
    }

    /// Takes the turn on the first machine of a receipt that answers, unless this laptop is behind; `None`: nobody else may change
    /// the deployment, or no machine answers.
    pub async fn of_receipt(
        verb: &str,
        receipt: &Receipt,
        directory: &Path,
        environment: &Environment,
        reporter: &dyn Reporter,
    ) -> Result<Option<Self>, CommandError> {
        if receipt.copied.is_none() {
            return Ok(None);
        }
        let machines = recorded::machines(receipt);
        let runtime = environment.runtime_dir.as_deref();
        let connector = Connector::reading(&machines, directory, runtime, &environment.home)?;
        let connections =
            Connections::connect(&connector, &machines, CONNECT_TIMEOUT_RUNNING, reporter).await;
        let turn = Self::of_reached(
            verb,
            receipt,
            &connections,
            directory,
            environment,
            reporter,
        );
        let turn = Box::pin(turn).await;
        connections.close(true).await?;
        turn
    }

    /// The same by connections to the machines of the receipt.
    pub async fn of_reached(
        verb: &str,
        receipt: &Receipt,
        connections: &Connections,
        directory: &Path,
        environment: &Environment,
        reporter: &dyn Reporter,
    ) -> Result<Option<Self>, CommandError> {
        if receipt.copied.is_none() {
            return Ok(None);
        }
        let query = Query {
            files: BTreeMap::from([(StateMark::path(&receipt.name), true)]),
            ..Query::default()
        };
        let mut facts = BTreeMap::new();
        for node in connections.nodes() {
            let answer = connections.executor().ask(node, &query).await?;
            facts.insert(node.to_owned(), answer);
        }
        let mut machines = recorded::machines(receipt);
        machines.retain(|node, _| facts.contains_key(node));
        if machines.is_empty() {
            let words = "no machine answers: whether another laptop changes it now is not known";
            reporter.event(&Event::Warning(format!("{}: {words}", receipt.name)));
        }
        older::refuse(receipt, &facts)?;
        Self::take(verb, receipt, &machines, directory.to_owned(), environment).await
    }

    /// The node on which it is kept.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Ends it: the next may begin at once.
    pub async fn end(self, reporter: &dyn Reporter) {
        self.renewing.abort();
        if let Err(error) = self.keeper.call("end").await {
            reporter.event(&Event::Warning(format!(
                "{}: it is still this laptop's turn there, for {} s: {}",
                self.node,
                LONG.as_secs(),
                error.cause
            )));
        }
    }

    /// Lets go of it with the machine it was kept on.
    pub fn drop_with_machine(self) {
        self.renewing.abort();
    }
}

impl Keeper {
    /// Has it for longer, for as long as somebody waits for it. Where that fails it is tried again: a node may restart.
    async fn renew(self) {
        loop {
            tokio::time::sleep(RENEW).await;
            // When it was too late for it, and another one took it, he has looked at all there is himself.
            if self
                .call("take")
                .await
                .is_ok_and(|output| output.status == TAKEN)
            {
                return;
            }
        }
    }

    /// Connects anew: work may end any connection, and a kept one is taken up.
    async fn call(&self, verb: &str) -> Result<Output, CommandError> {
        let machines = BTreeMap::from([(self.machine.node.clone(), self.machine.clone())]);
        let runtime = self.runtime.as_deref();
        let connector = Connector::reading(&machines, &self.directory, runtime, &self.home)?;
        let host = connector.connect(&self.machine, QUICK, &|_| {}).await?;
        let output = self.run(host.as_ref(), verb).await;
        host.close(true).await?;
        output
    }

    async fn run(&self, host: &dyn Host, verb: &str) -> Result<Output, CommandError> {
        let (path, mark) = (path(&self.name), StateMark::path(&self.name));
        let seconds = LONG.as_secs().to_string();
        let words = [
            "-c",
            TURN,
            "turn",
            verb,
            &path,
            &mark,
            &self.token,
            &seconds,
            &self.words,
        ];
        let command = Command {
            program: "sh".into(),
            arguments: words.map(str::to_owned).into(),
            input: Input::Nothing,
            timeout: QUICK,
            root: true,
        };
        Ok(host.run(&command).await?)
    }
}

/// The same for all runs of this laptop, of which there is one at a time: one that was killed is in nobody's way here.
fn token(directory: &Path) -> String {
    let system = rustix::system::uname();
    let (host, directory) = (system.nodename().to_string_lossy(), directory.display());
    sha256(format!("{host} {directory}").as_bytes())[..16].to_owned()
}

/// Where a node keeps whose turn it is: gone with a reboot.
fn path(deployment: &str) -> String {
    format!("/run/deployer-{deployment}.turn")
}

fn others(holder: &str, name: &str, node: &str) -> CommandError {
    CommandError::failed(format!(
        "{name}: {holder} ({node} says so); nothing was changed"
    ))
    .hint("wait until that has ended, then `deployer plan` shows what is left to do")
    .hint(format!(
        "if it died there, its turn is over within {} s",
        LONG.as_secs()
    ))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{TAKEN, TURN};

    /// Runs the script as a node does: its exit code, and what it says.
    #[expect(
        clippy::disallowed_methods,
        reason = "the script itself, by this box's own shell"
    )]
    fn call(directory: &Path, verb: &str, who: &str) -> (Option<i32>, String) {
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", TURN, "turn", verb]);
        shell.args([directory.join("turn"), directory.join("mark")]);
        let output = shell.args([who, "120", &format!("{who} works")]).output();
        let output = output.expect("sh runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), said)
    }

    #[test]
    fn a_turn_is_over_at_its_end_and_once_nobody_renews_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let call = |verb: &str, who: &str| call(directory.path(), verb, who);
        let path = directory.path().join("turn");
        std::fs::write(directory.path().join("mark"), "a mark").expect("written");
        let taken = |by: &str| (Some(TAKEN), format!("{by} works\n"));
        let has = || (Some(0), "a mark".to_owned());
        assert_eq!(call("take", "ann"), has());
        assert_eq!(call("take", "bob"), taken("ann"));
        // Only its holder has it for longer, and ends it.
        assert_eq!(call("take", "ann"), has());
        assert_eq!(call("end", "bob").0, Some(0));
        assert_eq!(call("take", "bob"), taken("ann"));
        assert_eq!(call("end", "ann").0, Some(0));
        assert!(!path.exists());
        assert_eq!(call("take", "bob"), has());
        // Two minutes later, where he died.
        let text = std::fs::read_to_string(&path).expect("a turn");
        let mut lines: Vec<&str> = text.lines().collect();
        lines[1] = "1";
        std::fs::write(&path, lines.join("\n") + "\n").expect("written");
        assert_eq!(call("take", "ann"), has());
        assert_eq!(call("take", "bob"), taken("ann"));
    }
}
