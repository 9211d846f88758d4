//! What a rehearsal may cost and how long it may take: said, asked for, and held against what the cloud's prices say.

use std::path::Path;
use std::time::Duration;

use crate::cli::{Environment, Rehearse};
use crate::error::CommandError;
use crate::reach::clouds;
use crate::receipt::Receipt;
use crate::rehearsal::Rehearsal;
use crate::topology::{CloudName, End, Topology};

use super::place::Place;

/// The time where nobody says another one.
const USUAL: Duration = Duration::from_hours(2);

/// How long taking all away may go on once the time is over.
pub(super) const CLEARING: Duration = Duration::from_mins(30);

/// The limits, and what is known of the cost.
pub(super) struct Limits {
    /// After this time no step goes on.
    pub(super) time: Duration,
    /// The most it may cost.
    cap: f64,
    /// What its machines cost in an hour at most; `None`: not known.
    rate: Option<f64>,
    /// The prices in words.
    prices: String,
    /// In what they are.
    unit: &'static str,
    cloud: CloudName,
    machines: usize,
}

impl Limits {
    /// Asks the cloud for its prices. Who does not get an answer is told so, and decides.
    pub(super) async fn find(
        options: &Rehearse,
        place: &Place,
        environment: &Environment,
    ) -> Result<Self, CommandError> {
        let seller = place.cloud.seller().ok_or_else(|| {
            CommandError::usage(format!("nobody pays for machines of {}", place.cloud))
        })?;
        let mut rates = Vec::new();
        let mut prices = Vec::new();
        for topology in &place.topologies {
            let (rate, words) = rate(topology, environment).await?;
            rates.push(rate);
            if !prices.contains(&words) {
                prices.push(words);
            }
        }
        // One deployment after another: the dearest counts.
        let all: Option<Vec<f64>> = rates.into_iter().collect();
        let sizes = place.topologies.iter().map(|topology| topology.nodes.len());
        Ok(Self {
            time: options.time_limit.unwrap_or(USUAL),
            cap: options.cost_cap.unwrap_or(seller.rehearsal_cap),
            unit: seller.unit,
            rate: all.map(|all| all.into_iter().fold(0.0, f64::max)),
            prices: prices.join("; "),
            cloud: place.cloud,
            machines: sizes.max().unwrap_or_default(),
        })
    }

    /// The most that it can cost, taking all away included, as far as prices are known.
    fn most(&self) -> Option<f64> {
        let hours = (self.time + CLEARING).as_secs_f64() / 3600.0;
        self.rate.map(|rate| rate * hours)
    }

    /// Refuses what would cost too much, before anything is made.
    pub(super) fn refuse_too_dear(&self) -> Result<(), CommandError> {
        let (cap, unit) = (self.cap, self.unit);
        match self.most().filter(|most| *most > cap) {
            None => Ok(()),
            Some(most) => Err(CommandError::usage(format!(
                "this may cost {most:.2} {unit}, and the cap is {cap:.2} {unit}; nothing was made ({})",
                self.prices
            ))
            .hint("a higher --cost-cap, a shorter --time-limit, or an inventory with fewer nodes")),
        }
    }

    /// Both limits and the price, in words.
    pub(super) fn words(&self) -> String {
        let (cap, unit) = (self.cap, self.unit);
        let most = self.most().map_or_else(
            || format!("its cost is not known, so that the cap of {cap:.2} {unit} cannot be held"),
            |most| format!("at most {most:.2} {unit} (cap: {cap:.2} {unit})"),
        );
        format!(
            "{most}, in at most {:#} and {} minutes more to take all away; {}",
            jiff::SignedDuration::try_from(self.time).unwrap_or_default(),
            CLEARING.as_secs() / 60,
            self.prices
        )
    }

    /// What is left where even the last command is never given.
    pub(super) fn net(&self) -> &'static str {
        match self.cloud.end() {
            End::PowerOff => {
                "machines that nobody takes away power themselves off after half an hour; the disks of the first deployment cost \
                 on then, the others delete themselves"
            }
            End::Lease => {
                "machines that nobody takes away are deleted when their lease ends, after two or three hours"
            }
            End::Never => "machines that nobody takes away run on",
        }
    }

    /// The question before anything is made.
    pub(super) fn question(&self, rehearsal: &Rehearsal) -> String {
        format!(
            "A rehearsal of {} steps makes {} machines on {}, which charges you: {}.\nAll is taken away whatever happens. If this \
             program is killed, the same command takes away what it left; else {}.\nGo on?",
            rehearsal.steps.len(),
            self.machines,
            self.cloud,
            self.words(),
            self.net()
        )
    }
}

/// What a deployment costs in an hour, and the prices in words.
async fn rate(
    topology: &Topology,
    environment: &Environment,
) -> Result<(Option<f64>, String), CommandError> {
    let receipt = Receipt::bare("", &topology.name, topology.cloud.name());
    let mut wanted = clouds::nothing(topology.cloud, &receipt);
    wanted.machines = clouds::bare_machines(topology, topology.cloud);
    // Without credentials nothing can be rehearsed.
    let cloud = clouds::open(topology.cloud, topology, Path::new(""), environment).await?;
    let asked = cloud.rate(&wanted).await;
    Ok(asked.unwrap_or_else(|error| (None, format!("prices are not known: {error}"))))
}
