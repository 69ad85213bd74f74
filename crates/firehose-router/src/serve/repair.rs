//! What to do where workers are missing.

use std::time::Duration;

use retry_backoff::Backoff;
use tokio::time::Instant;

use super::{
    process_settings::{PROCESS_SETTINGS, of_processes},
    settings::Setting,
    settings_state::{SettingsState, Values},
};

/// How long after a reload that starts missing workers there is another, at first; then twice as
/// long each time.
const FIRST_PAUSE: Duration = Duration::from_secs(10);

/// How long at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// How many looks in a row must find too few: one of nginx's own reloads is between two.
const LOOKS: u32 = 2;

/// What is known of the workers that run.
#[derive(Debug)]
pub(crate) struct Repair {
    /// Settings of processes with which all workers ran.
    standing: Option<Values>,
    /// Settings with which they did not, until their keys change.
    refused: Values,
    /// How many looks in a row have found too few of them.
    looks: u32,
    /// When nginx may reload again because workers are missing.
    not_before: Option<Instant>,
    /// The pauses between such reloads.
    pauses: Backoff,
}

impl Default for Repair {
    fn default() -> Self {
        Self {
            standing: None,
            refused: Values::default(),
            looks: 0,
            not_before: None,
            pauses: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
        }
    }
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RepairStep {
    /// Nothing, or nothing yet.
    Nothing,
    /// nginx is to reload, which makes it start the workers again.
    Reload,
    /// These settings are to be what they were when all workers ran, and nginx is to reload: it
    /// never ran with what they are now.
    Revert(Vec<Revert>),
}

/// A setting that goes back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Revert {
    pub(crate) setting: Setting,
    /// `None` is the default.
    pub(crate) from: Option<String>,
    /// `None` is the default.
    pub(crate) to: Option<String>,
}

impl Repair {
    /// All workers run with these settings.
    pub(crate) fn note_standing(&mut self, running: &Values) {
        self.looks = 0;
        self.standing = Some(of_processes(running));
    }

    /// Workers are missing that these settings ask for.
    pub(crate) fn note_missing(&mut self, running: &Values) -> RepairStep {
        self.looks += 1;
        if self.looks < LOOKS {
            return RepairStep::Nothing;
        }
        self.looks = 0;
        let now = of_processes(running);
        let standing = self.standing.clone().unwrap_or_default();
        if now != standing {
            let changed = PROCESS_SETTINGS
                .into_iter()
                .filter(|setting| now.get(setting) != standing.get(setting));
            let reverts: Vec<_> = changed
                .map(|setting| Revert {
                    setting,
                    from: now.get(&setting).cloned(),
                    to: standing.get(&setting).cloned(),
                })
                .collect();
            let refused = reverts.iter().filter_map(|revert| {
                revert.from.as_ref().map(|value| (revert.setting, value.clone()))
            });
            self.refused.extend(refused);
            return RepairStep::Revert(reverts);
        }
        let at = Instant::now();
        match self.not_before {
            Some(not_before) if at < not_before => return RepairStep::Nothing,
            // The last reload is not long ago, and has not helped.
            Some(not_before) if at < not_before + LONGEST_PAUSE => {}
            _ => self.pauses.reset(),
        }
        self.not_before = Some(at + self.pauses.next_wait());
        RepairStep::Reload
    }

    /// The settings, with those that run in the place of those with which workers did not run.
    pub(crate) fn without_refused(
        &mut self,
        mut wanted: SettingsState,
        running: &Values,
    ) -> SettingsState {
        self.refused.retain(|setting, value| wanted.values.get(setting) == Some(value));
        for setting in self.refused.keys() {
            match running.get(setting) {
                Some(value) => wanted.values.insert(*setting, value.clone()),
                None => wanted.values.remove(setting),
            };
        }
        wanted
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{LONGEST_PAUSE, Repair, RepairStep, Revert};
    use crate::serve::{
        settings::Setting,
        settings_state::{SettingsState, Values},
    };

    fn processes(value: &str) -> Values {
        Values::from([(Setting::WorkerProcesses, value.to_owned())])
    }

    #[tokio::test(start_paused = true)]
    async fn settings_with_which_workers_never_ran_go_back_until_their_key_changes() {
        let mut repair = Repair::default();
        repair.note_standing(&processes("2"));
        assert_eq!(repair.note_missing(&processes("64")), RepairStep::Nothing);
        let revert = Revert {
            setting: Setting::WorkerProcesses,
            from: Some("64".to_owned()),
            to: Some("2".to_owned()),
        };
        assert_eq!(repair.note_missing(&processes("64")), RepairStep::Revert(vec![revert]));
        let wanted =
            |value: &str| SettingsState { values: processes(value), ..SettingsState::default() };
        let state = repair.without_refused(wanted("64"), &processes("2"));
        assert_eq!(state.values, processes("2"));
        let state = repair.without_refused(wanted("32"), &processes("2"));
        assert_eq!(state.values, processes("32"));
        let state = repair.without_refused(wanted("64"), &processes("2"));
        assert_eq!(state.values, processes("64"), "it is tried again");
    }

    #[tokio::test(start_paused = true)]
    async fn reloads_that_start_missing_workers_are_spaced() {
        let mut repair = Repair::default();
        let running = processes("2");
        repair.note_standing(&running);
        let mut reloads = 0;
        for _ in 0..60 {
            reloads += u32::from(repair.note_missing(&running) == RepairStep::Reload);
            tokio::time::advance(Duration::from_secs(5)).await;
        }
        // Without jitter at 5, 15, 35, 75 and 155 s, and then not before 315 s.
        assert!((5..=6).contains(&reloads), "{reloads}");
        // Long after the last one, the pauses begin with the first one.
        tokio::time::advance(LONGEST_PAUSE * 3).await;
        let mut steps = Vec::new();
        for _ in 0..8 {
            steps.push(repair.note_missing(&running) == RepairStep::Reload);
            tokio::time::advance(Duration::from_secs(5)).await;
        }
        assert!(steps.iter().filter(|&&reloads| reloads).count() >= 2, "{steps:?}");
    }
}
