//! The floating IP: got by a lease or by itself, and led to a server.

use jiff::Timestamp;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::apply::{Hands, KINDS, id};
use super::failure::{code, not_found, says};
use super::marks::{self, Purpose};
use super::notes::note;
use super::observed::{Address, Server};
use super::session::Service;
use super::{catalog, lease, observe, remove};
use crate::cloud::{CloudError, wait};

/// This deployment's floating IP.
pub(super) async fn of(hands: &Hands<'_>) -> Result<Option<Address>, CloudError> {
    let seen = observe::addresses(hands.session()).await?;
    let mut ours = seen.into_iter().filter(|one| hands.ours(&one.marks));
    Ok(ours.next())
}

/// Gets one. What leases give and what can be taken without one are two pools: where one is empty the other may not be.
pub(super) async fn get(
    hands: &Hands<'_>,
    network: &str,
    lease: Option<&(String, Timestamp)>,
) -> Result<(), CloudError> {
    let mut why = None;
    if let Some((name, end)) = lease {
        match leased(hands, network, name, *end).await {
            // A lease that failed, too: two that start at once may have been promised the same address.
            Err(error)
                if matches!(error, CloudError::Refused(_))
                    || matches!(code(&error), "400" | "404" | "500") =>
            {
                let line = format!("no lease for a floating IP, so one without: {error}");
                hands.progress.line(None, &line);
                why = Some(error);
            }
            result => return result,
        }
    }
    let taken = ad_hoc(hands, network).await;
    match (taken, why) {
        (Err(error), Some(why)) => Err(CloudError::Refused(format!(
            "there is no floating IP, neither by a lease ({why}) nor without one ({error}): wait, or ask the site for one"
        ))),
        (result, _) => result,
    }
}

async fn leased(
    hands: &Hands<'_>,
    network: &str,
    name: &str,
    end: Timestamp,
) -> Result<(), CloudError> {
    let reservation =
        json!({"resource_type": "virtual:floatingip", "network_id": network, "amount": 1});
    let id = lease::make(hands, Purpose::Address, name, end, vec![reservation]).await?;
    if let Err(error) = lease::active(hands, &id).await {
        // One that is still on its way may come yet: `up` again waits for it.
        if !matches!(error, CloudError::Deadline { .. }) {
            remove::lease(hands, &id).await?;
        }
        return Err(error);
    }
    let (start, pace) = (Instant::now(), hands.pace());
    loop {
        if let Some(found) = of(hands).await? {
            return hands.notes.record(note::ADDRESS, &found.id);
        }
        if start.elapsed() > pace.settle {
            return Err(CloudError::Deadline {
                what: format!("the floating IP of the lease {id}"),
                seconds: pace.settle.as_secs(),
                output: String::new(),
            });
        }
        sleep(pace.poll).await;
    }
}

async fn ad_hoc(hands: &Hands<'_>, network: &str) -> Result<(), CloudError> {
    let body = json!({"floatingip": {
        "floating_network_id": network,
        "description": marks::description(&marks::of(hands.wanted, None)),
    }});
    let make = || async {
        let answer = hands
            .session()
            .post(Service::Network, "/floatingips", &body)
            .await?;
        id(&answer["floatingip"], "floating IP")
    };
    let find = || async { Ok(of(hands).await?.map(|address| address.id)) };
    let id = wait::make_once(hands.pace(), KINDS, make, find).await?;
    hands.notes.record(note::ADDRESS, &id)
}

/// Leads the floating IP to a server; without an id the one that was got last.
pub(super) async fn attach(
    hands: &Hands<'_>,
    server: &Server,
    address: Option<&str>,
) -> Result<(), CloudError> {
    let address = match address {
        Some(address) => address.to_owned(),
        None => match of(hands).await? {
            Some(found) => found.id,
            None => hands.made(note::ADDRESS)?,
        },
    };
    let (_, own) = server
        .address()
        .ok_or_else(|| CloudError::Refused(format!("{} has no address", server.id)))?;
    let ports = observe::ports(hands.session(), &server.id).await?;
    let port = ports
        .get(&own)
        .ok_or_else(|| CloudError::Refused(format!("no port has the address {own}")))?;
    match lead(hands, &address, port).await {
        // A site that gives an address to one lease while it still takes it from another may delete it from under us.
        Err(error) if not_found(&error) => {
            let line = format!("the floating IP is gone, so another one: {error}");
            hands.progress.line(server.node(), &line);
            let network = catalog::external(hands.session()).await?;
            ad_hoc(hands, &network).await?;
            lead(hands, &hands.made(note::ADDRESS)?, port).await
        }
        result => result,
    }
}

/// Leads a floating IP to a port.
async fn lead(hands: &Hands<'_>, address: &str, port: &str) -> Result<(), CloudError> {
    let body = json!({"floatingip": {"port_id": port}});
    let put = || async {
        let path = format!("/floatingips/{address}");
        hands.session().put(Service::Network, &path, &body).await
    };
    // A shared network's router may not be known yet for a port that was just made.
    let passing = |error: &CloudError| says(error, "not reachable");
    let pace = hands.pace();
    let attached = wait::while_failing(pace, pace.settle / 4, passing, put).await;
    attached.map(|_| ()).map_err(|error| {
        if says(&error, "not reachable") {
            CloudError::Refused(format!(
                "the floating IP cannot be led into the network `{}`: it needs a router to the outside ({error})",
                hands.settings().network
            ))
        } else {
            error
        }
    })
}
