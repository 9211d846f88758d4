//! Leases: making, waiting for, and prolonging them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::context::{CloudContext, KINDS, id};
use super::failure::says;
use super::marks::{self, Purpose};
use super::notes::note;
use super::observe;
use super::observed::Lease;
use super::remove;
use super::session::Service;
use crate::cloud::CloudError;
use crate::cloud::wait::{self, Goal, Underway};
use crate::retry::Retry;

/// A time as Blazar wants it: UTC, without saying so.
pub(super) fn date(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M").to_string()
}

/// How often machines are asked for. A lease may fail for what has passed a moment later: where two start on one host at once, both
/// may make that host's provider at Placement, which refuses one of them (Blazar 18, `utils/openstack/placement.py`,
/// `update_reservation_inventory`: a conflict of the inventory is tried five times, that one is not).
const ATTEMPTS: u32 = 3;

/// Makes a lease for machines and waits until it is active; notes its reservations by flavor.
pub(super) async fn machines(
    context: &CloudContext<'_>,
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
    let lease = get(
        context,
        Purpose::Machines,
        name,
        end,
        &reservations,
        ATTEMPTS,
    )
    .await?;
    let id = &lease.id;
    context.notes.record(note::END, &lease.end.to_string())?;
    // In the order they were asked for, as far as the sizes do not tell.
    let sizes = super::catalog::flavors(context.session()).await?;
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
        context
            .notes
            .record(&note::reservation(flavor), &found.id)?;
    }
    Ok(())
}

/// Makes a lease and waits until it is active. One that the site gave up is given back, and another one asked for, so many times at
/// most. One that is still on its way may come yet: `up` again waits for it.
pub(super) async fn get(
    context: &CloudContext<'_>,
    purpose: Purpose,
    name: &str,
    end: Timestamp,
    reservations: &[Value],
    times: u32,
) -> Result<Lease, CloudError> {
    let mut name = name.to_owned();
    let mut retry = Retry::every(context.pace().poll).times(times);
    loop {
        let id = make(context, purpose, &name, end, reservations).await?;
        let why = match active(context, &id).await {
            Err(error) => error,
            lease => return lease,
        };
        let seen = observe::lease_if_there(context.session(), &id).await;
        if !seen.is_ok_and(|lease| lease.is_some_and(|lease| lease.failed())) {
            return Err(why);
        }
        remove::lease(context, &id).await?;
        if retry.is_over() {
            return Err(why);
        }
        let line = format!("the lease {id} failed at the site, so another one");
        context.progress.line(None, &line);
        retry.pause().await;
        name = marks::lease_name(context.wanted, purpose, Timestamp::now());
    }
}

/// Makes a lease. Names were unique once and are not any more: it is looked for where no answer came.
async fn make(
    context: &CloudContext<'_>,
    purpose: Purpose,
    name: &str,
    end: Timestamp,
    reservations: &[Value],
) -> Result<String, CloudError> {
    let (asked, now) = (note::lease(purpose), Timestamp::now());
    context.notes.record(&asked, &format!("{now} {name}"))?;
    let body = json!({
        "name": name,
        // A date of this box's clock may be past for the site's.
        "start_date": "now",
        "end_date": date(end),
        "reservations": reservations,
        "events": [],
    });
    let make = || async {
        let answer = context
            .session()
            .post(Service::Reservation, "/leases", &body)
            .await?;
        id(&answer["lease"], "lease")
    };
    let find = || async {
        let seen = observe::leases(context.session()).await?;
        let mut same = seen.into_iter().filter(|lease| lease.name == name);
        Ok(same.next().map(|lease| lease.id))
    };
    context
        .progress
        .line(None, &format!("asks for a lease until {end}"));
    let pace = context.pace();
    // What says no by status 500 is not to be taken for a lost answer.
    let made = wait::make_once(pace, KINDS, make, find).await;
    if !made.as_ref().is_err_and(KINDS.unanswered) {
        context.notes.record(&asked, "")?;
    }
    made
}

/// Whether a lease may come yet that an earlier run asked for and died: the site lists it some time after it was asked for it.
pub(super) fn on_its_way(
    notes: &BTreeMap<String, String>,
    leases: &[Lease],
    now: Timestamp,
) -> bool {
    [Purpose::Machines, Purpose::Address]
        .into_iter()
        .any(|purpose| {
            let asked = notes.get(&note::lease(purpose));
            let asked = asked.and_then(|note| note.split_once(' '));
            asked.is_some_and(|(time, name)| {
                let time = time.parse::<Timestamp>();
                time.is_ok_and(|time| now.duration_since(time) < wait::ON_ITS_WAY)
                    && leases.iter().all(|lease| lease.name != name)
            })
        })
}

