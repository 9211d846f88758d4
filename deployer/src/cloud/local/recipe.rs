//! What goes into a base image. Pure: making one is `image.rs`'s business.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::sources::Source;
use super::tree::Tree;
use crate::step::sha256;

/// A system with sshd; what the deployment wants besides comes from [`super::super::Wanted::packages`].
pub(super) const BASE_PACKAGES: [&str; 8] = [
    "ca-certificates",
    "dbus",
    "iproute2",
    "openssh-server",
    "procps",
    "sudo",
    "systemd",
    "systemd-sysv",
];

/// Units that only cost time on a machine that lives in a namespace, or that would fight for its only interface.
const MASKED: [&str; 20] = [
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "console-getty.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty.target",
    "man-db.timer",
    "modprobe@.service",
    "motd-news.timer",
    "networkd-dispatcher.service",
    "systemd-logind.service",
    "systemd-networkd-wait-online.service",
    "systemd-networkd.service",
    "systemd-networkd.socket",
    "systemd-pstore.service",
    "systemd-resolved.service",
    "systemd-timesyncd.service",
    "systemd-update-utmp.service",
];

/// Look for what a machine in a namespace cannot have (disks to decrypt, a kernel's command line), at each boot and each reload of
/// systemd's view of its files.
const GENERATORS: [&str; 9] = [
    "systemd-cryptsetup-generator",
    "systemd-debug-generator",
    "systemd-getty-generator",
    "systemd-gpt-auto-generator",
    "systemd-hibernate-resume-generator",
    "systemd-integritysetup-generator",
    "systemd-run-generator",
    "systemd-system-update-generator",
    "systemd-veritysetup-generator",
];

const APT: &str = "\
// Written by deployer. Package lists stay, so that a package can be installed without asking the mirror first; small.
Acquire::GzipIndexes \"true\";
Acquire::Languages \"none\";
APT::Install-Recommends \"false\";
";

const DPKG: &str = "\
# Written by deployer. These machines are for trying things out: a crash of the box in mid-installation may break one.
force-unsafe-io
";

const SSHD: &str = "\
# Written by deployer. The one host key was made before the first boot, so that the first connection can check it.
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
UseDNS no
MaxStartups 100
# Nothing on this bridge leaves the box, and this one costs more than the rest of a login.
KexAlgorithms -sntrup*
";

/// Keeps services from starting while packages are installed in the image.
const POLICY: &str = "#!/bin/sh\nexit 101\n";
/// Where that lies; not part of the finished image.
pub(super) const POLICY_PATH: &str = "usr/sbin/policy-rc.d";

/// What a base image is made of, besides the packages a deployment wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recipe {
    /// Codename, such as `bookworm`.
    pub(super) release: String,
    /// Where packages come from; the base suite first.
    pub(super) sources: Vec<Source>,
    /// Lines of apt's settings, proxies above all.
    pub(super) settings: String,
}

/// What an image says of itself, in its `image.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ImageRecord {
    /// [`Recipe::identity`] of the recipe it was made by.
    pub(super) recipe: String,
    /// The wanted packages that are in it.
    pub(super) packages: BTreeSet<String>,
}

impl Recipe {
    /// The files that are there before the first package of apt.
    pub(super) fn files_before(&self) -> Tree {
        Tree::new()
            .file("etc/apt/sources.list", 0o644, &self.sources_list())
            .file("etc/apt/apt.conf.d/80deployer", 0o644, &self.apt_conf())
            .file("etc/dpkg/dpkg.cfg.d/deployer", 0o644, DPKG)
            .file(POLICY_PATH, 0o755, POLICY)
    }

    /// The files that make a quick and quiet boot.
    pub(super) fn files_after() -> Tree {
        let mut tree = Tree::new()
            .file("etc/ssh/sshd_config.d/deployer.conf", 0o644, SSHD)
            .file("etc/resolv.conf", 0o644, "")
            .link(
                "etc/systemd/system/default.target",
                "/lib/systemd/system/multi-user.target",
            );
        for unit in MASKED {
            tree = tree.link(&format!("etc/systemd/system/{unit}"), "/dev/null");
        }
        for generator in GENERATORS {
            let path = format!("etc/systemd/system-generators/{generator}");
            tree = tree.link(&path, "/dev/null");
        }
        tree
    }

    /// Two recipes of the same identity make images that can stand for each other.
    pub(super) fn identity(&self) -> String {
        let parts = [
            self.release.clone(),
            BASE_PACKAGES.join(" "),
            MASKED.join(" "),
            GENERATORS.join(" "),
            self.sources_list(),
            self.apt_conf(),
            DPKG.into(),
            SSHD.into(),
        ];
        sha256(parts.join("\0").as_bytes())
    }

    /// The name of the image with these packages.
    pub(super) fn image(&self, packages: &BTreeSet<String>) -> String {
        let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
        let all = format!("{}\0{}", self.identity(), packages.join(" "));
        format!("{}-{}", self.release, &sha256(all.as_bytes())[..12])
    }

    /// The smallest of these images (by name) that will do for these packages.
    pub(super) fn fitting(
        &self,
        images: &BTreeMap<String, ImageRecord>,
        packages: &BTreeSet<String>,
    ) -> Option<String> {
        let identity = self.identity();
        images
            .iter()
            .filter(|(_, image)| image.recipe == identity && image.packages.is_superset(packages))
            .min_by_key(|(_, image)| image.packages.len())
            .map(|(name, _)| name.clone())
    }

    fn sources_list(&self) -> String {
        let lines = self.sources.iter().map(|source| source.line() + "\n");
        lines.collect()
    }

    fn apt_conf(&self) -> String {
        format!("{APT}{}", self.settings)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::{ImageRecord, Recipe};

    #[test]
    fn an_image_with_more_packages_will_do_and_one_of_another_recipe_will_not() {
        let recipe = Recipe {
            release: "bookworm".into(),
            sources: Vec::new(),
            settings: String::new(),
        };
        let packages = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let image = |recipe: &Recipe, names: &[&str]| ImageRecord {
            recipe: recipe.identity(),
            packages: packages(names),
        };
        let other = Recipe {
            settings: "x".into(),
            ..recipe.clone()
        };
        let images = BTreeMap::from([
            ("a".to_owned(), image(&recipe, &["java", "node", "nft"])),
            ("b".to_owned(), image(&recipe, &["java", "nft"])),
            ("c".to_owned(), image(&other, &["java"])),
        ]);
        let fit = |names: &[&str]| recipe.fitting(&images, &packages(names));
        assert_eq!(fit(&["java"]), Some("b".into()));
        assert_eq!(fit(&["node"]), Some("a".into()));
        assert_eq!(fit(&["python3"]), None);
        let name = recipe.image(&BTreeSet::new());
        assert!(name.starts_with("bookworm-") && name != other.image(&BTreeSet::new()));
    }
}
