//! What is no YAML, in words about the file rather than about its parser.

use saphyr_parser::{Marker, ScanError};

use super::{Fault, Position};

/// What the parser says (a part of it), what that means, and what to do.
const WORDS: [(&str, &str, &str); 20] = [
    ("recursion limit exceeded", "nested too deeply", ""),
    ("tab", "a tab in the indentation", "YAML wants spaces"),
    (
        "unknown anchor",
        "no value above is marked with this name",
        "`&NAME` marks a value, `*NAME` repeats it; a text that begins with `*` goes in quotes",
    ),
    (
        "anchor",
        "a mark without a good name",
        "a text that begins with `&` or `*` goes in quotes",
    ),
    (
        "trailing content",
        "something stands behind the end of a text in quotes",
        "put all of it in quotes",
    ),
    (
        "quoted scalar, found unexpected",
        "a text in quotes is not closed",
        "the same kind of quote ends it; `''` is a quote inside single ones",
    ),
    (
        "indentation in quoted scalar",
        "a text in quotes is not closed in its line",
        "the same kind of quote ends it; a line in which it goes on is indented further",
    ),
    (
        "quoted scalar",
        "a backslash in double quotes with an unknown meaning",
        "in single quotes a backslash is just that",
    ),
    (
        "tag",
        "a tag that cannot be read",
        "a text that begins with `!` goes in quotes",
    ),
    (
        "TAG",
        "a directive that cannot be read",
        "a text that begins with `%` goes in quotes",
    ),
    (
        "directive",
        "a directive that cannot be read",
        "a text that begins with `%` goes in quotes",
    ),
    (
        "mapping values are not allowed",
        "a `: ` where no key can stand",
        "one key in a line; a text that holds `: ` goes in quotes",
    ),
    (
        "simple key expect",
        "a key without its value",
        "`key: value`, with a blank after the colon",
    ),
    (
        "sequence entries are not allowed",
        "a list begins where none can stand",
        "begin it in a line of its own: `- item`",
    ),
    (
        "block scalar",
        "a block of text that cannot be read",
        "`|` or `>` ends its line, and the text below is indented further",
    ),
    (
        "expected '-' indicator",
        "a line that is no item stands in a list",
        "items of one list begin with `- ` in the same column",
    ),
    (
        "block mapping",
        "a line that is neither a key nor part of the value above",
        "keys of one mapping begin in the same column, each as `key: value`",
    ),
    (
        "unexpected character",
        "a text cannot begin with this character",
        "put it in quotes",
    ),
    (
        "byte order mark",
        "a byte order mark inside the file",
        "delete it: it is an invisible character",
    ),
    (
        "misplaced bracket",
        "a bracket that closes nothing",
        "leave it out, or put the text in quotes",
    ),
];

/// The parser's error in our words. `open` are the collections that are not closed, the innermost last.
pub(super) fn explain(text: &str, error: &ScanError, open: &[Position]) -> Fault {
    let place = position(*error.marker());
    let said = error.info();
    if let Some(tab) = tab(text, place.line) {
        return Fault::new(tab, "a tab in the indentation", "YAML wants spaces");
    }
    if let Some((part, message, hint)) = WORDS.iter().find(|(part, ..)| said.contains(part)) {
        let place = match *part {
            "simple key expect" => last_word(text, place),
            _ => place,
        };
        return Fault::new(place, *message, hint);
    }
    // Brackets: where the innermost was opened says more than where the parser gave up.
    if let Some(opened) = open.last()
        && let Some(bracket @ ('[' | '{')) = character(text, *opened)
    {
        let closing = if bracket == '[' { ']' } else { '}' };
        return Fault::new(
            place,
            format!(
                "the `{bracket}` of line {}, column {} goes on to here: a `,` or a `{closing}` is missing",
                opened.line, opened.column
            ),
            "",
        );
    }
    Fault::new(
        place,
        "cannot be read as YAML from here on",
        "look for a missing quote, bracket or colon and for crooked indentation around it",
    )
}

/// The beginning of the last line before a place that has more than a comment: a key without its value is missed behind it.
fn last_word(text: &str, place: Position) -> Position {
    let lines = text.lines().enumerate().take(place.line.saturating_sub(1));
    let told = lines.filter(|(_, line)| !matches!(line.trim().chars().next(), None | Some('#')));
    told.last().map_or(place, |(index, line)| Position {
        line: index + 1,
        column: line.chars().take_while(|one| *one == ' ').count() + 1,
    })
}

/// The first character that YAML does not allow as itself.
pub(super) fn control_character(text: &str) -> Option<Position> {
    let bad = |one: char| one.is_control() && !matches!(one, '\t' | '\n' | '\r' | '\u{85}');
    let before = &text[..text.find(bad)?];
    let last = before.rsplit('\n').next().unwrap_or_default();
    Some(Position {
        line: before.matches('\n').count() + 1,
        column: last.chars().count() + 1,
    })
}

/// The first tab in the indentation of the lines up to this one.
fn tab(text: &str, last: usize) -> Option<Position> {
    text.lines()
        .take(last)
        .enumerate()
        .find_map(|(index, line)| {
            let indentation = &line[..line.len() - line.trim_start().len()];
            let column = indentation.chars().position(|one| one == '\t')?;
            Some(Position {
                line: index + 1,
                column: column + 1,
            })
        })
}

fn character(text: &str, place: Position) -> Option<char> {
    let line = text.lines().nth(place.line.checked_sub(1)?)?;
    line.chars().nth(place.column.checked_sub(1)?)
}

pub(super) fn position(marker: Marker) -> Position {
    Position {
        line: marker.line().max(1),
        column: marker.col() + 1,
    }
}
