//! Taking away what lies on a node because of us and is no longer wanted.

use crate::step::{Action, Item, loaded_record};

use super::Change;

/// What becomes of items that are no longer wanted.
pub(super) struct Away {
    /// The steps that undo them, last made first.
    pub(super) changes: Vec<Change>,
    /// What stays, in the order it was made: data with all in it, the users it belongs to, and directories that hold what stays or
    /// is wanted.
    pub(super) kept: Vec<Item>,
}

/// Undoes `items`: services first, then the rest, each in reverse order of making. Nothing that contains a `wanted` item goes,
/// and with `keep_data` no data.
pub(super) fn take_away(
    node: &str,
    items: &[Item],
    wanted: &[Item],
    keep_data: bool,
    because: &str,
) -> Away {
    let data: Vec<&Item> = items
        .iter()
        .filter(|item| keep_data && item.holds_data())
        .collect();
    let holds_what_stays = |item: &Item| {
        let staying = wanted.iter().chain(data.iter().copied());
        staying
            .filter_map(Item::path)
            .any(|path| item.contains(path))
    };
    let stays = |item: &Item| match item {
        Item::Directory { data: true, .. } if keep_data => true,
        Item::Directory { path, .. } => {
            holds_what_stays(item) || data.iter().any(|data| data.contains(path))
        }
        Item::File { path } => data.iter().any(|data| data.contains(path)),
        // Files are owned by number: without its name the data would be nobody's, or a stranger's.
        Item::User { .. } => !data.is_empty(),
        Item::Unit { .. } | Item::HostsTable { .. } | Item::Firewall { .. } => false,
    };
    let (kept, gone): (Vec<&Item>, Vec<&Item>) = items.iter().partition(|item| stays(item));
    let (units, others): (Vec<&Item>, Vec<&Item>) = gone
        .into_iter()
        .rev()
        .partition(|item| matches!(item, Item::Unit { .. }));
    let undo = |item: &Item| Change::new(node, item.undo(), because);
    Away {
        changes: units
            .into_iter()
            .flat_map(|item| stop(node, item, because))
            .chain(others.into_iter().map(undo))
            .collect(),
        kept: kept.into_iter().cloned().collect(),
    }
}

/// Stops a unit and removes its record of what it loaded; nothing for any other item.
pub(super) fn stop(node: &str, item: &Item, because: &str) -> Vec<Change> {
    let Item::Unit { unit } = item else {
        return Vec::new();
    };
    let path = loaded_record(unit);
    vec![
        Change::new(node, item.undo(), because),
        Change::new(node, Action::RemoveFile { path }, because),
    ]
}

#[cfg(test)]
mod tests {
    use super::take_away;
    use crate::step::Item;

    fn directory(path: &str, data: bool) -> Item {
        Item::Directory {
            path: path.into(),
            data,
        }
    }

    fn words(items: &[Item], wanted: &[Item], keep_data: bool) -> (Vec<String>, Vec<Item>) {
        let away = take_away("vm1", items, wanted, keep_data, "not wanted");
        let words = away.changes.iter();
        (
            words.map(|change| change.step.action.describe()).collect(),
            away.kept,
        )
    }

    fn items() -> Vec<Item> {
        vec![
            Item::User { user: "app".into() },
            directory("/var/lib/app", false),
            directory("/var/lib/app/data", true),
            Item::File {
                path: "/var/lib/app/data/seed".into(),
            },
            Item::File {
                path: "/etc/app.toml".into(),
            },
            Item::Unit {
                unit: "app.service".into(),
            },
        ]
    }

    #[test]
    fn undoes_in_reverse_order_services_first() {
        let (words, kept) = words(&items(), &[], false);
        assert_eq!(
            words,
            [
                "stop app.service",
                "remove /run/deployer/app.service.loaded",
                "remove /etc/app.toml",
                "remove /var/lib/app/data/seed",
                "remove directory /var/lib/app/data and the data in it",
                "remove directory /var/lib/app",
                "remove user app",
            ]
        );
        assert!(kept.is_empty());
    }

    #[test]
    fn keeps_data_with_its_owner_and_its_place() {
        let (words, kept) = words(&items(), &[], true);
        assert_eq!(words.len(), 3, "{words:?}");
        assert_eq!(kept, items()[..4]);
    }

    #[test]
    fn keeps_what_holds_something_wanted() {
        let wanted = [Item::File {
            path: "/var/lib/app/other".into(),
        }];
        let (_, kept) = words(&items(), &wanted, false);
        assert_eq!(kept, [directory("/var/lib/app", false)]);
    }
}
