//! A deployment's block of `/etc/hosts`: how it is found, put in and taken out. All else in the file stays as it is, byte for
//! byte. Pure.

use crate::hosts_table::{mark, marked};

/// The lines between a block's marks; `None`: there is no whole block.
pub(super) fn find<'a>(text: &'a str, block: &str) -> Option<&'a str> {
    let (begin, end) = range(text, block)?;
    let inner = begin + mark(block, "begin").len()..end - mark(block, "end").len();
    text.get(inner)
}

/// The file with the block's lines replaced (added at the end where there is no block), or with the block taken out.
pub(super) fn replace(text: &str, block: &str, lines: Option<&str>) -> String {
    let new = lines.map_or_else(String::new, |lines| marked(block, lines));
    if let Some((begin, end)) = range(text, block) {
        return format!("{}{new}{}", &text[..begin], &text[end..]);
    }
    if new.is_empty() || text.is_empty() || text.ends_with('\n') {
        return format!("{text}{new}");
    }
    format!("{text}\n{new}")
}

/// Where a block with its marks begins and ends.
fn range(text: &str, block: &str) -> Option<(usize, usize)> {
    let (begin, end) = (mark(block, "begin"), mark(block, "end"));
    let at_line_start = |at: &usize| *at == 0 || text[..*at].ends_with('\n');
    let from = text
        .match_indices(&begin)
        .map(|(at, _)| at)
        .find(at_line_start)?;
    let inner = from + begin.len();
    let to = text[inner..]
        .match_indices(&end)
        .map(|(at, _)| inner + at)
        .find(at_line_start)?;
    Some((from, to + end.len()))
}

#[cfg(test)]
mod tests {
    use super::{find, replace};

    const FILE: &str = "127.0.0.1 localhost\n\n# end of mine, no line break";

    #[test]
    fn the_rest_of_the_file_stays() {
        let with = replace(
            FILE,
            "utilization",
            Some("10.0.0.2 vm2.utilization.internal\n"),
        );
        assert!(with.starts_with(FILE));
        assert_eq!(
            find(&with, "utilization"),
            Some("10.0.0.2 vm2.utilization.internal\n")
        );
        let changed = replace(
            &with,
            "utilization",
            Some("10.0.0.3 vm2.utilization.internal\n"),
        );
        assert_eq!(changed, with.replace("10.0.0.2", "10.0.0.3"));
        assert_eq!(replace(&changed, "utilization", None), format!("{FILE}\n"));
    }

    #[test]
    fn blocks_of_other_deployments_are_not_ours() {
        let other = replace(
            "",
            "utilization2",
            Some("10.0.0.2 vm2.utilization2.internal\n"),
        );
        assert_eq!(find(&other, "utilization"), None);
        assert_eq!(replace(&other, "utilization", None), other);
        let both = replace(&other, "utilization", Some(""));
        assert_eq!(find(&both, "utilization"), Some(""));
        assert_eq!(
            replace(&both, "utilization2", None),
            "# deployer utilization begin\n# deployer utilization end\n"
        );
    }

    #[test]
    fn half_a_block_is_no_block() {
        let half = "# deployer utilization begin\n10.0.0.2 vm2\n";
        assert_eq!(find(half, "utilization"), None);
        let text = " # deployer utilization begin\n# deployer utilization end\n";
        assert_eq!(find(text, "utilization"), None);
    }
}
