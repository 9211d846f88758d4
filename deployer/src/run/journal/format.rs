//! Formats of the files, old and new.

use std::path::Path;

use serde::de::{DeserializeOwned, Error as _};
use serde_json::Value;

use super::{JournalError, file_error};
use crate::receipt::Receipt;

/// Reads a receipt of any known format.
pub(super) fn load(path: &Path) -> Result<Receipt, JournalError> {
    load_as(path, Receipt::VERSION, migrate)
}

/// Lifts a receipt of an older format to the newest one, format by format.
fn migrate(version: u64, receipt: Value) -> Value {
    // Format 1 is the first; `1 => …` will stand here, in the same commit as format 2 and a fixture of format 1.
    debug_assert_eq!(version, u64::from(Receipt::VERSION));
    receipt
}

/// Reads a file that carries its format in `version`.
pub(super) fn load_as<T: DeserializeOwned>(
    path: &Path,
    known: u32,
    migrate: fn(u64, Value) -> Value,
) -> Result<T, JournalError> {
    let damaged = |source| JournalError::Damaged {
        path: path.into(),
        source,
    };
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(JournalError::Missing(path.into()));
        }
        Err(error) => return Err(file_error(path, error)),
    };
    let value: Value = serde_json::from_slice(&bytes).map_err(damaged)?;
    let found = value.get("version").and_then(Value::as_u64);
    match found {
        Some(found) if found > u64::from(known) => Err(JournalError::Newer {
            path: path.into(),
            found,
            known,
        }),
        Some(found) if found > 0 => serde_json::from_value(migrate(found, value)).map_err(damaged),
        _ => Err(damaged(serde_json::Error::custom("it names no format"))),
    }
}
