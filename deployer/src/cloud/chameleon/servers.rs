//! Servers: making, starting and waiting for them.

use jiff::Timestamp;
use serde_json::json;

use super::advice::{FAULT, advice, waits_for_a_person};
use super::context::{CloudContext, KINDS, id};
use super::failure::{code, not_found};
use super::notes::note;
use super::observed::Server;
use super::operation::{Flavor, Floating, Launch};
use super::session::Service;
use super::{address, marks, observe, plan, remove};
use crate::cloud::reconcile::Listed as _;
use crate::cloud::user_data::{self, Extra};
use crate::cloud::wait::{Goal, Underway};
use crate::cloud::{CloudError, wait};
use crate::machine::Machine;
use crate::retry::Retry;

/// What Nova takes as user data, in bytes: 64 KiB once it is encoded.
const LIMIT: usize = 48 * 1024 - 1;

/// Images of before April 2025 run firewalld, which lets in nothing but SSH; newer ones do not on virtual machines, where the security
/// group decides. So it is switched off where it is. Not waited for: systemd is still busy with the boot.
const NO_SECOND_FIREWALL: &str = "! systemctl cat firewalld.service >/dev/null 2>&1 || \
     systemctl disable --now --no-block firewalld.service";

/// Makes a node's server and waits until it runs; leads its floating IP there if it gets one.
pub(super) async fn launch(
    context: &CloudContext<'_>,
    launch: &Launch,
) -> Result<Machine, CloudError> {
    let node = launch.node.as_str();
    let flavor = match &launch.flavor {
        Flavor::Public(id) | Flavor::Reserved(id) => id.clone(),
        Flavor::New(flavor) => context.made(&note::reservation(flavor))?,
    };
    let group = match &launch.group {
        Some(group) => group.clone(),
        None => context.made(note::GROUP)?,
    };
    let network = match &launch.network {
        Some(network) => network.clone(),
        None => context.made(note::NETWORK)?,
    };
    let machine = context.wanted.machines.get(node).ok_or_else(|| {
        CloudError::Refused(format!("{node}: is not wanted, and still to be made"))
    })?;
    let text = user_data::render(
        machine,
        &context.wanted.user_key,
        &context.settings().ssh_keys,
        Extra {
            boot: vec![vec!["sh", "-c", NO_SECOND_FIREWALL]],
            ..Extra::default()
        },
        LIMIT,
    )?;
    let marks = marks::of(context.wanted, Some(node));
    let body = json!({"server": {
        "name": format!("{}-{node}", context.wanted.deployment),
        "imageRef": launch.image,
        "flavorRef": flavor,
        "networks": [{"uuid": network}],
        "security_groups": [{"name": group}],
        "metadata": marks,
        "user_data": user_data::encode(&text),
    }});
    let image = format!("{} {}", launch.image, context.settings().image);
    context.notes.record(note::IMAGE, &image)?;
    let make = || async {
        let answer = context.session().post(Service::Compute, "/servers", &body);
        id(&answer.await?["server"], "server")
    };
    let find = || async {
        let seen = observe::servers(context.session()).await?;
        let mut same = seen
            .into_iter()
            .filter(|one| context.ours(&one.marks) && one.lives() && one.node() == Some(node));
        Ok(same.next().map(|server| server.id))
    };
    let server = if let Some(server) = on_its_way(context, node, &find).await? {
        server
    } else {
        let (asked, now) = (note::asked(node), Timestamp::now().to_string());
        context.notes.record(&asked, &now)?;
        let made = wait::make_once(context.pace(), KINDS, make, &find).await;
        if !made.as_ref().is_err_and(KINDS.unanswered) {
            context.notes.record(&asked, "")?;
        }
        made?
    };
    context.notes.record(&note::server(node), &server)?;
    running(context, node, &server, launch.address.as_ref()).await
}

