//! The two shapes of `top`'s text: figures with labels, and the table of processes.

use std::str::FromStr;

use serde::Serialize;

/// One process; a column that is not shown or not understood is null.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Process {
    /// The process id.
    pub pid: Option<u64>,
    /// The user, cut by `top` to eight characters.
    pub user: Option<String>,
    /// The priority; `rt` is real time.
    pub priority: Option<String>,
    /// The nice value.
    pub nice: Option<i64>,
    /// Virtual memory in KiB.
    pub virtual_kib: Option<u64>,
    /// Resident memory in KiB.
    pub resident_kib: Option<u64>,
    /// Shared memory in KiB.
    pub shared_kib: Option<u64>,
    /// The state's letter.
    pub state: Option<String>,
    /// Share of one processor, in percent.
    pub cpu: Option<f64>,
    /// Share of the memory, in percent.
    pub memory: Option<f64>,
    /// Processor time used so far, in `top`'s words.
    pub time: Option<String>,
    /// The program's name.
    pub command: Option<String>,
}

/// Figures with labels, as in `112 total,   1 running`.
pub(super) struct Figures<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Figures<'a> {
    /// Reads pairs of a figure and a label. In a swap line the last pair follows a full stop instead of a comma.
    pub(super) fn read(text: &'a str) -> Self {
        let pairs = text
            .split(',')
            .flat_map(|part| part.split(". "))
            .filter_map(|part| {
                let part = part.trim();
                let end = part.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '+'))?;
                let label = part[end..].split_whitespace().next()?;
                Some((&part[..end], label.trim_end_matches('.')))
            });
        Self(pairs.collect())
    }

    /// Returns the figure with this label. One that ends in `+` has lost digits and is none.
    pub(super) fn get<T: FromStr>(&self, label: &str) -> Option<T> {
        self.0
            .iter()
            .find(|(_, found)| *found == label)
            .and_then(|(figure, _)| figure.parse().ok())
    }
}

/// Reads the table of processes; the header says which column is where, the last one may hold spaces.
pub(super) fn parse_processes<'a>(
    header: &str,
    rows: impl Iterator<Item = &'a str>,
) -> Vec<Process> {
    let columns: Vec<&str> = header.split_whitespace().collect();
    rows.filter(|row| !row.trim().is_empty())
        .map(|row| parse_row(&columns, row))
        .collect()
}

fn parse_row(columns: &[&str], row: &str) -> Process {
    let mut process = Process::default();
    let mut rest = row.trim();
    for (index, column) in columns.iter().enumerate() {
        let field = if index + 1 == columns.len() {
            rest
        } else {
            let (field, tail) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            rest = tail.trim_start();
            field
        };
        set(&mut process, column, field);
    }
    process
}

fn set(process: &mut Process, column: &str, field: &str) {
    let text = || Some(field.to_owned()).filter(|text| !text.is_empty());
    match column {
        "PID" => process.pid = field.parse().ok(),
        "USER" => process.user = text(),
        "PR" => process.priority = text(),
        "NI" => process.nice = field.parse().ok(),
        "VIRT" => process.virtual_kib = kibibytes(field),
        "RES" => process.resident_kib = kibibytes(field),
        "SHR" => process.shared_kib = kibibytes(field),
        "S" => process.state = text(),
        "%CPU" => process.cpu = field.parse().ok(),
        "%MEM" => process.memory = field.parse().ok(),
        "TIME+" | "TIME" => process.time = text(),
        "COMMAND" => process.command = text(),
        _ => {}
    }
}

/// Reads `39192`, `512m`, `12.3g` or `1.2t`: KiB unless a letter says more.
fn kibibytes(field: &str) -> Option<u64> {
    let (figure, scale) = match field.char_indices().last()? {
        (end, 'k') => (&field[..end], 1.0),
        (end, 'm') => (&field[..end], 1024.0),
        (end, 'g') => (&field[..end], 1024.0 * 1024.0),
        (end, 't') => (&field[..end], 1024.0 * 1024.0 * 1024.0),
        (end, 'p') => (&field[..end], 1024.0 * 1024.0 * 1024.0 * 1024.0),
        _ => return field.parse().ok(),
    };
    let figure: f64 = figure
        .parse()
        .ok()
        .filter(|figure: &f64| figure.is_finite() && *figure >= 0.0)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "finite, not negative, saturating"
    )]
    Some((figure * scale).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::kibibytes;

    #[test]
    fn sizes_are_kibibytes_whatever_their_letter() {
        let cases = [
            ("0", Some(0)),
            ("39192", Some(39_192)),
            ("512.0m", Some(524_288)),
            ("12.3g", Some(12_897_485)),
            ("1.2t", Some(1_288_490_189)),
            ("", None),
            ("-", None),
            ("g", None),
            ("1.2.3g", None),
            ("infg", None),
            ("12ö", None),
        ];
        for (field, expected) in cases {
            assert_eq!(kibibytes(field), expected, "{field:?}");
        }
    }
}
