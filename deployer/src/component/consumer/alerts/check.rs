//! What of an inventory's alerts could never be sent, or never happen.

use std::collections::BTreeMap;

use super::condition;
use super::section::{ALERTS, Alert, AlertsSection, MAIL, MailSection, Tls};
use crate::component::spark::{Stream, StreamsSection};
use crate::inventory::{Findings, Inventory, TimeSpan};

/// The longest grace and cooldown.
const LONGEST: TimeSpan = TimeSpan::from_seconds(7 * 86_400);

/// Looks at alerts and mail.
pub(in super::super) fn check(inventory: &Inventory, findings: &mut Findings<'_>) {
    let AlertsSection(alerts) = inventory.sections.get();
    let mail = inventory.says(MAIL);
    if mail {
        check_mail(inventory.sections.get(), findings);
    }
    let StreamsSection(streams) = inventory.sections.get();
    for (name, alert) in alerts {
        let key = format!("{ALERTS}.{name}");
        if !mail {
            findings.lacks(
                key.clone(),
                "nobody sends its mail: the inventory has no `mail`",
                "add such as `mail: { relay: mail.example.org, from: logs@example.org }`",
            );
        }
        if inventory.sinks.contains_key(name) {
            findings.add(
                key.clone(),
                "has the name of a sink",
                "give it another name",
            );
        }
        let spans = [("grace", alert.grace), ("cooldown", alert.cooldown)];
        for (own, span) in spans {
            let shortest = TimeSpan::from_milliseconds(0);
            findings.check_span(&format!("{key}.{own}"), span, shortest, LONGEST);
        }
        if alert.to.is_empty() {
            findings.say(format!("{key}.to"), "must name an address at least");
        }
        check_when(&key, alert, streams, findings);
    }
}

fn check_mail(mail: &MailSection, findings: &mut Findings<'_>) {
    let MailSection {
        relay,
        tls,
        from,
        user,
        password_file,
        ..
    } = mail;
    let needed = [
        (relay.is_some(), "relay: mail.example.org"),
        (from.is_some(), "from: logs@example.org"),
    ];
    for (_, form) in needed.into_iter().filter(|(is_there, _)| !is_there) {
        let (name, _) = form.split_once(':').unwrap_or_default();
        findings.lacks(
            MAIL,
            format!("says no `{name}`"),
            format!("add such as `{form}`"),
        );
    }
    match (user.is_some(), password_file.is_some()) {
        (true, false) => findings.lacks(
            format!("{MAIL}.user"),
            "has no password",
            "add `password_file: PATH`, a file with nothing but the password, mode 0600",
        ),
        (false, true) => findings.lacks(
            format!("{MAIL}.password_file"),
            "is nobody's: there is no `user`",
            "add `user`, who logs in to the relay",
        ),
        _ => {}
    }
    if user.is_some() && *tls == Tls::Off {
        findings.add(
            format!("{MAIL}.tls"),
            "`off` would send the password in plain text",
            "say `starttls` or `tls`, or take `user` away",
        );
    }
}

fn check_when(
    key: &str,
    alert: &Alert,
    streams: &BTreeMap<String, Stream>,
    findings: &mut Findings<'_>,
) {
    let when = format!("{key}.when");
    if alert.when.is_empty() {
        findings.add(
            when.clone(),
            "must have one condition at least",
            "write such as `when: { level: ERROR, n: \"> 1\" }`",
        );
    }
    for (column, setting) in &alert.when {
        if let Err(wrong) = condition::read(column, &setting.0) {
            findings.add(
                format!("{when}.{column}"),
                wrong,
                "write such as `ERROR`, `3` or `\"> 1\"`; the comparisons are = != > >= < <=",
            );
        }
    }
    let Some(stream) = streams.get(&alert.stream) else {
        let names: Vec<String> = streams.keys().map(|name| format!("`{name}`")).collect();
        let hint = match &names[..] {
            [] => "add `streams`".to_owned(),
            names => format!("name one of {}", names.join(", ")),
        };
        let message = format!("`{}` is no stream of the inventory", alert.stream);
        findings.lacks(format!("{key}.stream"), message, hint);
        return;
    };
    let columns = alert
        .when
        .keys()
        .map(|column| (format!("{when}.{column}"), column));
    let window = (format!("{key}.report"), &alert.report);
    for (key, column) in columns.chain([window]) {
        if !may_give(stream, column) {
            findings.add(
                key,
                format!("`{column}` is no column of the stream `{}`", alert.stream),
                "its rows have the columns of the struct that its `sql` gives as `value`",
            );
        }
    }
}

/// Whether a stream's rows may have a column, as far as its words tell.
fn may_give(stream: &Stream, column: &str) -> bool {
    let is_word = |text: &str| {
        let mut words = text.split(|one: char| !one.is_alphanumeric() && one != '_');
        words.any(|word| word == column)
    };
    let of_parse = || {
        let parse = stream.parse.as_ref();
        parse.is_some_and(|parse| {
            parse.columns.iter().any(|one| one == column)
                || parse.json.as_deref().is_some_and(is_word)
        })
    };
    // What a program gives is its own affair.
    let Some(sql) = &stream.sql else {
        return true;
    };
    // A star stands for what `parse` gives; that of `count(*)` for none.
    let has_star = sql.replace("count(*)", "").contains('*');
    is_word(sql) || (has_star && of_parse())
}
