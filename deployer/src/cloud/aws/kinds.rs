//! Instance types: what a machine of each has.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{ArchitectureType, Filter, InstanceTypeInfo};

use super::failure::api;
use super::settings::{Architecture, Settings};
use crate::cloud::{CloudError, WantedMachine};

/// What a machine of a type has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// Virtual processors.
    pub vcpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Architectures its processors run, by EC2's names.
    pub architectures: BTreeSet<String>,
}

impl Kind {
    fn read(seen: &InstanceTypeInfo) -> Option<(String, Self)> {
        let kind = Self {
            vcpus: u32::try_from(seen.v_cpu_info()?.default_v_cpus()?).ok()?,
            memory_mib: u64::try_from(seen.memory_info()?.size_in_mib()?).ok()?,
            architectures: seen
                .processor_info()?
                .supported_architectures()
                .iter()
                .map(|one: &ArchitectureType| one.as_str().to_owned())
                .collect(),
        };
        Some((seen.instance_type()?.as_str().to_owned(), kind))
    }
}

/// What these types have. One that AWS does not know in this region is left out.
pub async fn of(
    ec2: &Client,
    types: &BTreeSet<String>,
) -> Result<BTreeMap<String, Kind>, CloudError> {
    let these = Filter::builder()
        .name("instance-type")
        .set_values(Some(types.iter().cloned().collect()))
        .build();
    let call = ec2.describe_instance_types().filters(these);
    let seen: Vec<_> = call
        .into_paginator()
        .items()
        .send()
        .try_collect()
        .await
        .map_err(|error| api("DescribeInstanceTypes", &error))?;
    Ok(seen.iter().filter_map(Kind::read).collect())
}

/// Why a machine cannot be of the type that it would get, if so. A type that is not known is found by its zones.
pub fn misfit(
    machine: &WantedMachine,
    settings: &Settings,
    kinds: &BTreeMap<String, Kind>,
) -> Option<String> {
    let name = settings.type_for(machine.memory_mib).ok()?;
    let kind = kinds.get(&name)?;
    let architecture: Architecture = settings.architecture;
    if !kind.architectures.contains(architecture.name()) {
        let runs: Vec<&str> = kind.architectures.iter().map(String::as_str).collect();
        return Some(format!(
            "`instance_type`: {name} is for {}, `architecture` says {}",
            runs.join(" and "),
            architecture.name()
        ));
    }
    (kind.memory_mib < machine.memory_mib).then(|| {
        format!(
            "`instance_type`: {name} has {} MiB of memory, {} needs {} for its roles",
            kind.memory_mib, machine.node, machine.memory_mib
        )
    })
}
