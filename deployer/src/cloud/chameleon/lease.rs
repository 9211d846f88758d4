//! Leases: making, waiting for, and prolonging them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::apply::{Hands, KINDS, id};
use super::failure::says;
use super::marks::Purpose;
use super::notes::note;
use super::observe;
use super::observed::Lease;
use super::session::Service;
use crate::cloud::CloudError;
use crate::cloud::wait;

/// A time as Blazar wants it: UTC, without saying so.
pub(super) fn date(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M").to_string()
}

/// Makes a lease for machines and waits until it is active; notes its reservations by flavor.
pub(super) async fn machines(
    hands: &Hands<'_>,
    name: &str,
    end: Timestamp,
    flavors: &BTreeMap<String, u64>,
) -> Result<(), CloudError> {
    let reservations: Vec<Value> = flavors
        .iter()
        // `affinity` must be there, and must be nothing.
        .map(|(flavor, amount)| {
            json!({"resource_type": "flavor:instance", "flavor_id": flavor, "amount": amount, "affinity": null})
        })
        .collect();
    let id = make(hands, Purpose::Machines, name, end, reservations).await?;
    let lease = active(hands, &id).await?;
    hands.notes.record(note::END, &lease.end.to_string())?;
    // In the order they were asked for, as far as the sizes do not tell.
    let sizes = super::catalog::flavors(hands.session()).await?;
    for (flavor, amount) in flavors {
        let size = sizes.iter().find(|offer| offer.id == *flavor);
        let found = lease
            .reservations
            .iter()
            .find(|one| one.amount == *amount && size.is_none_or(|offer| offer.size == one.size));
        let found = found.ok_or_else(|| {
            CloudError::Refused(format!(
                "the lease {id} does not have {amount} of the flavor {flavor}"
            ))
        })?;
        hands.notes.record(&note::reservation(flavor), &found.id)?;
    }
    Ok(())
}

/// Makes a lease. Names were unique once and are not any more: it is looked for where no answer came.
pub(super) async fn make(
    hands: &Hands<'_>,
    purpose: Purpose,
    name: &str,
    end: Timestamp,
    reservations: Vec<Value>,
) -> Result<String, CloudError> {
    hands.notes.record(&note::lease(purpose), name)?;
    let body = json!({
        "name": name,
        // A date of this box's clock may be past for the site's.
        "start_date": "now",
        "end_date": date(end),
        "reservations": reservations,
        "events": [],
    });
    let make = || async {
        let answer = hands
            .session()
            .post(Service::Reservation, "/leases", &body)
            .await?;
        id(&answer["lease"], "lease")
    };
    let find = || async {
        let seen = observe::leases(hands.session()).await?;
        let mut same = seen.into_iter().filter(|lease| lease.name == name);
        Ok(same.next().map(|lease| lease.id))
    };
    hands
        .progress
        .line(None, &format!("asks for a lease until {end}"));
    let pace = hands.pace();
    // What says no by status 500 is not to be taken for a lost answer.
    wait::make_once(pace, KINDS, make, find).await
}

/// Waits until a lease is active.
pub(super) async fn active(hands: &Hands<'_>, id: &str) -> Result<Lease, CloudError> {
    let (start, pace) = (Instant::now(), hands.pace());
    let mut said = String::new();
    loop {
        let lease = observe::lease_by_id(hands.session(), id).await?;
        let lease =
            lease.ok_or_else(|| CloudError::Refused(format!("the lease {id} is not ours")))?;
        if lease.active() {
            return Ok(lease);
        }
        if !lease.lives() {
            return Err(CloudError::Refused(format!(
                "the lease {id} is {}: the site could not give what it promised; `up` again asks for another one",
                lease.status
            )));
        }
        if lease.status != said {
            hands
                .progress
                .line(None, &format!("the lease {id} is {}", lease.status));
            said = lease.status;
        }
        if start.elapsed() > pace.boot {
            return Err(CloudError::Deadline {
                what: format!("the lease {id} being active"),
                seconds: pace.boot.as_secs(),
                output: format!(
                    "it is still {said}: the site has not got round to it. `deployer up` goes on waiting, `deployer teardown` gives it \
                     back; if it stays so, tell the site's help desk the lease's id"
                ),
            });
        }
        sleep(pace.poll).await;
    }
}

/// Lets leases end at another time.
pub(super) async fn extend(
    hands: &Hands<'_>,
    leases: &BTreeSet<String>,
    end: Timestamp,
) -> Result<(), CloudError> {
    let body = json!({"end_date": date(end)});
    for id in leases {
        let path = format!("/leases/{id}");
        let put = || async {
            let answer = hands.session().put(Service::Reservation, &path, &body);
            answer.await
        };
        let busy = |error: &CloudError| says(error, "Invalid lease status");
        let pace = hands.pace();
        wait::while_failing(pace, pace.settle, busy, put).await?;
        // Some ways to ask are answered with 200 and ignored.
        let seen = observe::lease_by_id(hands.session(), id).await?;
        let ends = seen.as_ref().map(|lease| date(lease.end));
        if ends != Some(date(end)) {
            return Err(CloudError::Refused(format!(
                "the lease {id} should end at {end} and ends at {}",
                ends.unwrap_or_else(|| "no known time".into())
            )));
        }
    }
    hands.notes.record(note::END, &end.to_string())
}
