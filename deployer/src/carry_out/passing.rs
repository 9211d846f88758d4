//! The proof of what reads the canaries beside the way to documents: each part of it has passed the last one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::component::{self, Behind, Component, Does};
use crate::error::CommandError;
use crate::few::few;
use crate::host::{Command, Host, Input};
use crate::reach::connections::Connections;
use crate::report::{Event, Reporter, StepOutcome};
use crate::topology::{Node, Topology};

/// How long it may take, beside the time until it looks. It may have just been started.
const TIMEOUT: Duration = Duration::from_mins(2);
/// How long it may take where it is seen at work all the time: much may wait before the canaries.
const AT_WORK: Duration = Duration::from_mins(15);
/// How long one that has ended may stay so: systemd begins it again.
const ENDED: Duration = Duration::from_mins(1);
/// How long what no canary passes may take until it is seen at work. Whether it is stops nothing.
const SEEN: Duration = Duration::from_mins(1);
/// How often it is said how far they are.
const WORDS: Duration = Duration::from_secs(15);
/// Who looks less often than this is waited for longer than anybody would expect.
const OFTEN: Duration = Duration::from_secs(30);
/// How long to wait before its state is read again.
const PAUSE: Duration = Duration::from_millis(250);
/// How long one reading may take.
const READING: Duration = Duration::from_secs(30);

/// What has passed the canaries, and what has not, in words.
#[derive(Default)]
pub(super) struct Passed {
    pub(super) by: Vec<String>,
    /// What no canary passes, and is at work.
    pub(super) seen: Vec<String>,
    pub(super) behind: Vec<String>,
}

/// Waits for all that reads the canaries to pass one.
pub(super) async fn passed(
    connections: &Connections,
    topology: &Topology,
    canary: i64,
    reporter: &dyn Reporter,
) -> Result<Passed, CommandError> {
    let mut passed = Passed::default();
    for node in topology.nodes.values() {
        for component in component::of_node(node, topology) {
            let said_in = component.said_in(node, topology);
            if !said_in.is_empty()
                && let Some(all) = component.behind(topology, "", canary)
            {
                let seldom = all.values().map(|part| part.every).max();
                let seldom = seldom.unwrap_or_default();
                let proves: BTreeMap<String, bool> = all
                    .into_iter()
                    .map(|(part, how)| (part, how.proves))
                    .collect();
                let all: Vec<String> = proves.keys().cloned().collect();
                let mut words = format!("wait for {}", few(&all, 5));
                if seldom > OFTEN {
                    let _ = write!(words, ", which may take {} s to look", seldom.as_secs());
                }
                let awaited = Awaited {
                    timeout: TIMEOUT + seldom,
                    host: connections.host(&node.name)?,
                    topology,
                    component,
                    said_in,
                    canary,
                };
                let behind = awaited.aloud(node, &words, reporter).await?;
                let there = proves.into_iter();
                let there = there.filter(|(part, _)| !behind.contains_key(part));
                let (by, seen): (Vec<_>, Vec<_>) = there.partition(|(_, proves)| *proves);
                passed.by.extend(by.into_iter().map(|(part, _)| part));
                passed.seen.extend(seen.into_iter().map(|(part, _)| part));
                passed.behind.extend(behind.into_values().flatten());
            }
        }
    }
    Ok(passed)
}

/// What is waited for.
struct Awaited<'a> {
    timeout: Duration,
    host: &'a dyn Host,
    topology: &'a Topology,
    component: &'a dyn Component,
    said_in: Vec<String>,
    canary: i64,
}

impl Awaited<'_> {
    /// Waits, and says it; the parts that have not passed, and in words why that is a failure. It is none of one that has much to read
    /// before and is on its way, nor of what no canary passes: these are noted.
    async fn aloud(
        &self,
        node: &Node,
        words: &str,
        reporter: &dyn Reporter,
    ) -> Result<BTreeMap<String, Option<String>>, CommandError> {
        let (node, words) = (Some(node.name.clone()), words.to_owned());
        reporter.event(&Event::StepStarted {
            node: node.clone(),
            words: words.clone(),
        });
        let started = Instant::now();
        let progress = |line: &str| {
            reporter.event(&Event::StepOutput {
                node: node.clone(),
                line: line.into(),
            });
        };
        let (watch, last) = self.follow(&progress).await?;
        let mut behind = BTreeMap::new();
        for (part, how) in last {
            let said = format!("{part} {}", how.how);
            let fails = how.proves && !watch.is_on_its_way(&part, &how);
            if !how.proves {
                reporter.event(&Event::Warning(said.clone()));
            } else if !fails {
                reporter.event(&Event::Note(format!("{said}: it is on its way")));
            }
            behind.insert(part, fails.then_some(said));
        }
        let said: Vec<&str> = behind.values().flatten().map(String::as_str).collect();
        let outcome = if said.is_empty() {
            StepOutcome::Done
        } else {
            StepOutcome::Failed(said.join("; "))
        };
        reporter.event(&Event::StepFinished {
            node,
            words,
            outcome,
            took: started.elapsed(),
        });
        Ok(behind)
    }

    /// What was seen, and what is behind at the end.
    async fn follow(
        &self,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Result<(Watch, BTreeMap<String, Behind>), CommandError> {
        let started = Instant::now();
        let command = Command {
            program: "cat".into(),
            arguments: self.said_in.clone(),
            input: Input::Nothing,
            timeout: READING,
            root: true,
        };
        let mut watch = Watch::new(self.timeout);
        let mut told = Duration::ZERO;
        loop {
            // Before its first word there is no file; of several those are shown that there are.
            let said = self.host.run(&command).await?.stdout;
            let said = String::from_utf8_lossy(&said);
            let behind = self.component.behind(self.topology, &said, self.canary);
            let behind = behind.unwrap_or_default();
            let now = started.elapsed();
            if watch.is_over(&behind, now) {
                return Ok((watch, behind));
            }
            if now >= told + WORDS {
                told = now;
                for (part, Behind { how, .. }) in &behind {
                    progress(&format!("{part} {how}"));
                }
            }
            sleep(PAUSE).await;
        }
    }
}

