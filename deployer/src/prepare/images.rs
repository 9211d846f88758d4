//! The systems of machines that clouds will make, as far as their images' names tell them.

use crate::cloud::provider::ImageName;
use crate::cloud::registry;
use crate::component;
use crate::facts::System;
use crate::inventory::{Inventory, Problems};
use crate::topology::{Node, Topology};

/// Releases as images name them, and their suites.
const RELEASES: [(&[&str], &str); 6] = [
    (&["debian-11", "debian11", "bullseye"], "bullseye"),
    (&["debian-12", "debian12", "bookworm"], "bookworm"),
    (&["debian-13", "debian13", "trixie"], "trixie"),
    (&["20.04", "focal"], "focal"),
    (&["22.04", "jammy"], "jammy"),
    (&["24.04", "noble"], "noble"),
];

/// Refuses machines whose image cannot carry what should be on them, before they are made and paid.
pub fn check(inventory: &Inventory, topology: &Topology) -> Result<(), Problems> {
    let mut refused = Vec::new();
    for node in topology.nodes.values() {
        let Some(system) = system_of_image(node, topology) else {
            continue;
        };
        for component in component::of_node(node, topology) {
            let Some(unfit) = component.unfit_image(&system, topology) else {
                continue;
            };
            let key = format!("clouds.{}.{}", node.cloud, node.cloud.kind().system_key);
            let message = format!("{}: {}", node.name, unfit.what);
            refused.push(inventory.problem(key, message, Some(unfit.hint)));
        }
    }
    Problems::check(refused)
}

/// The system of a machine that a cloud will make, as far as its image's name tells.
pub fn system_of_image(node: &Node, topology: &Topology) -> Option<System> {
    let provider = registry::provider(node.cloud).ok()?;
    let ImageName { name, machine } = provider.image(&topology.clouds)?;
    let name = name.to_lowercase();
    let suite = suite_in(&name).unwrap_or_default();
    let ubuntu = name.contains("ubuntu") || matches!(suite, "focal" | "jammy" | "noble");
    Some(System {
        os: if ubuntu { "ubuntu" } else { "debian" }.into(),
        version: if suite == "focal" { "20.04" } else { "" }.into(),
        codename: suite.into(),
        architecture: machine.into(),
        ..System::default()
    })
}

/// The suite of the release that an image's name tells.
fn suite_in(name: &str) -> Option<&'static str> {
    let known = |words: &[&str]| words.iter().any(|word| name.contains(word));
    let release = RELEASES.into_iter().find(|(words, _)| known(words));
    release.map(|(_, suite)| suite)
}

/// An architecture as packages call it.
pub fn architecture(machine: &str) -> &'static str {
    match machine {
        "aarch64" | "arm64" => "arm64",
        "ppc64le" => "ppc64el",
        "s390x" => "s390x",
        _ => "amd64",
    }
}

#[cfg(test)]
mod tests {
    use super::{architecture, suite_in};

    #[test]
    fn an_images_name_tells_its_release() {
        for (name, suite) in [
            (
                "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-{arch}-server-*",
                Some("noble"),
            ),
            ("cc-ubuntu24.04", Some("noble")),
            ("cc-ubuntu22.04-cuda", Some("jammy")),
            ("debian-12-{arch}-*", Some("bookworm")),
            ("debian-11-amd64-20230124", Some("bullseye")),
            ("mine", None),
        ] {
            assert_eq!(suite_in(name), suite, "{name}");
        }
        assert_eq!(architecture("aarch64"), "arm64");
        assert_eq!(architecture("x86_64"), "amd64");
    }
}
