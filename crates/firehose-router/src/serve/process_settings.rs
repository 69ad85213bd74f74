//! The settings that say how much of the machine nginx takes.

use super::{
    memory::Workers,
    settings::Setting,
    settings_state::{SettingsState, Values},
};

/// The settings that say how much of the machine nginx takes.
pub(crate) const PROCESS_SETTINGS: [Setting; 3] =
    [Setting::WorkerProcesses, Setting::WorkerConnections, Setting::WorkerRlimitNofile];

/// The settings that say how much of the machine nginx takes.
pub(crate) fn of_processes(values: &Values) -> Values {
    let mut values = values.clone();
    values.retain(|setting, _| PROCESS_SETTINGS.contains(setting));
    values
}

/// The workers of these settings.
pub(crate) fn workers_of(state: &SettingsState) -> Workers {
    let number = |setting| state.get(setting).and_then(|value| value.parse::<u64>().ok());
    // "auto" is one for each processor.
    let processors = || std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    Workers {
        processes: number(Setting::WorkerProcesses).unwrap_or_else(processors),
        connections: number(Setting::WorkerConnections).unwrap_or_default(),
    }
}

/// How many files a worker of these settings may have, if they say so.
pub(crate) fn files_of(state: &SettingsState) -> Option<u64> {
    state.get(Setting::WorkerRlimitNofile).and_then(|value| value.parse().ok())
}
