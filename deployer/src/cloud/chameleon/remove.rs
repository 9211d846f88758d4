//! Taking away. What is gone already is gone; what holds on is waited for, until a deadline.

use std::collections::BTreeSet;

use serde_json::json;

use super::context::CloudContext;
use super::failure::{held, not_found};
use super::observe;
use super::observed::Server;
use super::operation::Kind;
use super::session::Service;
use crate::cloud::reconcile::{Listed as _, until_gone};
use crate::cloud::{CloudError, wait};

/// Deletes servers and waits until they are gone.
pub(super) async fn terminate(
    context: &CloudContext<'_>,
    servers: &BTreeSet<String>,
) -> Result<(), CloudError> {
    for id in servers {
        let path = format!("/servers/{id}");
        context.session().delete(Service::Compute, &path).await?;
    }
    let left = || async {
        let mut seen = observe::servers(context.session()).await?;
        seen.retain(|server| servers.contains(&server.id) && server.lives());
        Ok(seen)
    };
    until_gone(context.pace(), context.progress, left).await
}

/// Deletes one thing.
pub(super) async fn delete(
    context: &CloudContext<'_>,
    kind: Kind,
    id: &str,
) -> Result<(), CloudError> {
    let path = match kind {
        Kind::Server => return terminate(context, &[id.to_owned()].into()).await,
        Kind::Lease => return lease(context, id).await,
        Kind::Address => format!("/floatingips/{id}"),
        Kind::Group => format!("/security-groups/{id}"),
        Kind::Router => {
            take_legs_out(context, id).await?;
            format!("/routers/{id}")
        }
        // Its subnets go with it.
        Kind::Network => format!("/networks/{id}"),
    };
    let pace = context.pace();
    let delete = || async { context.session().delete(Service::Network, &path).await };
    wait::while_failing(pace, pace.gone, held, delete)
        .await
        .map_err(|error| {
            if held(&error) {
                CloudError::Refused(format!(
                    "the {} {id} is still in use, by something that is not of this deployment: {error}",
                    kind.words()
                ))
            } else {
                error
            }
        })
}

/// A router goes when it leads out of no network any more.
async fn take_legs_out(context: &CloudContext<'_>, router: &str) -> Result<(), CloudError> {
    let pace = context.pace();
    let path = format!("/routers/{router}/remove_router_interface");
    for subnet in observe::legs(context.session(), router).await? {
        let body = json!({"subnet_id": subnet});
        let take_out = || async {
            match context.session().put(Service::Network, &path, &body).await {
                Err(error) if not_found(&error) => Ok(()),
                result => result.map(|_| ()),
            }
        };
        wait::while_failing(pace, pace.gone, held, take_out).await?;
    }
    Ok(())
}

/// Deletes a lease. One that is just starting cannot be deleted yet.
///
/// The site deletes its machines with it (Blazar's `flavor_plugin.on_end`), whoever made them: so it is looked at once more whether
/// there are any. A teardown of all of this deployment's takes those of its own along.
pub(super) async fn lease(context: &CloudContext<'_>, id: &str) -> Result<(), CloudError> {
    let Some(seen) = observe::lease_if_there(context.session(), id).await? else {
        return Ok(());
    };
    let everything = context.wanted.machines.is_empty();
    let servers = observe::all_servers(context.session()).await?;
    let spared = |server: &&Server| {
        server.lives() && seen.gave(server) && !(everything && context.ours(&server.marks))
    };
    let kept: Vec<&str> = servers.iter().filter(spared).map(|one| &*one.id).collect();
    if !kept.is_empty() {
        let (kept, end) = (kept.join(", "), seen.end);
        return Err(CloudError::Refused(format!(
            "the lease {id} is not deleted: its machines would go with it, and {kept} run under it. Delete them first if nobody needs \
             them; it ends at {end}"
        )));
    }
    let pace = context.pace();
    let path = format!("/leases/{id}");
    let delete = || async { context.session().delete(Service::Reservation, &path).await };
    let deleted = wait::while_failing(pace, pace.gone, held, delete).await;
    deleted.map_err(|error| match error {
        error if held(&error) => CloudError::Deadline {
            what: format!("deleting the lease {id}"),
            seconds: pace.gone.as_secs(),
            output: format!(
                "{error}: the site is busy with it. `deployer teardown` tries again; if it stays so, tell the site's help desk the \
                 lease's id"
            ),
        },
        error => error,
    })
}
