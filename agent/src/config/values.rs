//! What all values must be.

/// Refuses an empty value.
pub(crate) fn not_empty(key: &str, value: &str) -> Result<(), (String, String)> {
    if value.trim().is_empty() {
        Err((key.to_owned(), "must not be empty".to_owned()))
    } else {
        Ok(())
    }
}
