//! Base images: a Debian or Ubuntu in a directory, made once and kept. An image appears by a rename, so one that is there
//! is whole; what a killed build leaves is a directory that the next build removes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

use super::super::elevate::Elevate;
use super::super::needs::INSTALL;
use super::super::program::Program;
use super::super::{CloudError, Progress};
use super::names::{IMAGES, PART};
use super::reading::unreadable;
use super::recipe::{BASE_PACKAGES, ImageRecord, POLICY_PATH, Recipe};
use super::sources;
use crate::retry::Retry;
use crate::topology;

/// Fetching and unpacking over a slow line, in seconds.
const LONG: u64 = 1800;

/// The recipe of this box under these settings.
pub(super) async fn recipe(settings: &topology::LocalCloud) -> Result<Recipe, CloudError> {
    let (own, release) = (own_release()?, release(settings)?);
    let dump = Program::new("read apt's settings", "apt-config", ["dump"]);
    let apt = dump.run(&|_| ()).await?.stdout;
    let sources = if let Some(mirror) = &settings.mirror {
        vec![sources::Source {
            uri: mirror.clone(),
            suite: release.clone(),
            components: vec!["main".into()],
        }]
    } else {
        let follow = |path: &str| std::fs::read_to_string(path).ok();
        let box_sources = sources::own_sources(&apt_files()?, &own, &follow);
        sources::for_release(&box_sources, &own, &release)
    };
    if sources.first().is_none_or(|first| first.suite != release) {
        return Err(CloudError::Refused(format!(
            "this box's apt sources have no entry of Debian's or Ubuntu's own for `{release}`: \
             give the local cloud a `mirror` and a `release`"
        )));
    }
    Ok(Recipe {
        release,
        sources,
        settings: sources::settings(&apt),
    })
}

/// All whole images by name.
pub(super) fn all() -> Result<BTreeMap<String, ImageRecord>, CloudError> {
    let mut images = BTreeMap::new();
    for name in super::reading::entries(IMAGES)? {
        // A directory without a record is no image of ours: a build's, or somebody's own.
        let Ok(text) = std::fs::read(format!("{IMAGES}/{name}/image.json")) else {
            continue;
        };
        if let (false, Ok(record)) = (name.starts_with(PART), serde_json::from_slice(&text)) {
            images.insert(name, record);
        }
    }
    Ok(images)
}

/// The directory of an image that is the machines' lower layer. Its parent is for root only: the box's users have no
/// business with the set-uid programs of an old system.
pub(super) fn root(image: &str) -> String {
    format!("{IMAGES}/{image}/disk/root")
}

/// Makes an image, unless it is there. One build at a time on a box; others wait and then find it made.
pub(super) async fn prepare(
    elevate: &Elevate,
    recipe: &Recipe,
    image: &str,
    packages: &BTreeSet<String>,
    progress: &dyn Progress,
) -> Result<(), CloudError> {
    let mkdir = Program::new("make the image cache", "mkdir", ["-p", IMAGES]);
    elevate.run(mkdir).await?;
    let _lock = lock(progress).await?;
    if all()?.contains_key(image) {
        return Ok(());
    }
    let started = Instant::now();
    let part = format!("{IMAGES}/{PART}{image}");
    let build = Build {
        elevate,
        recipe,
        progress,
        root: format!("{part}/disk/root"),
    };
    build.clear().await?;
    build.bootstrap().await?;
    build.install(packages).await?;
    build.finish().await?;
    let record = ImageRecord {
        recipe: recipe.identity(),
        packages: packages.clone(),
    };
    let record = serde_json::to_string_pretty(&record).unwrap_or_default();
    elevate
        .write(&format!("{part}/image.json"), &record)
        .await?;
    let sync = Program::new("write the image to disk", "sync", ["--file-system", &part]);
    elevate.run(sync.within(120)).await?;
    let target = format!("{IMAGES}/{image}");
    let rename = Program::new("keep the image", "mv", ["-T", &part, &target]);
    elevate.run(rename).await?;
    let took = started.elapsed().as_secs();
    progress.line(None, &format!("base image {image} made in {took} s"));
    Ok(())
}

/// One image in the making.
struct Build<'a> {
    elevate: &'a Elevate,
    recipe: &'a Recipe,
    progress: &'a dyn Progress,
    root: String,
}

