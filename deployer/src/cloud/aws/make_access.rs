//! Making what lets people and members in: the security group with its rules, and the key pair.

use std::collections::BTreeSet;

use aws_sdk_ec2::primitives::Blob;
use aws_sdk_ec2::types::ResourceType;

use super::context::CloudContext;
use super::failure::{api, code};
use super::gone::{away, there};
use super::notes::note;
use super::observe;
use super::operation::{Kind, Ref};
use super::requests::{no_id, tagged};
use super::rules::{Rule, Way};
use super::tags::resource_name;
use super::wait::{change, make_once};
use crate::cloud::CloudError;

pub(super) async fn group(context: &CloudContext<'_>, vpc: &Ref) -> Result<(), CloudError> {
    let (call, vpc, name) = (
        "CreateSecurityGroup",
        context.id(vpc)?,
        resource_name(&context.wanted.id),
    );
    let make = || async {
        let made = context
            .aws
            .once
            .create_security_group()
            .group_name(&name)
            .vpc_id(&vpc);
        let made = made.description(format!("deployer:{}", context.wanted.deployment));
        let made = made
            .tag_specifications(tagged(context, ResourceType::SecurityGroup))
            .send()
            .await;
        made.map_err(|error| api(call, &error))?
            .group_id()
            .map(str::to_owned)
            .ok_or_else(|| no_id(call))
    };
    let find = || async {
        let seen = observe::groups(context.ec2(), context.scope()).await?;
        Ok(seen
            .into_iter()
            .find(|group| group.vpc == vpc)
            .map(|group| group.id))
    };
    let id = match make_once(context.pace(), make, find).await {
        Err(error) if code(&error) == "InvalidGroup.Duplicate" => find()
            .await?
            .ok_or_else(|| taken("security group", &name))?,
        result => result?,
    };
    context.notes.record(note::GROUP, &id)
}

pub(super) async fn key(context: &CloudContext<'_>) -> Result<(), CloudError> {
    let name = resource_name(&context.wanted.id);
    let call = context
        .ec2()
        .import_key_pair()
        .key_name(&name)
        .public_key_material(Blob::new(context.wanted.user_key.as_bytes()));
    let call = call
        .tag_specifications(tagged(context, ResourceType::KeyPair))
        .send()
        .await;
    match call
        .map(|_| ())
        .map_err(|error| api("ImportKeyPair", &error))
    {
        Err(error) if code(&error) == "InvalidKeyPair.Duplicate" => {
            let ours = !observe::keys(context.ec2(), context.scope())
                .await?
                .is_empty();
            if ours {
                Ok(())
            } else {
                Err(taken("key pair", &name))
            }
        }
        result => result,
    }
}

/// Lets more in or out.
pub(super) async fn allow(
    context: &CloudContext<'_>,
    group: &str,
    way: Way,
    rules: &BTreeSet<Rule>,
) -> Result<(), CloudError> {
    let authorize = async |rules: Vec<&Rule>| {
        let permissions: Vec<_> = rules.iter().map(|rule| rule.permission(group)).collect();
        let call = || async {
            let permissions = Some(permissions.clone());
            match way {
                Way::In => {
                    let call = context.ec2().authorize_security_group_ingress();
                    let call = call.group_id(group).set_ip_permissions(permissions);
                    let answer = call.send().await.map(|_| ());
                    answer.map_err(|error| api("AuthorizeSecurityGroupIngress", &error))
                }
                Way::Out => {
                    let call = context.ec2().authorize_security_group_egress();
                    let call = call.group_id(group).set_ip_permissions(permissions);
                    let answer = call.send().await.map(|_| ());
                    answer.map_err(|error| api("AuthorizeSecurityGroupEgress", &error))
                }
            }
        };
        change(context.pace(), call).await
    };
    match authorize(rules.iter().collect()).await {
        // One that is there already fails them all: one by one then.
        Err(error) if code(&error) == "InvalidPermission.Duplicate" => {
            for rule in rules {
                match authorize(vec![rule]).await {
                    Err(error) if code(&error) == "InvalidPermission.Duplicate" => {}
                    result => result?,
                }
            }
            Ok(())
        }
        result => result,
    }
}

/// Lets less in or out.
pub(super) async fn revoke(
    context: &CloudContext<'_>,
    group: &str,
    way: Way,
    rules: &BTreeSet<Rule>,
) -> Result<(), CloudError> {
    let permissions: Vec<_> = rules.iter().map(|rule| rule.permission(group)).collect();
    let call = || async {
        let permissions = Some(permissions.clone());
        match way {
            Way::In => {
                let call = context.ec2().revoke_security_group_ingress();
                let call = call.group_id(group).set_ip_permissions(permissions);
                let answer = call.send().await.map(|_| ());
                answer.map_err(|error| api("RevokeSecurityGroupIngress", &error))
            }
            Way::Out => {
                let call = context.ec2().revoke_security_group_egress();
                let call = call.group_id(group).set_ip_permissions(permissions);
                let answer = call.send().await.map(|_| ());
                answer.map_err(|error| api("RevokeSecurityGroupEgress", &error))
            }
        }
    };
    away(context.pace(), call, || {
        there(context.ec2(), Kind::Group, group)
    })
    .await
}

fn taken(kind: &str, name: &str) -> CloudError {
    CloudError::Refused(format!(
        "the {kind} `{name}` is somebody else's: it lacks our tag, so it is neither used nor deleted"
    ))
}
