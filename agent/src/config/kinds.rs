//! Settings that are told apart by their kind: each kind is a row of a table.

/// Finds the row of a kind by its name.
///
/// # Errors
/// When there is none: which there are, in words.
pub fn find<'a, R>(kinds: &'a [(&str, R)], kind: &str) -> Result<&'a R, String> {
    let found = kinds.iter().find(|(name, _)| *name == kind);
    found.map(|(_, row)| row).ok_or_else(|| {
        let names: Vec<&str> = kinds.iter().map(|(name, _)| *name).collect();
        format!("kind: {kind:?} is none of {}", names.join(", "))
    })
}
