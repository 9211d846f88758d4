//! When machines are renewed. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::notes::Attempt;
use super::observed::Instance;
use super::operation::Operation;
use super::view::{View, stage, step};
use crate::cloud::CloudStep;

/// When machines made or renewed now power themselves off: whole minutes, so that plans made together say the same.
///
/// A launch whose answer got lost is repeated with the end it was first asked for with; the others then get that end too, if
/// it is far enough away. All machines of a deployment end together.
pub(super) fn new_expiry(view: &View<'_>, chosen: &BTreeMap<&str, &Instance>) -> Option<Timestamp> {
    let missing = view
        .wanted
        .machines
        .keys()
        .filter(|node| !chosen.contains_key(node.as_str()));
    let open = missing
        .filter_map(|node| Attempt::read(&view.wanted.notes, node))
        .find(|attempt| attempt.is_open(view.now) && fits(attempt.expires, view));
    if let Some(attempt) = open {
        return attempt.expires;
    }
    let end = view.now.checked_add(view.settings.ttl.0?).ok()?;
    Timestamp::from_second(end.as_second() - end.as_second() % 60).ok()
}

/// Whether a machine that ends then needs no renewal: more than half of its time is left.
fn fits(end: Option<Timestamp>, view: &View<'_>) -> bool {
    match (end, view.settings.ttl.0) {
        (None, None) => true,
        (Some(end), Some(ttl)) => end > view.now + half(ttl),
        _ => false,
    }
}

/// Renews machines that have less than half of their time left, all together; says until when they live then.
pub(super) fn renewal(
    view: &View<'_>,
    chosen: &BTreeMap<&str, &Instance>,
    launches: bool,
    expires: Option<Timestamp>,
) -> (Option<CloudStep>, Option<Timestamp>) {
    let ends: Vec<Option<Timestamp>> = chosen.values().map(|instance| instance.expires()).collect();
    let same = ends.windows(2).all(|pair| pair[0] == pair[1]);
    if same && !launches && ends.iter().all(|end| fits(*end, view)) {
        return (None, ends.first().copied().flatten());
    }
    if ends.iter().all(|end| *end == expires) {
        return (None, expires);
    }
    let words = match expires {
        Some(time) => format!("let the machines live until {time}"),
        None => "let the machines live for ever".into(),
    };
    let instances = chosen
        .values()
        .map(|instance| instance.id.clone())
        .collect();
    let renew = step(
        stage::TTL,
        words,
        "CreateTags",
        Operation::Renew { instances, expires },
    );
    (Some(renew), expires)
}

fn half(ttl: Duration) -> jiff::SignedDuration {
    jiff::SignedDuration::try_from(ttl / 2).unwrap_or(jiff::SignedDuration::MAX)
}
