//! Commands: one verb per file. Each reads its input, lets the pure part decide, runs it, and says how it went.

use std::io::Write as _;

use clap::CommandFactory as _;

use crate::cli::{Cli, Environment, Verb};
use crate::error::CommandError;
use crate::layout;
use crate::report::Reporter;
use crate::report::bars::Bars;
use crate::report::pipe::Pipe;
use crate::report::plain::Plain;
use crate::secret::Secret;
use crate::tell::lease_end;

pub mod adopt;
pub mod allow;
pub mod build_agents;
pub mod check;
pub mod client_config;
pub mod dead_letters;
pub mod docs;
pub mod export;
pub mod extend;
pub mod guide;
pub mod import;
pub mod init;
pub mod lineage;
pub mod list;
pub mod logs;
pub mod open;
pub mod plan;
pub mod produce;
pub mod rehearse;
pub mod render;
pub mod secrets;
pub mod send;
pub mod ssh;
pub mod status;
pub mod tail;
pub mod teardown;
pub mod tools;
pub mod try_stream;
pub mod up;
pub mod verify;

/// Does what the command line says. Data goes to standard output, all else to the error channel. Returns the exit code.
pub async fn run(cli: &Cli, environment: &Environment) -> Result<u8, CommandError> {
    let reporter: Box<dyn Reporter> = match Bars::on_terminal() {
        Some(bars) => Box::new(bars),
        None => Box::new(Plain::new(std::io::stderr())),
    };
    let reporter = reporter.as_ref();
    let out = &mut Pipe::new(std::io::stdout());
    let mut environment = environment.clone();
    if environment.is_step {
        rehearse::end_with_parent();
    }
    if let Some(target) = cli.verb.target() {
        if let Some(name) = &target.os_cloud {
            let name = Secret::new(name.as_str());
            environment.openstack.insert("OS_CLOUD".into(), name);
        }
        lease_end::warn(target, &environment, reporter);
    }
    let environment = &environment;
    match &cli.verb {
        Verb::Up(options) => Box::pin(up::run(options, environment, reporter, out)).await,
        Verb::Plan(options) => Box::pin(plan::run(options, environment, reporter, out)).await,
        Verb::Status(options) => status::run(options, environment, reporter, out).await,
        Verb::Verify(options) => verify::run(options, environment, reporter, out).await,
        Verb::Teardown(options) => Box::pin(teardown::run(options, environment, reporter)).await,
        Verb::Render(options) => render::run(options, environment, out).await,
        Verb::Try(options) => try_stream::run(options, environment, reporter, out).await,
        Verb::Lineage(options) => lineage::run(options, out),
        Verb::Check(options) => Box::pin(check::run(options, environment, reporter, out)).await,
        Verb::Ssh(options) => ssh::run(options, environment).await,
        Verb::Logs(options) => logs::run(options, environment, reporter, out).await,
        Verb::Docs(options) => docs::run(options, environment, reporter, out).await,
        Verb::DeadLetters(options) => dead_letters::run(options, environment, reporter, out).await,
        Verb::Export(options) => export::run(options, environment, reporter).await,
        Verb::Import(options) => import::run(options, environment, reporter).await,
        Verb::Open(options) => open::run(options, environment, reporter, out).await,
        Verb::Tools(options) => tools::run(options, environment, reporter, out).await,
        Verb::Tail(options) => tail::run(options, environment, reporter, out).await,
        Verb::Send(options) => send::run(options, environment, reporter).await,
        Verb::ClientConfig(options) => client_config::run(options, environment, reporter),
        Verb::Secrets(options) => match secrets::run(options, environment, reporter, out)? {
            secrets::Next::Done(code) => Ok(code),
            secrets::Next::Bring(up) => Box::pin(up::run(&up, environment, reporter, out)).await,
        },
        Verb::Produce(options) => produce::run(options, environment, reporter).await,
        Verb::List(options) => list::run(options, environment, out).await,
        Verb::Adopt(options) => Box::pin(adopt::run(options, environment, reporter)).await,
        Verb::Allow(options) => allow::run(options, environment, reporter).await,
        Verb::Extend(options) => extend::run(options, environment, reporter).await,
        Verb::Rehearse(options) => {
            Box::pin(rehearse::run(options, environment, reporter, out)).await
        }
        Verb::BuildAgents(options) => build_agents::run(options, environment, reporter, out).await,
        Verb::Guide(options) => guide::run(options, out),
        Verb::Init(options) => init::run(options, out),
        Verb::Schema => {
            serde_json::to_writer_pretty(&mut *out, &layout::schema())?;
            writeln!(out)?;
            Ok(0)
        }
        Verb::Completions(options) => {
            clap_complete::generate(options.shell, &mut Cli::command(), "deployer", out);
            Ok(0)
        }
    }
}