/// Waits until a lease is active.
pub(super) async fn active(context: &CloudContext<'_>, id: &str) -> Result<Lease, CloudError> {
    let pace = context.pace();
    let goal = Goal {
        node: None,
        thing: &format!("the lease {id}"),
        goal: "being active",
    };
    wait::until_done(pace, context.progress, goal, || async {
        let lease = observe::lease_by_id(context.session(), id).await?;
        let lease =
            lease.ok_or_else(|| CloudError::Refused(format!("the lease {id} is not ours")))?;
        let state = lease.status.clone();
        if lease.failed() || lease.ended() {
            return Err(CloudError::Refused(format!(
                "the lease {id} is {state}: the site could not give what it promised; `up` again asks for another one"
            )));
        }
        Ok(Underway {
            late: format!(
                "it is still {state}: the site has not got round to it. `deployer up` goes on waiting, `deployer teardown` gives it \
                 back; if it stays so, tell the site's help desk the lease's id"
            ),
            state,
            done: lease.active().then_some(lease),
            limit: pace.boot,
        })
    })
    .await
}

/// Lets leases of one purpose end later: each as far as the site lets it, and none earlier, for somebody else may have prolonged it
/// further. Notes when those of machines end then.
pub(super) async fn extend(
    context: &CloudContext<'_>,
    purpose: Purpose,
    leases: &BTreeSet<String>,
    end: Timestamp,
) -> Result<(), CloudError> {
    let mut refused = Vec::new();
    let mut ends = BTreeSet::new();
    for id in leases {
        let look = || observe::lease_if_there(context.session(), id);
        if let Ok(Some(lease)) = look().await
            && lease.end >= end
        {
            ends.insert(lease.end);
            continue;
        }
        let asked = ask(context, id, end).await;
        // Whatever was answered: what counts is when it ends now. Some ways to ask are answered with 200 and ignored.
        match (asked, look().await) {
            (_, Ok(Some(lease))) if lease.end >= end => {
                ends.insert(lease.end);
            }
            (asked, Ok(Some(lease))) => {
                ends.insert(lease.end);
                let why = asked
                    .err()
                    .map_or("the site ignored it".into(), |error| error.to_string());
                refused.push(stays(&lease, &why));
            }
            (asked, seen) => {
                let why = asked.err().or(seen.err()).map(|error| error.to_string());
                let why = why.unwrap_or_else(|| "it is gone".into());
                refused.push(format!(
                    "the lease {id} is not prolonged, and when it ends is not known: {why}"
                ));
            }
        }
    }
    if purpose == Purpose::Machines
        && let Some(end) = ends.first()
    {
        context.notes.record(note::END, &end.to_string())?;
    }
    if refused.is_empty() {
        return Ok(());
    }
    Err(CloudError::Refused(refused.join("; ")))
}

async fn ask(context: &CloudContext<'_>, id: &str, end: Timestamp) -> Result<(), CloudError> {
    let (path, body) = (format!("/leases/{id}"), json!({"end_date": date(end)}));
    let put = || async {
        let answer = context.session().put(Service::Reservation, &path, &body);
        answer.await
    };
    let busy = |error: &CloudError| says(error, "Invalid lease status");
    let pace = context.pace();
    let asked = wait::while_failing(pace, pace.settle, busy, put).await;
    asked.map(|_| ())
}

/// What is so now that a lease could not be prolonged.
fn stays(lease: &Lease, why: &str) -> String {
    let Lease {
        id, end, status, ..
    } = lease;
    let then = match lease.purpose {
        Purpose::Machines => {
            "until then the machines run, and then they are deleted with all documents on them: `deployer export FILE` saves the \
             documents"
        }
        Purpose::Address => {
            "until then its floating IP stays, and then `deployer up` leads another one to its machine"
        }
    };
    let marked = if lease.failed() {
        format!("; the site says {status} of it now, which ends it no sooner")
    } else {
        String::new()
    };
    format!("the lease {id} is not prolonged: {why}. It still ends at {end}; {then}{marked}")
}
