//! Making what machines are put into. Each thing carries its tags from the call that makes it, and its id is noted.

use aws_sdk_ec2::types::{ResourceType, TagSpecification};

use super::apply::Hands;
use super::failure::{api, code};
use super::notes::note;
use super::operation::Ref;
use super::wait::{change, make_once};
use super::{observe, tags};
use crate::cloud::CloudError;

pub(super) fn tagged(hands: &Hands<'_>, kind: ResourceType) -> TagSpecification {
    tags::specification(kind, &tags::of(hands.wanted, hands.settings(), None))
}

pub(super) fn no_id(call: &str) -> CloudError {
    CloudError::Api {
        call: call.into(),
        code: "no id".into(),
        message: "AWS answered without an id".into(),
    }
}

pub(super) async fn vpc(hands: &Hands<'_>, cidr: &str) -> Result<(), CloudError> {
    let call = "CreateVpc";
    let make = || async {
        let made = hands
            .aws
            .once
            .create_vpc()
            .cidr_block(cidr)
            .tag_specifications(tagged(hands, ResourceType::Vpc));
        let made = made.send().await.map_err(|error| api(call, &error))?;
        made.vpc()
            .and_then(|vpc| vpc.vpc_id())
            .map(str::to_owned)
            .ok_or_else(|| no_id(call))
    };
    let find = || async {
        Ok(observe::vpcs(hands.ec2(), hands.scope())
            .await?
            .into_iter()
            .next()
            .map(|vpc| vpc.id))
    };
    let id = make_once(hands.pace(), make, find).await?;
    hands.notes.record(note::VPC, &id)
}

pub(super) async fn subnet(
    hands: &Hands<'_>,
    vpc: &Ref,
    zone: &str,
    cidr: &str,
) -> Result<(), CloudError> {
    let (call, vpc) = ("CreateSubnet", hands.id(vpc)?);
    let make = || async {
        let made = hands
            .aws
            .once
            .create_subnet()
            .vpc_id(&vpc)
            .availability_zone(zone)
            .cidr_block(cidr);
        let made = made
            .tag_specifications(tagged(hands, ResourceType::Subnet))
            .send()
            .await;
        let made = made.map_err(|error| api(call, &error))?;
        made.subnet()
            .and_then(|subnet| subnet.subnet_id())
            .map(str::to_owned)
            .ok_or_else(|| no_id(call))
    };
    let find = || async {
        let seen = observe::subnets(hands.ec2(), hands.scope().filter()).await?;
        Ok(seen
            .into_iter()
            .find(|subnet| subnet.vpc == vpc && subnet.zone == zone)
            .map(|subnet| subnet.id))
    };
    let id = match make_once(hands.pace(), make, find).await {
        Err(error) if code(&error) == "InvalidSubnet.Conflict" => find().await?.ok_or(error)?,
        result => result?,
    };
    hands.notes.record(&note::subnet(zone), &id)
}

pub(super) async fn gateway(hands: &Hands<'_>, vpc: &Ref) -> Result<(), CloudError> {
    let call = "CreateInternetGateway";
    let make = || async {
        let made = hands
            .aws
            .once
            .create_internet_gateway()
            .tag_specifications(tagged(hands, ResourceType::InternetGateway));
        let made = made.send().await.map_err(|error| api(call, &error))?;
        let id = made
            .internet_gateway()
            .and_then(|gateway| gateway.internet_gateway_id());
        id.map(str::to_owned).ok_or_else(|| no_id(call))
    };
    let find = || async {
        let seen = observe::gateways(hands.ec2(), hands.scope()).await?;
        Ok(seen
            .into_iter()
            .find(|gateway| gateway.vpc.is_none())
            .map(|gateway| gateway.id))
    };
    let id = make_once(hands.pace(), make, find).await?;
    hands.notes.record(note::GATEWAY, &id)?;
    attachment(hands, &id, &hands.id(vpc)?).await
}

pub(super) async fn attachment(
    hands: &Hands<'_>,
    gateway: &str,
    vpc: &str,
) -> Result<(), CloudError> {
    let call = || async {
        let call = hands
            .ec2()
            .attach_internet_gateway()
            .internet_gateway_id(gateway)
            .vpc_id(vpc);
        call.send()
            .await
            .map(|_| ())
            .map_err(|error| api("AttachInternetGateway", &error))
    };
    match change(hands.pace(), call).await {
        // Repeated after a lost answer.
        Err(error) if code(&error) == "Resource.AlreadyAssociated" => {
            let seen = observe::gateways(hands.ec2(), hands.scope()).await?;
            let ours = seen
                .iter()
                .any(|one| one.id == gateway && one.vpc.as_deref() == Some(vpc));
            if ours { Ok(()) } else { Err(error) }
        }
        result => result,
    }
}

pub(super) async fn route_table(hands: &Hands<'_>, vpc: &Ref) -> Result<(), CloudError> {
    let (call, vpc) = ("CreateRouteTable", hands.id(vpc)?);
    let make = || async {
        let made = hands
            .aws
            .once
            .create_route_table()
            .vpc_id(&vpc)
            .tag_specifications(tagged(hands, ResourceType::RouteTable));
        let made = made.send().await.map_err(|error| api(call, &error))?;
        made.route_table()
            .and_then(|table| table.route_table_id())
            .map(str::to_owned)
            .ok_or_else(|| no_id(call))
    };
    let find = || async {
        let seen = observe::route_tables(hands.ec2(), hands.scope()).await?;
        Ok(seen
            .into_iter()
            .find(|table| table.vpc == vpc)
            .map(|table| table.id))
    };
    let id = make_once(hands.pace(), make, find).await?;
    hands.notes.record(note::ROUTE_TABLE, &id)
}

pub(super) async fn route(
    hands: &Hands<'_>,
    table: &Ref,
    gateway: &Ref,
    replace: bool,
) -> Result<(), CloudError> {
    let (table, gateway, everywhere) = (hands.id(table)?, hands.id(gateway)?, "0.0.0.0/0");
    let call = || async {
        if replace {
            let call = hands
                .ec2()
                .replace_route()
                .route_table_id(&table)
                .destination_cidr_block(everywhere);
            call.gateway_id(&gateway)
                .send()
                .await
                .map(|_| ())
                .map_err(|error| api("ReplaceRoute", &error))
        } else {
            let call = hands
                .ec2()
                .create_route()
                .route_table_id(&table)
                .destination_cidr_block(everywhere);
            call.gateway_id(&gateway)
                .send()
                .await
                .map(|_| ())
                .map_err(|error| api("CreateRoute", &error))
        }
    };
    match change(hands.pace(), call).await {
        Err(error) if code(&error) == "RouteAlreadyExists" => Ok(()),
        result => result,
    }
}

pub(super) async fn association(
    hands: &Hands<'_>,
    table: &Ref,
    subnet: &Ref,
) -> Result<(), CloudError> {
    let (table, subnet) = (hands.id(table)?, hands.id(subnet)?);
    let call = || async {
        let call = hands
            .ec2()
            .associate_route_table()
            .route_table_id(&table)
            .subnet_id(&subnet);
        call.send()
            .await
            .map(|_| ())
            .map_err(|error| api("AssociateRouteTable", &error))
    };
    match change(hands.pace(), call).await {
        Err(error) if code(&error) == "Resource.AlreadyAssociated" => Ok(()),
        result => result,
    }
}
