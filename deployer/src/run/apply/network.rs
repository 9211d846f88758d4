//! Names and the firewall.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::files::{self, WRITE};
use super::shell::{QUICK, Script, Shell, succeeded, words};
use crate::host::Input;
use crate::run::{StepError, hosts_block};
use crate::step::{Access, sha256};
use crate::{firewall, hosts_table};

const HOSTS: &str = "/etc/hosts";
/// The exit code of the script that found another file than the one to replace.
const CHANGED: i32 = 75;
/// How often to begin again when somebody else writes the file, too.
const TRIES: usize = 5;

/// cloud-init writes the file anew at each boot of some clouds' machines, unless told not to.
const KEEP: Script = Script {
    name: "keep /etc/hosts from cloud-init",
    text: "if [ ! -d /etc/cloud ]; then exit 0; fi; mkdir -p /etc/cloud/cloud.cfg.d && printf '# Written by deployer.\\nmanage_etc_hosts: false\\n' >\"/etc/cloud/cloud.cfg.d/99-deployer-$1.cfg\"",
};
const UNKEEP: Script = Script {
    name: "leave /etc/hosts to cloud-init",
    text: "rm -f -- \"/etc/cloud/cloud.cfg.d/99-deployer-$1.cfg\"",
};
const LOAD: Script = Script {
    name: "load firewall",
    text: "nft -f \"$1\" && systemctl enable --quiet \"$2\"",
};
const UNLOAD: Script = Script {
    name: "remove firewall",
    text: include_str!("firewall_remove.sh"),
};

pub(super) async fn write_hosts_table(
    shell: &Shell<'_>,
    block: &str,
    entries: &BTreeMap<String, Option<IpAddr>>,
) -> Result<(), StepError> {
    shell.script(&KEEP, &[block], Input::Nothing, QUICK).await?;
    edit_hosts(shell, block, Some(&hosts_table::block_text(entries))).await
}

pub(super) async fn remove_hosts_table(shell: &Shell<'_>, block: &str) -> Result<(), StepError> {
    edit_hosts(shell, block, None).await?;
    shell
        .script(&UNKEEP, &[block], Input::Nothing, QUICK)
        .await?;
    Ok(())
}

/// Reads the file, changes it here and puts it back, unless it changed in the meantime.
async fn edit_hosts(shell: &Shell<'_>, block: &str, lines: Option<&str>) -> Result<(), StepError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let old = shell
            .run("cat", &["--", HOSTS], Input::Nothing, QUICK)
            .await?
            .stdout;
        // Bytes that are no text keep their places: the block is ASCII, and each byte is one character here.
        let text: String = old.iter().copied().map(char::from).collect();
        let new = hosts_block::replace(&text, block, lines);
        if new == text {
            return Ok(());
        }
        let new: Vec<u8> = new
            .chars()
            .filter_map(|character| u8::try_from(character).ok())
            .collect();
        let (old_sum, new_sum) = (sha256(&old), sha256(&new));
        let arguments = ["root", "root", "0644", &new_sum, HOSTS, &old_sum];
        let output = shell
            .script_output(&WRITE, &arguments, Input::Bytes(new), QUICK)
            .await?;
        if output.status != CHANGED || tries == TRIES {
            succeeded(output, &words(&WRITE, &arguments))?;
            return Ok(());
        }
    }
}

pub(super) async fn write_firewall(
    shell: &Shell<'_>,
    table: &str,
    ports: &BTreeSet<u16>,
    members: &BTreeMap<String, Option<IpAddr>>,
) -> Result<(), StepError> {
    let access = Access::root("root", 0o644);
    let rules = firewall::rules_path(table);
    files::write(
        shell,
        &rules,
        &firewall::ruleset(table, ports, members),
        &access,
    )
    .await?;
    let unit_path = firewall::unit_path(table);
    files::write(shell, &unit_path, &firewall::unit_text(table), &access).await?;
    let unit = firewall::unit(table);
    shell
        .script(&LOAD, &[&rules, &unit], Input::Nothing, QUICK)
        .await?;
    Ok(())
}

pub(super) async fn remove_firewall(shell: &Shell<'_>, table: &str) -> Result<(), StepError> {
    let (unit, unit_path) = (firewall::unit(table), firewall::unit_path(table));
    let rules = firewall::rules_path(table);
    let arguments = [table, &unit, &unit_path, &rules];
    shell
        .script(&UNLOAD, &arguments, Input::Nothing, QUICK)
        .await?;
    Ok(())
}
