//! Making what machines are put into. Each thing carries its tags from the call that makes it, and its id is noted.

use aws_sdk_ec2::types::ResourceType;

use super::context::CloudContext;
use super::failure::{api, code};
use super::notes::note;
use super::observe;
use super::operation::Ref;
use super::requests::{no_id, tagged};
use super::wait::{change, make_once};
use crate::cloud::CloudError;

pub(super) async fn vpc(context: &CloudContext<'_>, cidr: &str) -> Result<(), CloudError> {
    let call = "CreateVpc";
    let make = || async {
        let made = context
            .aws
            .once
            .create_vpc()
            .cidr_block(cidr)
            .tag_specifications(tagged(context, ResourceType::Vpc));
        let made = made.send().await.map_err(|error| api(call, &error))?;
        made.vpc()
            .and_then(|vpc| vpc.vpc_id())
            .map(str::to_owned)
            .ok_or_else(|| no_id(call))
    };
    let find = || async {
        Ok(observe::vpcs(context.ec2(), context.scope())
            .await?
            .into_iter()
            .next()
            .map(|vpc| vpc.id))
    };
    let id = make_once(context.pace(), make, find).await?;
    context.notes.record(note::VPC, &id)
}

pub(super) async fn subnet(
    context: &CloudContext<'_>,
    vpc: &Ref,
    zone: &str,
    cidr: &str,
) -> Result<(), CloudError> {
    let (call, vpc) = ("CreateSubnet", context.id(vpc)?);
    let make = || async {
        let made = context
            .aws
            .once
            .create_subnet()
            .vpc_id(&vpc)
            .availability_zone(zone)
            .cidr_block(cidr);
        let made = made
            .tag_specifications(tagged(context, ResourceType::Subnet))
            .send()
            .await;
        let made = made.map_err(|error| api(call, &error))?;
        made.subnet()
            .and_then(|subnet| subnet.subnet_id())
            .map(str::to_owned)
            .ok_or_else(|| no_id(call))
    };
    let find = || async {
        let seen = observe::subnets(context.ec2(), context.scope().filter()).await?;
        Ok(seen
            .into_iter()
            .find(|subnet| subnet.vpc == vpc && subnet.zone == zone)
            .map(|subnet| subnet.id))
    };
    let id = match make_once(context.pace(), make, find).await {
        Err(error) if code(&error) == "InvalidSubnet.Conflict" => find().await?.ok_or(error)?,
        result => result?,
    };
    context.notes.record(&note::subnet(zone), &id)
}

pub(super) async fn gateway(context: &CloudContext<'_>, vpc: &Ref) -> Result<(), CloudError> {
    let call = "CreateInternetGateway";
    let make = || async {
        let made = context
            .aws
            .once
            .create_internet_gateway()
            .tag_specifications(tagged(context, ResourceType::InternetGateway));
        let made = made.send().await.map_err(|error| api(call, &error))?;
        let id = made
            .internet_gateway()
            .and_then(|gateway| gateway.internet_gateway_id());
        id.map(str::to_owned).ok_or_else(|| no_id(call))
    };
    let find = || async {
        let seen = observe::gateways(context.ec2(), context.scope()).await?;
        Ok(seen
            .into_iter()
            .find(|gateway| gateway.vpc.is_none())
            .map(|gateway| gateway.id))
    };
    let id = make_once(context.pace(), make, find).await?;
    context.notes.record(note::GATEWAY, &id)?;
    attachment(context, &id, &context.id(vpc)?).await
}

pub(super) async fn attachment(
    context: &CloudContext<'_>,
    gateway: &str,
    vpc: &str,
) -> Result<(), CloudError> {
    let call = || async {
        let call = context
            .ec2()
            .attach_internet_gateway()
            .internet_gateway_id(gateway)
            .vpc_id(vpc);
        call.send()
            .await
            .map(|_| ())
            .map_err(|error| api("AttachInternetGateway", &error))
    };
    match change(context.pace(), call).await {
        // Repeated after a lost answer.
        Err(error) if code(&error) == "Resource.AlreadyAssociated" => {
            let seen = observe::gateways(context.ec2(), context.scope()).await?;
            let ours = seen
                .iter()
                .any(|one| one.id == gateway && one.vpc.as_deref() == Some(vpc));
            if ours { Ok(()) } else { Err(error) }
        }
        result => result,
    }
}

pub(super) async fn route_table(context: &CloudContext<'_>, vpc: &Ref) -> Result<(), CloudError> {
    let (call, vpc) = ("CreateRouteTable", context.id(vpc)?);
    let make = || async {
        let made = context
            .aws
            .once
            .create_route_table()
            .vpc_id(&vpc)
            .tag_specifications(tagged(context, ResourceType::RouteTable));
        let made = made.send().await.map_err(|error| api(call, &error))?;
        made.route_table()
            .and_then(|table| table.route_table_id())
            .map(str::to_owned)
            .ok_or_else(|| no_id(call))
    };
    let find = || async {
        let seen = observe::route_tables(context.ec2(), context.scope()).await?;
        Ok(seen
            .into_iter()
            .find(|table| table.vpc == vpc)
            .map(|table| table.id))
    };
    let id = make_once(context.pace(), make, find).await?;
    context.notes.record(note::ROUTE_TABLE, &id)
}

pub(super) async fn route(
    context: &CloudContext<'_>,
    table: &Ref,
    gateway: &Ref,
    replace: bool,
) -> Result<(), CloudError> {
    let (table, gateway, everywhere) = (context.id(table)?, context.id(gateway)?, "0.0.0.0/0");
    let call = || async {
        if replace {
            let call = context
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
            let call = context
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
    match change(context.pace(), call).await {
        Err(error) if code(&error) == "RouteAlreadyExists" => Ok(()),
        result => result,
    }
}

pub(super) async fn association(
    context: &CloudContext<'_>,
    table: &Ref,
    subnet: &Ref,
) -> Result<(), CloudError> {
    let (table, subnet) = (context.id(table)?, context.id(subnet)?);
    let call = || async {
        let call = context
            .ec2()
            .associate_route_table()
            .route_table_id(&table)
            .subnet_id(&subnet);
        call.send()
            .await
            .map(|_| ())
            .map_err(|error| api("AssociateRouteTable", &error))
    };
    match change(context.pace(), call).await {
        Err(error) if code(&error) == "Resource.AlreadyAssociated" => Ok(()),
        result => result,
    }
}
