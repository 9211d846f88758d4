//! Times of several runs of the same thing.

use std::fmt;
use std::time::Duration;

/// Times, in the order they were taken.
#[derive(Debug, Default, Clone)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// Adds a time.
    pub(crate) fn push(&mut self, took: Duration) {
        self.0.push(took.as_secs_f64());
    }

    /// How many times as long as others that were taken in turns with these: the middle one of the turns.
    pub(crate) fn beside(&self, others: &Self) -> f64 {
        let turns = self.0.iter().zip(&others.0);
        Self(turns.map(|(took, other)| took / other).collect()).median()
    }

    /// The middle one, in seconds; of an even number, the mean of the two in the middle.
    pub(crate) fn median(&self) -> f64 {
        let sorted = self.sorted();
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => f64::NAN,
            length if length % 2 == 1 => sorted[middle],
            _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
        }
    }

    /// The time within which this share of them were done.
    pub(crate) fn share(&self, share: f64) -> f64 {
        let sorted = self.sorted();
        #[expect(clippy::cast_precision_loss, reason = "a handful")]
        let wanted = share * sorted.len() as f64;
        let done = (1..=sorted.len())
            .find(|done| f64::from(u32::try_from(*done).unwrap_or(u32::MAX)) >= wanted);
        done.map_or(f64::NAN, |done| sorted[done - 1])
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

impl fmt::Display for Samples {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sorted = self.sorted();
        let (Some(least), Some(most)) = (sorted.first(), sorted.last()) else {
            return formatter.write_str("not measured");
        };
        let median = self.median();
        write!(formatter, "{least:6.2} {median:6.2} {most:6.2} s")
    }
}
