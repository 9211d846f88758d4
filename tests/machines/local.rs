//! The local cloud on this very box.

#![expect(
    clippy::disallowed_methods,
    reason = "tests run the box's own programs"
)]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use deployer::cloud::{Cloud, local};
use deployer::machine::Machine;
use deployer::topology::CloudName;

use crate::support::{
    CHILD, Deployment, directory_of_parent, eventually, gone, may_run, processes, succeed,
};

#[tokio::test(flavor = "multi_thread")]
async fn machines_come_up_work_and_go_without_a_trace() {
    if !may_run("machines_come_up_work_and_go_without_a_trace") {
        return;
    }
    let before = (links(), tables());
    let deployment = Deployment::new(&["vm1-1", "vm2", "vm3"]);
    assert_eq!(deployment.local.missing().await.expect("needs"), []);
    deployment.image().await;
    let started = Instant::now();
    let machines = deployment.up().await;
    for machine in machines.values() {
        // The very first connection already checks the host key.
        assert_eq!(deployment.reach(machine, &["hostname"]), machine.node);
    }
    println!("3 machines answer after {:?}", started.elapsed());
    for machine in machines.values() {
        let state = deployment.reach(machine, &["systemctl", "is-system-running", "--wait"]);
        assert_eq!(state, "running");
    }
    let second = deployment.plan().await;
    assert_eq!(second.steps, []);
    assert_eq!(
        second.machines,
        machines.values().cloned().collect::<Vec<_>>()
    );

    // Between machines, with their own addresses; to this box; to the outside.
    let (vm2, vm3) = (&machines["vm2"], &machines["vm3"]);
    let peer = vm3.address_seen_from(vm2).expect("an address").to_string();
    deployment.reach(
        vm2,
        &[
            "timeout",
            "3",
            "bash",
            "-c",
            &format!("'>/dev/tcp/{peer}/22'"),
        ],
    );
    deployment.reach(vm2, &["apt-get", "update", "--error-on=any"]);
    // A firewall of its own is possible inside, and does not show outside.
    deployment.reach(vm2, &["nft", "add", "table", "inet", "inside"]);
    assert!(!tables().contains("inside"));

    let found = deployment.local.deployments().await.expect("deployments");
    let own = found
        .iter()
        .find(|found| found.id == deployment.wanted.id)
        .expect("ours");
    assert_eq!(own.nodes.len(), 3);
    let left = deployment
        .local
        .leftovers(&deployment.wanted.id)
        .await
        .expect("leftovers");
    for word in [
        "processes of machine vm2",
        "cgroup",
        "bridge",
        "nftables table",
        "directory",
    ] {
        assert!(
            left.iter().any(|line| line.contains(word)),
            "{word}: {left:?}"
        );
    }

    let started = Instant::now();
    deployment.down().await;
    println!("3 machines are gone after {:?}", started.elapsed());
    let left = deployment
        .local
        .leftovers(&deployment.wanted.id)
        .await
        .expect("leftovers");
    assert_eq!(left, Vec::<String>::new());
    gone(&deployment.wanted.id);
    deployment.down().await;
    assert!(before.0.is_subset(&links()) && before.1.lines().all(|t| tables().contains(t)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_keeps_its_data_whatever_switches_it_off() {
    if !may_run("a_machine_keeps_its_data_whatever_switches_it_off") {
        return;
    }
    let deployment = Deployment::new(&["vm2"]);
    deployment.image().await;
    let vm2 = &deployment.up().await["vm2"];
    let boot =
        |machine: &Machine| deployment.reach(machine, &["cat", "/proc/sys/kernel/random/boot_id"]);
    let mut last = boot(vm2);
    deployment.reach(vm2, &["sh", "-c", "'echo kept > /var/lib/data; sync'"]);

    // A reboot from within comes back by itself. What boots say does not fill the box.
    let id = &deployment.wanted.id;
    let console = format!("/var/lib/deployer/local/{id}/machines/vm2/console.log");
    let size = || std::fs::metadata(&console).expect("a log").len();
    std::fs::OpenOptions::new()
        .append(true)
        .open(&console)
        .and_then(|mut log| log.write_all(&vec![b'x'; 2_000_000]))
        .expect("written");
    deployment.ssh(vm2, &["systemctl", "reboot"]);
    last = eventually("the machine boots again", || match boot(vm2) {
        now if now == last => Err("still the old boot".into()),
        now => Ok(now),
    });
    assert_eq!(deployment.reach(vm2, &["cat", "/var/lib/data"]), "kept");
    assert!((50_000..1_000_000).contains(&size()), "{}", size());
    let kept = std::fs::read_to_string(&console).expect("a log");
    assert!(kept.trim_end().len() > kept.rfind('x').expect("the last of it") + 1);

    // A poweroff from within is final.
    deployment.ssh(vm2, &["systemctl", "poweroff"]);
    off(&deployment);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(
        words(&deployment).await,
        ["start vm2 (it is off; its disk is kept)"]
    );
    assert_eq!(deployment.up().await["vm2"], *vm2);
    assert_ne!(boot(vm2), last);
    assert_eq!(deployment.reach(vm2, &["cat", "/var/lib/data"]), "kept");

    // After a reboot of the box there are only disks.
    cut_power(&deployment);
    let name = format!("dp-{}", deployment.wanted.id);
    succeed("ip", &["link", "delete", "dev", &name]);
    succeed("nft", &["delete", "table", "ip", &name]);
    let now = words(&deployment).await;
    assert!(now[0].starts_with("make the network"), "{now:?}");
    assert_eq!(now[1], "start vm2 (it is off; its disk is kept)");
    deployment.up().await;
    assert_eq!(deployment.reach(vm2, &["cat", "/var/lib/data"]), "kept");

    // A network that somebody removed under a running machine is repaired under it.
    succeed("ip", &["link", "delete", "dev", &name]);
    let now = words(&deployment).await;
    assert!(
        now.len() == 1 && now[0].starts_with("make the network"),
        "{now:?}"
    );
    deployment.up().await;
    assert_eq!(deployment.reach(vm2, &["cat", "/var/lib/data"]), "kept");

    // A step that is done twice does not take the data.
    let plan = deployment.plan_from_nothing();
    deployment.apply(&deployment.wanted, &plan).await;
    assert_eq!(deployment.reach(vm2, &["cat", "/var/lib/data"]), "kept");
    deployment.down().await;
    gone(&deployment.wanted.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_was_deleted_is_called_lost() {
    if !may_run("a_disk_that_was_deleted_is_called_lost") {
        return;
    }
    let mut deployment = Deployment::new(&["vm2"]);
    deployment.image().await;
    deployment.up().await;
    deployment.wanted.made.insert("vm2".into());
    succeed(
        "rm",
        &["-rf", &format!("{}/machines/vm2", deployment.place())],
    );
    let plan = deployment.plan().await;
    assert_eq!(plan.lost, BTreeSet::from(["vm2".to_owned()]));
    assert_eq!(plan.steps[0].words, "create vm2 again (its disk is gone)");
    let again = &deployment.up().await["vm2"];
    assert_eq!(deployment.reach(again, &["hostname"]), "vm2");
    deployment.down().await;
    gone(&deployment.wanted.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn deployments_live_side_by_side() {
    if !may_run("deployments_live_side_by_side") {
        return;
    }
    let (one, other) = (Deployment::new(&["vm2"]), Deployment::new(&["vm2"]));
    one.image().await;
    let (ones, others) = tokio::join!(one.up(), other.up());
    assert_ne!(ones["vm2"].networks, others["vm2"].networks);
    let boot = other.reach(&others["vm2"], &["cat", "/proc/sys/kernel/random/boot_id"]);
    one.reach(&ones["vm2"], &["true"]);
    one.down().await;
    gone(&one.wanted.id);
    let now = other.reach(&others["vm2"], &["cat", "/proc/sys/kernel/random/boot_id"]);
    assert_eq!(now, boot);
    assert_eq!(other.plan().await.steps, []);
    other.down().await;
    gone(&other.wanted.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_killed_at_any_point_is_finished_by_the_next() {
    if !may_run("a_run_killed_at_any_point_is_finished_by_the_next") {
        return;
    }
    let deployment = Deployment::new(&["vm2", "vm3"]);
    deployment.image().await;
    let mut stages = BTreeSet::new();
    for milliseconds in [15, 30, 45, 60, 80, 100, 130, 170, 220] {
        kill_after(&deployment, "up", milliseconds);
        stages.insert(words(&deployment).await.len());
        let machines = deployment.up().await;
        for machine in machines.values() {
            assert_eq!(deployment.reach(machine, &["hostname"]), machine.node);
        }
        assert_eq!(deployment.plan().await.steps, []);
        kill_after(&deployment, "down", milliseconds);
        deployment.down().await;
        gone(&deployment.wanted.id);
    }
    // The kills did hit different moments.
    assert!(stages.len() > 1, "{stages:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds a base image: minutes"]
async fn a_killed_image_build_is_cleared_by_the_next() {
    if !may_run("a_killed_image_build_is_cleared_by_the_next") {
        return;
    }
    let images = Path::new("/var/cache/deployer/images");
    let deployment = Deployment::with_packages(&["vm2"], &["nftables", "less"]);
    let steps = deployment.plan().await.steps;
    let step = steps
        .iter()
        .find(|step| step.stage == "image")
        .expect("no such image yet");
    let local::Operation::PrepareImage { image, .. } =
        step.operation.read(CloudName::LOCAL).expect("a step")
    else {
        panic!("{step:?}");
    };
    // In the middle of fetching, of unpacking, and at once again while programs of the killed one still run.
    let part = images.join(format!(".part-{image}"));
    for milliseconds in [3000, 20_000, 300] {
        let mut child = start(&deployment, "image");
        eventually("the build has begun", || {
            part.exists().then_some(()).ok_or(String::new())
        });
        std::thread::sleep(Duration::from_millis(milliseconds));
        kill(&mut child);
        assert!(part.exists() && !images.join(&image).exists());
    }
    // Two at once: one makes it, the other waits and finds it.
    let started = Instant::now();
    tokio::join!(deployment.image(), deployment.image());
    println!("a base image was made in {:?}", started.elapsed());
    let left: Vec<_> = images
        .read_dir()
        .expect("images")
        .map(|e| e.expect("one").file_name())
        .collect();
    assert!(
        !left
            .iter()
            .any(|name| name.to_string_lossy().starts_with(".part-")),
        "{left:?}"
    );
    let machines = deployment.up().await;
    deployment.reach(&machines["vm2"], &["less", "--version"]);
    deployment.down().await;
    gone(&deployment.wanted.id);
    succeed("rm", &["-rf", &images.join(image).to_string_lossy()]);
}

/// Not a test by itself: the process that [`a_run_killed_at_any_point_is_finished_by_the_next`] kills.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by another test"]
async fn act_for_another_process() {
    let Some((directory, verb)) = directory_of_parent() else {
        return;
    };
    let deployment = Deployment::stored(&directory);
    match verb.as_str() {
        "up" => {
            deployment.up().await;
        }
        "image" => deployment.image().await,
        _ => deployment.down().await,
    }
}

fn kill_after(deployment: &Deployment, verb: &str, milliseconds: u64) {
    let mut child = start(deployment, verb);
    std::thread::sleep(Duration::from_millis(milliseconds));
    kill(&mut child);
}

fn start(deployment: &Deployment, verb: &str) -> Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "local::act_for_another_process", "--ignored"])
        .env(
            CHILD,
            format!("{verb} {}", deployment.directory().display()),
        )
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("it runs")
}

fn kill(child: &mut Child) {
    child.kill().expect("a signal");
    child.wait().expect("its end");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "figures: alone on the box"]
async fn twenty_machines() {
    if !may_run("twenty_machines") {
        return;
    }
    let nodes: Vec<String> = (1..=20).map(|number| format!("vm{number}")).collect();
    let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
    let deployment = Deployment::new(&nodes);
    deployment.image().await;
    let started = Instant::now();
    let machines = deployment.up().await;
    println!("20 machines are made after {:?}", started.elapsed());
    for machine in machines.values() {
        assert_eq!(deployment.reach(machine, &["hostname"]), machine.node);
    }
    println!("20 machines answer after {:?}", started.elapsed());
    let started = Instant::now();
    assert_eq!(deployment.plan().await.steps, []);
    println!("planned in {:?}", started.elapsed());
    let started = Instant::now();
    deployment.down().await;
    println!("20 machines are gone after {:?}", started.elapsed());
    gone(&deployment.wanted.id);
}

async fn words(deployment: &Deployment) -> Vec<String> {
    let steps = deployment.plan().await.steps;
    steps.into_iter().map(|step| step.words).collect()
}

fn cut_power(deployment: &Deployment) {
    for process in processes(&deployment.wanted.id) {
        let _ended_by_itself = Command::new("kill")
            .args(["-KILL", &process.to_string()])
            .output();
    }
    off(deployment);
}

fn off(deployment: &Deployment) {
    eventually("the machines are off", || {
        let left = processes(&deployment.wanted.id);
        left.is_empty().then_some(()).ok_or(format!("{left:?}"))
    });
}

fn links() -> BTreeSet<String> {
    let entries = Path::new("/sys/class/net").read_dir().expect("interfaces");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    // Other tests and other work on this box come and go.
    let lasting = |name: &String| matches!(name.as_str(), "lo" | "eth0" | "docker0");
    names
        .map(|name| name.to_string_lossy().into_owned())
        .filter(lasting)
        .collect()
}

fn tables() -> String {
    let all = succeed("nft", &["list", "tables"]);
    let others = all
        .split_inclusive('\n')
        .filter(|line| !line.contains(" dp-"));
    others.collect()
}
