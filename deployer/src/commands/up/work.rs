//! What an `up` does once it may: machines, software, steps.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::carry_out::beside::beside;
use crate::carry_out::fetch::{Fetched, Paths, fetch, relays};
use crate::carry_out::host_keys;
use crate::carry_out::machines::make_machines;
use crate::carry_out::times::Times;
use crate::carry_out::{reboot, state_copy};
use crate::component::artifact::SOURCE;
use crate::error::CommandError;
use crate::observe::ask::Systems;
use crate::observe::observer::ObserveOptions;
use crate::observe::obstacles::check_nodes;
use crate::observe::record::{keep_choices, record_planned, shows_choice, update_receipt};
use crate::observe::{Planned, observe};
use crate::prepare::prepared::Prepared;
use crate::reach::connections::Connections;
use crate::reach::failure::{failed, with_password_hint, with_place};
use crate::receipt::Receipt;
use crate::report::Reporter;
use crate::run::Failures;
use crate::run::journal::{Journal, SECRETS_FILE};
use crate::run::runner::{Runner, Stop, Summary};
use crate::step::Step;
use crate::tell::prompt::refusal;

/// What was seen last, and by which connections.
pub(super) struct View {
    pub(super) connections: Connections,
    pub(super) planned: Planned,
    /// What is known of the systems of nodes.
    pub(super) systems: Systems,
}

/// What the work needs beside what is there.
pub(super) struct Work<'a> {
    pub(super) journal: &'a Journal,
    /// How to look again at what was made.
    pub(super) looking: &'a ObserveOptions<'a>,
    pub(super) reporter: &'a dyn Reporter,
    pub(super) stop: &'a Stop,
}

impl Work<'_> {
    /// Notes what is going to be made, before anything is.
    pub(super) fn begin(&self, planned: &Planned) -> Result<(), CommandError> {
        self.journal.keep_secrets(&planned.prepared.secrets)?;
        self.journal.change(|receipt| {
            update_receipt(receipt, &planned.prepared);
            receipt.unproven = true;
            for state in &planned.seen.clouds {
                for node in state.wanted.machines.keys() {
                    record_planned(receipt, node, state.name);
                }
            }
        })?;
        Ok(())
    }

    /// Makes machines while what will be sent to them is fetched, and looks at what is there now.
    pub(super) async fn make(
        &self,
        view: View,
        times: &mut Times,
    ) -> Result<(View, Paths), CommandError> {
        let making = Instant::now();
        let planned = &view.planned;
        let fetched = beside(
            make_machines(&planned.seen, self.journal, self.reporter, self.stop),
            self.stop.unless(1, Box::pin(fetch(planned, self.reporter))),
        )
        .await?;
        let Fetched { paths, sources } = fetched.ok_or_else(interrupted)??;
        let now = planned.prepared.with(|receipt| {
            for (component, source) in &sources {
                receipt.choices.set(component, SOURCE, Some(source));
            }
            let Receipt {
                machines,
                cloud_notes,
                ..
            } = self.journal.receipt();
            (receipt.machines, receipt.cloud_notes) = (machines, cloud_notes);
        })?;
        if !sources.is_empty() {
            self.journal
                .change(|receipt| update_receipt(receipt, &now))?;
        }
        times.since("machines and downloads", making);
        if !planned.seen.machines_change() && now.artifacts == planned.prepared.artifacts {
            return Ok((self.with_own_host_keys(view).await?, paths));
        }
        let asking = Instant::now();
        view.connections.close(true).await?;
        let view = self.look_again(&now).await?;
        let view = self.with_own_host_keys(view).await?;
        self.journal
            .change(|receipt| update_receipt(receipt, &view.planned.prepared))?;
        times.since("connect and ask", asking);
        Ok((view, paths))
    }

    /// Machines show host keys of their own from here on.
    async fn with_own_host_keys(&self, view: View) -> Result<View, CommandError> {
        let View {
            connections,
            planned,
            systems,
        } = view;
        let replaced = host_keys::replace(&connections, planned, self.looking, self.journal);
        let replaced = self.stop.unless(2, Box::pin(replaced)).await;
        Ok(View {
            planned: replaced.ok_or_else(interrupted)??,
            connections,
            systems,
        })
    }

    /// Looks at machines that were made or went down meanwhile.
    async fn look_again(&self, prepared: &Prepared) -> Result<View, CommandError> {
        let looking = ObserveOptions {
            made: true,
            ..*self.looking
        };
        let looked = self.stop.unless(1, observe(prepared, &looking)).await;
        let (connections, planned) = looked.ok_or_else(interrupted)??;
        Ok(View {
            connections,
            planned,
            systems: Systems::new(),
        })
    }

    /// Does what is planned; once more where nothing failed but that hosts went down.
    pub(super) async fn carry_out(
        &self,
        mut view: View,
        paths: &Paths,
        times: &mut Times,
    ) -> Result<View, CommandError> {
        let mut ran = self.run(&mut view, paths).await?;
        if let Err(failures) = &ran
            && let down = reboot::only_went_down(&view.connections, failures, self.reporter)
            && self.stop.unless(1, down).await == Some(true)
        {
            let waiting = Instant::now();
            // What is left of connections to hosts that are down is of no use, however it ends.
            let _ = view.connections.close(false).await;
            view = self.look_again(&view.planned.prepared).await?;
            times.since("wait for hosts that went down", waiting);
            ran = self.run(&mut view, paths).await?;
        }
        let summary = ran.map_err(|failures| {
            let secrets = self.journal.directory().join(SECRETS_FILE);
            let inventory = &view.planned.prepared.source.inventory;
            let error = with_place(failed(&failures, "up"), inventory);
            with_password_hint(error, &secrets)
        })?;
        if summary.left > 0 {
            return Err(interrupted());
        }
        self.journal
            .change(|receipt| view.planned.record_holdings(receipt, true))?;
        for (stage, took) in &summary.stages {
            times.took(stage, *took);
        }
        Ok(view)
    }

    /// Runs the plan of what was seen, unless something there is refused.
    async fn run(
        &self,
        view: &mut View,
        paths: &Paths,
    ) -> Result<Result<Summary, Failures>, CommandError> {
        let View {
            connections,
            planned,
            systems,
        } = view;
        let refused = planned.refused();
        if !refused.is_empty() {
            return Err(refusal(&refused));
        }
        check_nodes(connections, planned, systems).await?;
        connections.set_artifacts(paths.clone());
        connections.set_relays(relays(planned));
        self.journal
            .change(|receipt| planned.record_holdings(receipt, false))?;
        let by = self.looking.environment.who();
        if let Some((copy, mark)) = state_copy::of_plan(planned, self.journal, &by).await? {
            connections.set_state_copy(copy, mark);
        }
        let prepared = &planned.prepared;
        let runner = Runner::new(connections.executor(), self.reporter, self.stop);
        let unrecorded = Mutex::new(None);
        let record = |step: &Step| {
            if shows_choice(step, prepared)
                && let Err(error) = self
                    .journal
                    .change(|receipt| keep_choices(receipt, prepared))
            {
                *unrecorded.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            }
        };
        let ran = self
            .stop
            .unless(2, runner.run(&planned.plan, &record))
            .await;
        if let Some(error) = unrecorded
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
        {
            return Err(error.into());
        }
        ran.ok_or_else(interrupted)
    }
}

/// What Ctrl-C ends with: no step was left half done, unless it was pressed twice.
pub(super) fn interrupted() -> CommandError {
    CommandError::interrupted("stopped before all was done")
        .hint("deployer up goes on from here; deployer teardown takes all away")
}