impl Build<'_> {
    /// Removes what killed builds left.
    async fn clear(&self) -> Result<(), CloudError> {
        for name in super::reading::entries(IMAGES)? {
            if name.starts_with(PART) {
                let path = format!("{IMAGES}/{name}");
                let remove = Program::new("remove a broken build", "rm", ["-rf", &path]);
                self.run(remove.within(LONG)).await?;
            }
        }
        let private = format!("{}/..", self.root);
        let mkdir = Program::new("make room for the image", "mkdir", ["-p", &self.root]);
        self.run(mkdir).await?;
        let arguments = ["0700", &private];
        self.run(Program::new("keep the image private", "chmod", arguments))
            .await
    }

    async fn bootstrap(&self) -> Result<(), CloudError> {
        let Recipe {
            release, sources, ..
        } = self.recipe;
        let base = &sources[0];
        let what = format!("make a base image of {release} from {}", base.uri);
        self.progress.line(None, &what);
        // Its mounts and processes end with it, even when it is killed.
        let mut bootstrap = Program::new(
            what,
            "unshare",
            [
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
                "debootstrap",
                "--variant=minbase",
                "--force-check-gpg",
            ],
        )
        .within(LONG);
        let components = base.components.join(",");
        bootstrap.arguments.extend([
            format!("--components={components}"),
            format!("--include={}", BASE_PACKAGES.join(",")),
            release.clone(),
            self.root.clone(),
            base.uri.clone(),
        ]);
        for (kind, variable) in [("http", "http_proxy"), ("https", "https_proxy")] {
            if let Some(proxy) = sources::proxy(&self.recipe.settings, kind) {
                bootstrap = bootstrap.with(variable, proxy);
            }
        }
        self.run(bootstrap).await
    }

    async fn install(&self, packages: &BTreeSet<String>) -> Result<(), CloudError> {
        let files = self.recipe.files_before();
        self.run(files.unpack("write apt's settings into the image", &self.root))
            .await?;
        self.chroot("update the image's package lists", &["apt-get", "update"])
            .await?;
        if packages.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = packages.iter().map(String::as_str).collect();
        let what = format!("install {} in the image", names.join(", "));
        self.progress.line(None, &what);
        let command = [&["sh", "-c", INSTALL, "install packages"], &names[..]].concat();
        self.chroot(&what, &command).await
    }

    async fn finish(&self) -> Result<(), CloudError> {
        self.chroot("clean the image", &["apt-get", "clean"])
            .await?;
        let mut remove: Vec<String> = vec!["-f".into()];
        remove.push(format!("{}/{POLICY_PATH}", self.root));
        // Often a link into /run of the box.
        remove.push(format!("{}/etc/resolv.conf", self.root));
        // Each machine gets its own.
        for name in ["machine-id", "hostname"] {
            remove.push(format!("{}/etc/{name}", self.root));
        }
        for kind in ["ecdsa", "ed25519", "rsa"] {
            let key = format!("{}/etc/ssh/ssh_host_{kind}_key", self.root);
            remove.push(format!("{key}.pub"));
            remove.push(key);
        }
        self.run(Program::new("clean the image", "rm", remove))
            .await?;
        let files = Recipe::files_after();
        self.run(files.unpack("write the image's settings", &self.root))
            .await
    }

    /// Runs a command inside the image, with a `/proc` (Java's package wants one) that ends with it.
    async fn chroot(&self, what: &str, command: &[&str]) -> Result<(), CloudError> {
        let proc = format!("--mount-proc={}/proc", self.root);
        let enter = [
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            &proc,
            "chroot",
            &self.root,
        ];
        let arguments = [&enter[..], command].concat();
        let program = Program::new(what, "unshare", arguments)
            .within(LONG)
            .with("DEBIAN_FRONTEND", "noninteractive");
        self.run(program).await
    }

    /// Runs a program of the build. It holds a lock of its own: when the deployer is killed, programs of root go on to
    /// their end, and the next build waits for that before it touches anything.
    async fn run(&self, mut program: Program) -> Result<(), CloudError> {
        let parent = Path::new(IMAGES).parent().unwrap_or(Path::new(IMAGES));
        let wait = LONG.to_string();
        let lock = ["--exclusive", "--timeout", &wait, &parent.to_string_lossy()];
        let words = lock.into_iter().map(str::to_owned).chain([program.name]);
        program.arguments = words.chain(program.arguments).collect();
        program.name = "flock".into();
        let line = |line: &str| self.progress.line(None, line);
        self.elevate.run_aloud(program, &line).await?;
        Ok(())
    }
}

/// Holds the cache against other deployers until dropped.
async fn lock(progress: &dyn Progress) -> Result<File, CloudError> {
    use rustix::fs::{FlockOperation, flock};
    let directory = File::open(IMAGES).map_err(unreadable(IMAGES))?;
    let mut retry = Retry::every(Duration::from_millis(200)).within(Duration::from_secs(2 * LONG));
    let mut said = false;
    loop {
        match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(directory),
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {}
            Err(error) => return Err(unreadable(IMAGES)(error.into())),
        }
        if retry.is_over() {
            return Err(CloudError::Deadline {
                what: "another deployer's base image".into(),
                seconds: 2 * LONG,
                output: String::new(),
            });
        }
        if !said {
            progress.line(None, "another deployer makes a base image; waiting for it");
            said = true;
        }
        retry.pause().await;
    }
}

/// The release that a deployment's machines have, by its code name.
pub(super) fn release(settings: &topology::LocalCloud) -> Result<String, CloudError> {
    settings.release.clone().map_or_else(own_release, Ok)
}

/// The codename of this box's system.
fn own_release() -> Result<String, CloudError> {
    let path = "/etc/os-release";
    let text = std::fs::read_to_string(path).map_err(unreadable(path))?;
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        Some(line.trim_matches('"').to_owned())
    };
    Ok(value("VERSION_CODENAME=").unwrap_or_default())
}

/// apt's own source files, name and text each.
fn apt_files() -> Result<Vec<(String, String)>, CloudError> {
    let parts = "/etc/apt/sources.list.d";
    let mut paths = vec!["/etc/apt/sources.list".to_owned()];
    for name in super::reading::entries(parts)? {
        let extension = Path::new(&name).extension();
        if extension.is_some_and(|e| e == "list" || e == "sources") {
            paths.push(format!("{parts}/{name}"));
        }
    }
    let mut files = Vec::new();
    for path in paths {
        match std::fs::read_to_string(&path) {
            Ok(text) => files.push((path, text)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(path)(error)),
        }
    }
    Ok(files)
}