/// Looks for the server that an earlier run asked for and died: Nova does what it was asked, and only then lists it, and a second
/// server for the node would take the place of another in the lease.
async fn on_its_way<F: Future<Output = Result<Option<String>, CloudError>>>(
    context: &CloudContext<'_>,
    node: &str,
    find: impl Fn() -> F,
) -> Result<Option<String>, CloudError> {
    let asked = context.notes.get(&note::asked(node));
    let Some(asked) = asked.and_then(|time| time.parse::<Timestamp>().ok()) else {
        return Ok(None);
    };
    let words = "an earlier run asked for a server; it may be on its way";
    context.progress.line(Some(node), words);
    let mut retry = Retry::every(context.pace().poll);
    loop {
        if let Some(id) = find().await? {
            return Ok(Some(id));
        }
        if Timestamp::now().duration_since(asked) > wait::ON_ITS_WAY {
            return Ok(None);
        }
        retry.pause().await;
    }
}

/// Waits until a server runs, and leads its floating IP there if it gets one.
pub(super) async fn running(
    context: &CloudContext<'_>,
    node: &str,
    id: &str,
    address: Option<&Floating>,
) -> Result<Machine, CloudError> {
    let seen = until_active(context, node, id).await?;
    if let Some(address) = address {
        address::attach(context, node, &seen, address).await?;
    }
    machine(context, node, &seen).await
}

/// Waits until a server runs and has its address. One that failed is deleted, so that the next try finds its place free.
async fn until_active(
    context: &CloudContext<'_>,
    node: &str,
    id: &str,
) -> Result<Server, CloudError> {
    let pace = context.pace();
    let goal = Goal {
        node: Some(node),
        thing: id,
        goal: "running",
    };
    wait::until_done(pace, context.progress, goal, || async {
        let seen = match observe::server_by_id(context.session(), id).await {
            Err(error) if not_found(&error) => None,
            result => result?,
        };
        let seen = seen.filter(Server::lives).ok_or_else(|| {
            CloudError::Refused(format!(
                "{node}: {id} is gone: somebody deleted it, or the lease ended"
            ))
        })?;
        let state = seen.status.clone();
        if seen.failed() {
            return Err(failed(context, node, seen).await?);
        }
        if let Some(advice) = waits_for_a_person(&state) {
            return Err(CloudError::Refused(format!(
                "{node}: {id} is {state}: {advice} {id} (or the site's web interface), then once more"
            )));
        }
        let runs = state == "ACTIVE" && seen.address().is_some();
        Ok(Underway {
            late: format!("it is {state}"),
            state,
            done: runs.then_some(seen),
            limit: pace.boot,
        })
    })
    .await
}

/// Why a server failed. What never ran holds nothing, and is deleted.
async fn failed(
    context: &CloudContext<'_>,
    node: &str,
    server: Server,
) -> Result<CloudError, CloudError> {
    let Server { id, fault, ran, .. } = server;
    let fault = fault.unwrap_or_else(|| "the site gives no reason".into());
    if !ran && !context.wanted.made.contains(node) {
        remove::terminate(context, &[id.clone()].into()).await?;
    }
    let advice = advice(FAULT, 0, &fault).map(|advice| format!("; {advice}"));
    Ok(CloudError::Refused(format!(
        "{node}: {id} failed: {fault}{}",
        advice.unwrap_or_default()
    )))
}

/// Starts a server that is off.
pub(super) async fn start(
    context: &CloudContext<'_>,
    node: &str,
    id: &str,
    address: Option<&Floating>,
) -> Result<Machine, CloudError> {
    let path = format!("/servers/{id}/action");
    let body = json!({"os-start": null});
    match context.session().post(Service::Compute, &path, &body).await {
        // It was started already.
        Err(error) if code(&error) == "409" => {}
        result => {
            result?;
        }
    }
    // It says SHUTOFF for a moment longer.
    running(context, node, id, address).await
}

/// The machine that a server is, with the floating IP that leads there.
pub(super) async fn machine(
    context: &CloudContext<'_>,
    node: &str,
    server: &Server,
) -> Result<Machine, CloudError> {
    let floating = if context.settings().public(context.wanted).contains(node) {
        address::of(context).await?
    } else {
        Vec::new()
    };
    plan::machine(context.wanted, context.settings(), node, server, &floating)
        .ok_or_else(|| CloudError::Refused(format!("{node}: {} has no address", server.id)))
}
