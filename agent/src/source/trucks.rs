//! A truck on its way: how fast, how far, and how much of its tank that took.

use std::time::Duration;

use jiff::Timestamp;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp, Normal};
use serde::{Deserialize, Serialize};

use super::generator::Generator;
use crate::event::{Payload, Truck, format_microseconds};

/// Seconds on the road between two events, on the average.
const STEP: f64 = 0.36;
/// Kilometres an hour, on the average, and how far from that two of three are.
const SPEED: [f64; 2] = [80.0, 1.0];
/// Between these speeds a kilometre takes between so many litres.
const SPEEDS: [f64; 2] = [80.0, 200.0];
const LITRES: [f64; 2] = [0.01, 0.1];
/// The litres of a tank. When they are gone, the truck stops.
const TANK: f64 = 600.0;

/// How far the truck is. What is left in its tank is what is not consumed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Journey {
    distance: f64,
    fuel: f64,
}

impl Generator for Journey {
    const NAME: &'static str = "Trucks";

    fn new(_: u64) -> Self {
        Self {
            distance: 0.0,
            fuel: 0.0,
        }
    }

    fn make(&mut self, chance: &mut ChaCha8Rng, at: Timestamp) -> Option<Payload> {
        if self.fuel >= TANK {
            return None;
        }
        let [mean, deviation] = SPEED;
        let speed = Normal::new(mean, deviation).ok()?.sample(chance);
        let seconds = Exp::new(1.0 / STEP).ok()?.sample(chance);
        let way = seconds / 3600.0 * speed;
        self.distance += way;
        self.fuel = (self.fuel + way * litres_per_kilometre(speed)).min(TANK);
        let truck = Truck {
            timestamp: format_microseconds(at),
            distance_covered: self.distance,
            engine_speed: speed,
            fuel_consumed: self.fuel,
        };
        Some(Payload::Truck { truck })
    }

    fn pause(_: &mut ChaCha8Rng) -> Duration {
        Duration::from_millis(250)
    }
}

fn litres_per_kilometre(speed: f64) -> f64 {
    let ([slow, fast], [few, many]) = (SPEEDS, LITRES);
    let share = (speed.clamp(slow, fast) - slow) / (fast - slow);
    few + share * (many - few)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::generator::tests::make;
    use super::*;

    fn figures(event: &Value) -> [f64; 3] {
        ["distance_covered", "engine_speed", "fuel_consumed"]
            .map(|name| event["truck"][name].as_f64().expect("a number"))
    }

    #[test]
    fn the_same_seed_gives_the_same_journey_also_over_restarts() {
        let events = make::<Journey>(7, 5000, usize::MAX);
        assert_eq!(make::<Journey>(7, 5000, 13), events);
        assert_ne!(make::<Journey>(8, 5000, 13), events);
        assert_eq!(
            events[..2],
            [
                json!({"kind": "truck", "truck": {
                    "timestamp": "1970-01-01T00:00:00.000000Z",
                    "distance_covered": 0.003_758_066_295_147_229_6,
                    "engine_speed": 79.224_628_066_782_2,
                    "fuel_consumed": 0.000_037_580_662_951_472_3,
                }}),
                json!({"kind": "truck", "truck": {
                    "timestamp": "1970-01-01T00:00:00.000000Z",
                    "distance_covered": 0.003_925_974_662_438_587,
                    "engine_speed": 81.026_385_675_375_61,
                    "fuel_consumed": 0.000_039_389_000_681_608_54,
                }}),
            ]
        );
    }

    #[test]
    fn a_journey_is_as_the_authors_meant_it() {
        let events = make::<Journey>(1, 100_000, usize::MAX);
        let mut last = [0.0; 3];
        let mut speeds = 0.0;
        for event in &events {
            let now = figures(event);
            assert!(now[0] > last[0] && now[2] > last[2], "{last:?} {now:?}");
            speeds += now[1];
            last = now;
        }
        assert!((speeds / 1e5 - 80.0).abs() < 0.02, "{speeds}");
        // 0.36 s at 80 km/h are 8 m; the speeds above 80 km/h take a little more than 0.01 l/km.
        assert!((last[0] - 800.0).abs() < 8.0, "{last:?}");
        let litres = last[2] / last[0];
        assert!((0.0101..0.0105).contains(&litres), "{litres}");
        for (speed, litres) in [(0.0, 0.01), (80.0, 0.01), (140.0, 0.055), (300.0, 0.1)] {
            let found = litres_per_kilometre(speed);
            assert!((found - litres).abs() < 1e-12, "{speed}: {found}");
        }
    }

    #[test]
    fn it_ends_with_an_empty_tank() {
        let mut journey = Journey {
            distance: 1.0,
            fuel: TANK - 1e-9,
        };
        let mut chance = <ChaCha8Rng as rand::SeedableRng>::seed_from_u64(1);
        let mut step = || journey.make(&mut chance, Timestamp::UNIX_EPOCH);
        let Some(Payload::Truck { truck }) = step() else {
            panic!("no event")
        };
        assert!((truck.fuel_consumed - TANK).abs() < f64::EPSILON);
        assert!(step().is_none());
    }
}