/// What was seen of the parts that are waited for.
struct Watch {
    timeout: Duration,
    /// How much each had done when it first said so.
    first: BTreeMap<String, i64>,
    /// Since when each has ended, and how often it has.
    ended: BTreeMap<String, (Option<Duration>, u32)>,
}

impl Watch {
    fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            first: BTreeMap::new(),
            ended: BTreeMap::new(),
        }
    }

    /// Notes what is behind after a time, and says whether no more is to be waited for: all have passed or are on their way, one is
    /// dead, or one is silent for too long.
    fn is_over(&mut self, behind: &BTreeMap<String, Behind>, now: Duration) -> bool {
        let mut dead = false;
        for (part, how) in behind {
            if let Some(done) = how.done {
                self.first.entry(part.clone()).or_insert(done);
            }
            let (since, times) = self.ended.entry(part.clone()).or_default();
            if how.does != Does::End {
                *since = None;
            } else if since.is_none() {
                *since = Some(now);
                *times += 1;
            }
            dead |= *times > 1 || since.is_some_and(|since| now > since + ENDED);
        }
        if behind.is_empty() || dead {
            return true;
        }
        let proven = || behind.iter().filter(|(_, how)| how.proves);
        if proven().next().is_none() {
            return now > SEEN;
        }
        if now <= self.timeout {
            return false;
        }
        let silent = proven().any(|(part, how)| !self.is_on_its_way(part, how));
        let long = now > AT_WORK + self.timeout;
        silent || long || proven().all(|(part, how)| self.moves(part, how))
    }

    /// Whether a part has done more than when it first said how much.
    fn moves(&self, part: &str, how: &Behind) -> bool {
        let first = self.first.get(part);
        how.done
            .zip(first)
            .is_some_and(|(done, first)| done > *first)
    }

    fn is_on_its_way(&self, part: &str, how: &Behind) -> bool {
        how.does == Does::Work || self.moves(part, how)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::{AT_WORK, ENDED, SEEN, TIMEOUT, Watch};
    use crate::component::{Behind, Does};

    /// One part that is behind.
    fn one(done: Option<i64>, does: Does) -> BTreeMap<String, Behind> {
        let part = Behind {
            how: String::new(),
            done,
            does,
            every: Duration::ZERO,
            proves: true,
        };
        [("it".to_owned(), part)].into()
    }

    /// What a watch says after these times.
    fn over(seen: &[(Duration, BTreeMap<String, Behind>)]) -> Vec<bool> {
        let mut watch = Watch::new(TIMEOUT);
        let seen = seen.iter();
        seen.map(|(now, behind)| watch.is_over(behind, *now))
            .collect()
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_has_passed_or_says_nothing_is_waited_for_no_longer() {
        let silent = one(Some(0), Does::Nothing);
        let late = TIMEOUT + SECOND;
        let said = [(TIMEOUT, silent.clone()), (late, silent)];
        assert_eq!(over(&said), [false, true]);
        assert_eq!(over(&[(SECOND, BTreeMap::new())]), [true]);
    }

    #[test]
    fn what_is_at_work_is_waited_for_until_it_has_done_something() {
        let working = one(Some(0), Does::Work);
        let late = TIMEOUT + SECOND;
        let begun = [(SECOND, working.clone()), (late, working.clone())];
        assert_eq!(over(&begun), [false, false]);
        let done = [begun.as_slice(), &[(late, one(Some(1), Does::Work))]].concat();
        assert_eq!(over(&done), [false, false, true]);
        let stops = [begun.as_slice(), &[(late, one(Some(0), Does::Nothing))]].concat();
        assert_eq!(over(&stops), [false, false, true]);
        let end = AT_WORK + late;
        let never = [begun.as_slice(), &[(end, working)]].concat();
        assert_eq!(over(&never), [false, false, true]);
    }

    #[test]
    fn what_no_canary_passes_is_waited_for_a_shorter_time_and_holds_nothing_up() {
        let mut foreign = one(None, Does::Nothing);
        for part in foreign.values_mut() {
            part.proves = false;
        }
        let alone = [(SEEN, foreign.clone()), (SEEN + SECOND, foreign.clone())];
        assert_eq!(over(&alone), [false, true]);
        let mut both = one(Some(0), Does::Nothing);
        both.extend(foreign.into_values().map(|part| ("other".to_owned(), part)));
        assert_eq!(over(&[(SEEN + SECOND, both)]), [false]);
    }

    #[test]
    fn what_ends_twice_or_stays_so_is_dead() {
        let ended = one(None, Does::End);
        let begins = one(None, Does::Nothing);
        let second = SECOND * 2;
        let twice = [
            (SECOND, ended.clone()),
            (second, begins),
            (second, ended.clone()),
        ];
        assert_eq!(over(&twice), [false, false, true]);
        let stays = [(SECOND, ended.clone()), (ENDED + second, ended)];
        assert_eq!(over(&stays), [false, true]);
    }
}
