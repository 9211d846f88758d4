//! The figures: what runs in which order, and what is printed of it.

use std::path::PathBuf;
use std::time::Duration;

use crate::ansible::Play;
use crate::lab::{Lab, all_at_once};
use crate::samples::Samples;
use crate::{alerts, security, streams};

/// The utilization pipeline, with producers that never finish: a finished one is something that Ansible does not know.
const FOUR: &str = "\
name: figures
cloud: local
nodes:
  vm1: { count: 2, roles: [producer] }
  vm2: { roles: [zookeeper, kafka, consumer] }
  vm3: { roles: [kafka, couchdb] }
producer: { count: 0 }
";

/// Machines that have nothing but what every node gets.
const TWENTY: &str = "\
name: figures20
cloud: local
nodes:
  host: { count: 20 }
";

/// How often the quick things run, for each time that the slow ones do.
const QUICK: usize = 3;

/// The bench's progress.
pub(crate) struct Figures {
    deployer: PathBuf,
    repetitions: usize,
    met: bool,
}

impl Figures {
    /// Says what box this is.
    pub(crate) fn begin(deployer: &str, repetitions: usize) -> Result<Self, String> {
        let read =
            |path: &str| std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"));
        let cpu = read("/proc/cpuinfo")?;
        let model = cpu
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
            .map_or("a processor without a name", |(_, model)| model);
        let memory = read("/proc/meminfo")?;
        let memory: u64 = memory
            .split_whitespace()
            .nth(1)
            .and_then(|kib| kib.parse().ok())
            .unwrap_or(0);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let load = read("/proc/loadavg")?;
        println!(
            "{model}, {cores} cores, {} GiB; Linux {}; load before the first run {}",
            (memory + (1 << 19)) >> 20,
            read("/proc/sys/kernel/osrelease")?.trim(),
            load.split(' ').next().unwrap_or_default()
        );
        println!("{repetitions} repetitions; least, middle and most");
        let deployer =
            std::fs::canonicalize(deployer).map_err(|error| format!("{deployer}: {error}"))?;
        println!("{}", deployer.display());
        Ok(Self {
            deployer,
            repetitions,
            met: true,
        })
    }

    /// Whether all targets were met.
    pub(crate) fn end(self) -> bool {
        self.met
    }

    /// `first`, `unchanged` and `teardown`: the pipeline is made and taken away in each repetition, and compared while the last one
    /// stands.
    pub(crate) fn four_machines(&mut self, wanted: &[&str]) -> Result<(), String> {
        let wants = |name: &str| wanted.contains(&name);
        let lab = Lab::new(&self.deployer, "figures", FOUR)?;
        // Whatever a box lacks, the image and the archives are made by the first run, which does not count.
        lab.up()?;
        lab.teardown()?;
        let rounds = if wants("first") || wants("teardown") {
            self.repetitions
        } else {
            1
        };
        let (mut first, mut teardown, mut where_to) =
            (Samples::default(), Samples::default(), Vec::new());
        for round in 1..=rounds {
            let up = lab.up()?;
            first.push(up.took);
            where_to.extend(
                up.stderr
                    .lines()
                    .find_map(|line| Some(line.split_once(": done in ")?.1.to_owned())),
            );
            if round == rounds && wants("unchanged") {
                self.unchanged(&lab)?;
            }
            teardown.push(lab.teardown()?.took);
        }
        if wants("first") {
            self.against_target("first up, 4 machines, canaries proven", &first, 20.0);
            for words in where_to {
                println!("    {words}");
            }
        }
        if wants("teardown") {
            self.against_target("teardown, 4 machines", &teardown, 5.0);
        }
        Ok(())
    }

