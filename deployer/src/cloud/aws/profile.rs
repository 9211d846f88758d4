//! Instance profiles of the user's: machines that the inventory gives one are let in by its role wherever that may go. None is ever
//! made or deleted, and none is taken from a machine that has one.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{IamInstanceProfileAssociationState, IamInstanceProfileSpecification};

use super::Aws;
use super::context::CloudContext;
use super::failure::{api, code, denied};
use super::observed::{Instance, State};
use super::operation::Operation;
use super::signed::Request;
use super::tags::filter;
use super::view::{View, stage, step};
use super::wait::change;
use crate::cloud::finding::Finding;
use crate::cloud::{CloudError, CloudStep, Wanted};
use crate::topology::CloudName;
use crate::xml::element;

/// What IAM says of an instance profile.
enum Seen {
    /// It is there, and has a role.
    Good,
    /// It is of no use, and why.
    Bad(String),
    /// It does not say.
    Unknown(CloudError),
}

/// Giving machines that are there the profiles that they should have.
pub(super) fn steps(view: &View<'_>, chosen: &BTreeMap<&str, &Instance>) -> Vec<CloudStep> {
    let machines = view.wanted.machines.values();
    let steps = machines.filter_map(|machine| {
        let profile = &machine.profile.as_ref()?.name;
        let instance = chosen.get(machine.node.as_str())?;
        let present = instance.profile.as_ref();
        if present == Some(profile) || instance.state == State::Pending {
            return None;
        }
        let (words, call) = match present {
            Some(other) => (
                format!(
                    "give {} the instance profile {profile} in place of {other}",
                    instance.id
                ),
                "ReplaceIamInstanceProfileAssociation",
            ),
            None => (
                format!("give {} the instance profile {profile}", instance.id),
                "AssociateIamInstanceProfile",
            ),
        };
        let operation = Operation::GiveProfile {
            instance: instance.id.clone(),
            profile: profile.clone(),
        };
        let mut step = step(stage::PROFILES, words, call, operation);
        step.node = Some(machine.node.clone());
        Some(step)
    });
    steps.collect()
}

/// Gives a machine a profile, in place of the one that it has.
pub(super) async fn give(
    context: &CloudContext<'_>,
    instance: &str,
    profile: &str,
) -> Result<(), CloudError> {
    let by_name = IamInstanceProfileSpecification::builder()
        .name(profile)
        .build();
    let call = || async {
        let call = "DescribeIamInstanceProfileAssociations";
        let present = context
            .ec2()
            .describe_iam_instance_profile_associations()
            .filters(filter("instance-id", instance))
            .send()
            .await
            .map_err(|error| api(call, &error))?;
        let mut present = present.iam_instance_profile_associations().iter();
        let present = present.find(|one| {
            use IamInstanceProfileAssociationState::{Associated, Associating};
            matches!(one.state(), Some(Associated | Associating))
        });
        if let Some(id) = present.and_then(|one| one.association_id()) {
            let call = context.ec2().replace_iam_instance_profile_association();
            let call = call.association_id(id);
            let done = call.iam_instance_profile(by_name.clone()).send().await;
            let done = done.map(drop);
            return done.map_err(|error| api("ReplaceIamInstanceProfileAssociation", &error));
        }
        let call = context.ec2().associate_iam_instance_profile();
        let call = call.instance_id(instance);
        let done = call.iam_instance_profile(by_name.clone()).send().await;
        let done = done.map(drop);
        done.map_err(|error| api("AssociateIamInstanceProfile", &error))
    };
    change(context.pace(), call).await
}

impl Aws {
    /// Looks at the profiles that steps give to machines: one that cannot be given is refused with its key, before anything is made.
    /// Returns what is not known of others.
    pub(super) async fn profiles(
        &self,
        wanted: &Wanted,
        steps: &[CloudStep],
    ) -> Result<Vec<String>, CloudError> {
        let mut looked = BTreeSet::new();
        let mut unknown = Vec::new();
        for step in steps {
            let gives = match step.operation.read(CloudName::AWS)? {
                Operation::Launch(launch) => launch.profile.is_some(),
                Operation::GiveProfile { .. } => true,
                _ => false,
            };
            let machine = step.node.as_ref().filter(|_| gives);
            let machine = machine.and_then(|node| wanted.machines.get(node));
            let Some(profile) = machine.and_then(|machine| machine.profile.as_ref()) else {
                continue;
            };
            if !looked.insert(&profile.name) {
                continue;
            }
            match self.look_at_profile(&profile.name).await {
                Seen::Good => {}
                Seen::Bad(message) => {
                    let key = profile.key.clone();
                    return Err(CloudError::Inventory { key, message });
                }
                Seen::Unknown(error) => {
                    unknown.push(format!(
                        "whether it is there is not known: {}",
                        words(&profile.name, &error)
                    ));
                }
            }
        }
        Ok(unknown)
    }

    /// What is found of the profiles that machines should have.
    pub(super) async fn profile_findings(&self, wanted: &Wanted) -> Vec<Finding> {
        let profiles = wanted
            .machines
            .values()
            .filter_map(|one| one.profile.as_ref());
        let names: BTreeSet<&str> = profiles.map(|profile| profile.name.as_str()).collect();
        let mut findings = Vec::new();
        for name in names {
            let what = format!("instance profile {name}");
            findings.push(match self.look_at_profile(name).await {
                Seen::Good => Finding::good(what),
                Seen::Bad(problem) => Finding::bad(what, &problem),
                Seen::Unknown(error) => Finding::unknown(words(name, &error)),
            });
        }
        findings
    }

    async fn look_at_profile(&self, name: &str) -> Seen {
        let (region, home) = home(&self.region);
        let request = Request {
            call: "GetInstanceProfile",
            service: "iam",
            region,
            home: home.to_owned(),
            form: &[
                ("Action", "GetInstanceProfile"),
                ("Version", "2010-05-08"),
                ("InstanceProfileName", name),
            ],
        };
        match self.signed.ask(&request).await {
            Ok(text) if element(&text, "RoleName").is_some() => Seen::Good,
            Ok(_) => Seen::Bad(format!(
                "the instance profile {name} has no role, so nothing lets its machine in: `aws iam add-role-to-instance-profile` \
                 gives it one"
            )),
            Err(error) if code(&error) == "NoSuchEntity" => Seen::Bad(format!(
                "the account has no instance profile {name}: look at `aws iam list-instance-profiles` (a role that was made \
                 without the console has none; `aws iam create-instance-profile`)"
            )),
            Err(error) => Seen::Unknown(error),
        }
    }
}

/// What is not known of a profile.
fn words(name: &str, error: &CloudError) -> String {
    if denied(error) {
        return format!(
            "instance profile {name}: these credentials may not look at it (`iam:GetInstanceProfile`); EC2 says it when the machine \
             is made"
        );
    }
    format!("instance profile {name}: {error}")
}

/// Where IAM is, and the region that its calls are signed for: one for each of AWS's partitions (IAM's "endpoints and quotas").
fn home(region: &str) -> (&'static str, &'static str) {
    if region.starts_with("cn-") {
        ("cn-north-1", "https://iam.cn-north-1.amazonaws.com.cn")
    } else if region.starts_with("us-gov-") {
        ("us-gov-west-1", "https://iam.us-gov.amazonaws.com")
    } else {
        ("us-east-1", "https://iam.amazonaws.com")
    }
}
