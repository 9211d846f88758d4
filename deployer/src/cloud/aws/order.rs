//! How many machines of which types: what quotas and prices are about. Pure.

use std::collections::BTreeMap;

use super::operation::{Launch, Operation};
use super::settings::Settings;
use crate::cloud::{CloudStep, WantedMachine};
use crate::topology::CloudName;

/// Machines by their types, and how many of them get a public address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Order {
    /// Instance type → how many.
    pub types: BTreeMap<String, u32>,
    /// How many public addresses.
    pub addresses: u32,
}

impl Order {
    /// The machines that steps would make.
    pub fn of_steps(steps: &[CloudStep]) -> Self {
        let launches = steps.iter().filter_map(|step| {
            let operation = step.operation.read(CloudName::AWS);
            match operation {
                Ok(Operation::Launch(launch)) => Some(launch),
                _ => None,
            }
        });
        let mut order = Self::default();
        for Launch {
            instance_type,
            public_ip,
            ..
        } in launches
        {
            order.add(&instance_type, public_ip);
        }
        order
    }

    /// These machines, as far as there are types for them.
    pub fn of_machines<'a>(
        machines: impl Iterator<Item = &'a WantedMachine>,
        settings: &Settings,
    ) -> Self {
        let mut order = Self::default();
        for machine in machines {
            if let Ok(instance_type) = settings.type_for(machine.memory_mib) {
                order.add(&instance_type, settings.is_public(&machine.node));
            }
        }
        order
    }

    /// How many machines.
    pub fn machines(&self) -> u32 {
        self.types.values().sum()
    }

    fn add(&mut self, instance_type: &str, public: bool) {
        *self.types.entry(instance_type.into()).or_default() += 1;
        self.addresses += u32::from(public);
    }
}