    fn unchanged(&mut self, lab: &Lab) -> Result<(), String> {
        let play = match Play::prepare(lab) {
            Ok(play) => Some(play),
            Err(words) => {
                println!("no comparison with Ansible: {words}");
                None
            }
        };
        let (mut ours, mut ansible) = (Samples::default(), Samples::default());
        lab.up()?;
        for _ in 0..self.repetitions {
            for _ in 0..QUICK {
                ours.push(unchanged(lab)?);
            }
            if let Some(play) = &play {
                ansible.push(play.run(lab)?);
            }
        }
        self.against_target("unchanged up, 4 machines", &ours, 1.0);
        if let Some(play) = play {
            let ratio = ansible.median() / ours.median();
            println!("    {ansible}  the play of {}", play.words());
            self.judge(
                &format!("    the play takes {ratio:.1} × as long, wanted ≥ 10"),
                ratio >= 10.0,
            );
        }
        Ok(())
    }

    /// `twenty`: the deployer against ssh itself.
    pub(crate) fn twenty_machines(&mut self) -> Result<(), String> {
        let lab = Lab::new(&self.deployer, "figures20", TWENTY)?;
        lab.up()?;
        let addresses: Vec<String> = lab.addresses()?.into_values().collect();
        let control = format!("ControlPath={}", lab.path("run/%C").display());
        // What the deployer does: a connection that stays, or one that stood already.
        let options = [
            "-o",
            "ControlMaster=auto",
            "-o",
            "ControlPersist=600",
            "-o",
            &control,
        ];
        let baseline = || {
            let commands = addresses.iter().map(|address| {
                let mut ssh = lab.ssh(address, &options);
                ssh.arg("true");
                ssh
            });
            all_at_once(commands.collect())
        };
        let (mut cold, mut cold_ssh) = (Samples::default(), Samples::default());
        for _ in 0..self.repetitions {
            lab.disconnect()?;
            cold.push(unchanged(&lab)?);
            lab.disconnect()?;
            cold_ssh.push(baseline()?);
        }
        unchanged(&lab)?;
        let (mut kept, mut kept_ssh) = (Samples::default(), Samples::default());
        for _ in 0..self.repetitions * QUICK {
            kept.push(unchanged(&lab)?);
            kept_ssh.push(baseline()?);
        }
        println!("unchanged up, 20 machines without roles, against `ssh HOST true` on all at once");
        for (words, ours, ssh) in [
            ("connections kept", kept, kept_ssh),
            ("connections new", cold, cold_ssh),
        ] {
            let ratio = ours.median() / ssh.median();
            println!("    {ours}  up, {words}");
            println!("    {ssh}  ssh, {words}");
            self.judge(
                &format!("    {ratio:.2} × as long, wanted ≤ 2"),
                ratio <= 2.0,
            );
        }
        lab.teardown()?;
        Ok(())
    }

    /// `security`: what it costs.
    pub(crate) fn security(&mut self) -> Result<(), String> {
        for (words, met) in security::measure(&self.deployer, self.repetitions)? {
            self.judge(&words, met);
        }
        Ok(())
    }

    /// `streams`: what Spark takes.
    pub(crate) fn streams(&mut self) -> Result<(), String> {
        for (words, met) in streams::measure(&self.deployer, self.repetitions)? {
            self.judge(&words, met);
        }
        Ok(())
    }

    /// `alerts`: how soon mail comes.
    pub(crate) fn alerts(&mut self) -> Result<(), String> {
        let (words, met) = alerts::measure(&self.deployer)?;
        self.judge(&words, met);
        Ok(())
    }

    fn against_target(&mut self, words: &str, samples: &Samples, target: f64) {
        println!("{samples}  {words}");
        let share = samples.median() / target;
        self.judge(
            &format!("    {share:.2} of the target, {target} s"),
            share <= 1.0,
        );
    }

    fn judge(&mut self, words: &str, met: bool) {
        println!("{words}: {}", if met { "met" } else { "MISSED" });
        self.met &= met;
    }
}

/// An `up` that must find nothing to do.
fn unchanged(lab: &Lab) -> Result<Duration, String> {
    let up = lab.up()?;
    if up.stderr.contains("nothing to do") {
        return Ok(up.took);
    }
    Err(format!("an unchanged up did something:\n{}", up.stderr))
}
