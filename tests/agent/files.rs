//! Files that are followed on real file systems, and `top` on a system with settings of its own.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::lab::{Agent, Lab, binary, is_root, wait_until};

/// Runs a program of the system to its end, as root; returns what it prints.
fn system(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A file system in a file, mounted by a loop device.
struct Mounted {
    device: String,
    at: PathBuf,
}

impl Mounted {
    fn new(image: &Path, at: &Path) -> Self {
        let device = system("losetup", &["--find", "--show", image.to_str().unwrap()]);
        system("mount", &[&device, at.to_str().unwrap()]);
        Self {
            device,
            at: at.to_owned(),
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // What fails here fails visibly in the next mount.
        let _ = Command::new("umount").arg(&self.at).status();
        let _ = Command::new("losetup")
            .args(["--detach", &self.device])
            .status();
    }
}

/// Whether file systems can be mounted here; says why not.
fn may_mount() -> bool {
    if !is_root() {
        crate::skip::skip("needs root, to mount file systems");
    }
    is_root()
}

fn lines(lab: &Lab) -> Vec<String> {
    let line = |record: Vec<u8>| {
        let event: Value = serde_json::from_slice(&record).unwrap();
        event["line"].as_str().unwrap().to_owned()
    };
    lab.records("t1").into_iter().map(line).collect()
}

#[test]
fn a_file_is_gone_on_with_when_its_device_has_another_number() {
    if !may_mount() {
        return;
    }
    let lab = Lab::new(&["t1"]);
    let (image, at) = (lab.path("image"), lab.path("mnt"));
    std::fs::create_dir(&at).unwrap();
    std::fs::File::create(&image)
        .unwrap()
        .set_len(16 << 20)
        .unwrap();
    system("mkfs.ext4", &["-q", image.to_str().unwrap()]);
    let path = at.join("g.log");
    let config = lab.producer_config(
        "c1",
        "t1",
        &format!("kind = \"file\"\ncount = 0\npath = \"{}\"", path.display()),
    );
    let append = |numbers: std::ops::RangeInclusive<u32>| {
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .unwrap();
        for number in numbers {
            writeln!(file, "{number}").unwrap();
        }
    };
    let run = |expected: usize| {
        let mut producer = Agent::start("producer", &config, Stdio::null());
        wait_until("the lines are sent", || {
            lab.path("state-c1/state.json").exists() && lab.state("c1")["acked"] == expected
        });
        assert!(producer.terminate().success());
    };
    let mounted = Mounted::new(&image, &at);
    let first = std::fs::metadata(&at).unwrap().dev();
    append(1..=10);
    run(10);
    drop(mounted);
    // Takes the number that the device had.
    let other = lab.path("other");
    std::fs::File::create(&other)
        .unwrap()
        .set_len(1 << 20)
        .unwrap();
    let taken = system("losetup", &["--find", "--show", other.to_str().unwrap()]);
    let mounted = Mounted::new(&image, &at);
    assert_ne!(std::fs::metadata(&at).unwrap().dev(), first);
    append(11..=12);
    run(12);
    drop(mounted);
    system("losetup", &["--detach", &taken]);
    let expected: Vec<String> = (1..=12).map(|number: u32| number.to_string()).collect();
    assert_eq!(lines(&lab), expected);
}

/// Settings of `top` with a line for each processor, and without the memory.
const SETTINGS: &str = "RCfile for \"top with windows\"\nId:a, Mode_altscr=0, Mode_irixps=1, Delay_time=3.000, Curwin=0\n";

#[test]
fn the_settings_of_a_system_for_top_do_not_change_the_events() {
    if !may_mount() {
        return;
    }
    let lab = Lab::new(&["t1"]);
    let etc = lab.path("etc");
    system("cp", &["-a", "/etc", etc.to_str().unwrap()]);
    let window = |name: &str| {
        format!(
            "{name}\tfieldscur=AEHIOQTWKNMbcdfgjplrsuvyzX\n\twinflags=25913, sortindx=10, maxtasks=0\n\tsummclr=1, msgsclr=1, headclr=3, taskclr=1\n"
        )
    };
    let settings = SETTINGS.to_owned() + &["Def", "Job", "Mem", "Usr"].map(window).concat();
    std::fs::write(etc.join("topdefaultrc"), settings).unwrap();
    let config = lab.producer_config("c1", "t1", "count = 2\ninterval_ms = 50");
    let script = "mount --bind \"$1\" /etc && HOME=/nonexistent top -b -n 1 -w 512 && exec \"$2\" --config \"$3\"";
    let plain = system(
        "unshare",
        &[
            "--mount",
            "sh",
            "-c",
            script,
            "sh",
            etc.to_str().unwrap(),
            binary("producer").to_str().unwrap(),
            config.to_str().unwrap(),
        ],
    );
    assert!(
        plain.contains("%Cpu0") && !plain.contains("Mem :"),
        "the settings are in force: {plain}"
    );
    let records = lab.records("t1");
    assert_eq!(records.len(), 2);
    for record in records {
        let event: Value = serde_json::from_slice(&record).unwrap();
        for figure in [
            "/cpu/user",
            "/cpu/idle",
            "/memory/total",
            "/swap/total",
            "/tasks/total",
        ] {
            let found = event.pointer(figure).unwrap();
            assert!(found.is_number(), "{figure}: {event}");
        }
        assert!(event["processes"].as_array().unwrap().len() > 2);
    }
}
