//! Which of the settings nginx takes: where it refuses all of them together, they are tried one by
//! one.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    error::ServeError,
    messages,
    settings::Setting,
    settings_state::{SettingsState, Values},
    tester::{Candidate, Tester},
};

/// Finds the settings that nginx takes.
pub(crate) struct Chooser {
    pub(crate) tester: Tester,
    /// Refusals that were logged: once for each value, however often it is tried.
    logged: RefCell<BTreeSet<(Setting, Option<String>)>>,
}

/// Settings that are in place.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// Those that take a reload to change.
    pub(crate) values: Values,
    /// When to try again, if some could not be taken just now, and may be later.
    pub(crate) retry: Option<Duration>,
}

impl Accepted {
    fn all(state: &SettingsState) -> Self {
        Self { values: state.reloaded(), retry: None }
    }
}

impl Chooser {
    /// Nothing was refused yet.
    pub(crate) fn new(tester: Tester) -> Self {
        Self { tester, logged: RefCell::default() }
    }

    /// Puts the configuration in place that nginx starts with. Of the settings that etcd has it has
    /// those that nginx takes, beginning with those that it ran with last (`taken`), or without
    /// any. What is left out is logged.
    ///
    /// # Errors
    ///
    /// Where nginx does not take it even without settings.
    pub(crate) async fn put_first(
        &self,
        wanted: &SettingsState,
        taken: &Values,
        rendering: u64,
    ) -> Result<Accepted, ServeError> {
        let nothing = Values::new();
        let all = Candidate { state: wanted, running: &nothing, rendering };
        let refused = match self.tester.put(all).await {
            Ok(()) => return Ok(Accepted::all(wanted)),
            Err(error) if error.is_refusal() => error,
            Err(error) => return Err(error),
        };
        for base in [taken, &nothing] {
            let base = wanted.with_reloaded(base);
            if base == *wanted || !self.is_taken(Candidate { state: &base, ..all }).await? {
                continue;
            }
            tracing::error!("{}", some_refused(&refused));
            let (state, retry) = self.try_each(base, all).await?;
            self.tester.put(Candidate { state: &state, ..all }).await?;
            return Ok(Accepted { values: state.reloaded(), retry });
        }
        let none = without_settings(wanted);
        match self.tester.put(Candidate { state: &none, ..all }).await {
            Ok(()) => {
                tracing::error!("{}", all_refused(&refused));
                Ok(Accepted { values: nothing, retry: None })
            }
            Err(_) => Err(refused),
        }
    }

    /// Puts the configuration of these settings in place, once nginx takes it. Where it does not,
    /// those that it takes are found one by one.
    pub(crate) async fn put(&self, candidate: Candidate<'_>) -> Result<Accepted, ServeError> {
        let Candidate { state: wanted, running, .. } = candidate;
        match self.tester.put(candidate).await {
            Ok(()) => {
                self.logged.borrow_mut().clear();
                Ok(Accepted::all(wanted))
            }
            Err(error) if error.is_refusal() => {
                let before = wanted.with_reloaded(running);
                // Where nginx does not even take what it runs with, that is no key's fault.
                self.tester.test(Candidate { state: &before, ..candidate }).await?;
                let (state, retry) = self.try_each(before, candidate).await?;
                self.tester.put(Candidate { state: &state, ..candidate }).await?;
                Ok(Accepted { values: state.reloaded(), retry })
            }
            Err(error) => Err(error),
        }
    }

    /// Whether nginx takes these settings.
    async fn is_taken(&self, candidate: Candidate<'_>) -> Result<bool, ServeError> {
        match self.tester.test(candidate).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_refusal() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Beginning with settings that are good, takes each of the candidate's that nginx takes with
    /// them. Says also when to try again, if some may be taken later.
    async fn try_each(
        &self,
        mut good: SettingsState,
        candidate: Candidate<'_>,
    ) -> Result<(SettingsState, Option<Duration>), ServeError> {
        let wanted = &candidate.state.values;
        let changed = |setting: &Setting| wanted.get(setting) != good.values.get(setting);
        let mut left: Vec<Setting> = Setting::all().filter(changed).collect();
        let mut refused = BTreeMap::new();
        // One that another one leaves no room for may be taken behind that.
        loop {
            let mut is_any_taken = false;
            for setting in std::mem::take(&mut left) {
                let mut tried = good.clone();
                match wanted.get(&setting) {
                    Some(value) => tried.values.insert(setting, value.clone()),
                    None => tried.values.remove(&setting),
                };
                match self.tester.test(Candidate { state: &tried, ..candidate }).await {
                    Ok(_) => {
                        self.logged.borrow_mut().retain(|(logged, _)| *logged != setting);
                        refused.remove(&setting);
                        (good, is_any_taken) = (tried, true);
                    }
                    Err(error) if error.is_refusal() => {
                        if error.is_of_several() {
                            left.push(setting);
                        }
                        refused.insert(setting, error);
                    }
                    Err(error) => return Err(error),
                }
            }
            if !is_any_taken || left.is_empty() {
                break;
            }
        }
        for (setting, error) in &refused {
            self.log_refusal(*setting, wanted.get(setting), error);
        }
        Ok((good, refused.values().filter_map(ServeError::retry).min()))
    }

    fn log_refusal(&self, setting: Setting, value: Option<&String>, error: &ServeError) {
        let given = value.map(String::as_str);
        if self.logged.borrow_mut().insert((setting, value.cloned())) {
            let key = self.tester.frame.key_of(setting);
            tracing::error!("{}", messages::setting_rejected(&key, given, error));
        }
    }
}

/// No settings, also none of who may publish: nobody may until the module has read them from etcd.
fn without_settings(wanted: &SettingsState) -> SettingsState {
    let mut state = SettingsState::default();
    let key = wanted.values.get_key_value(&Setting::PutAllow);
    state.values.extend(key.map(|(key, value)| (*key, value.clone())));
    if wanted.restricts_publishing() {
        state.put_allow_source.origin = wanted.put_allow_source.origin;
    }
    state
}

fn some_refused(refused: &ServeError) -> String {
    format!("with the settings in etcd, {refused}; those that nginx takes are used")
}

fn all_refused(refused: &ServeError) -> String {
    format!(
        "nginx starts with the default settings: with those in etcd, and with those it ran with \
        last, {refused}"
    )
}

#[cfg(test)]
mod tests {
    use std::{io, path::PathBuf};

    use super::{all_refused, some_refused};
    use crate::serve::error::ServeError;

    #[test]
    fn messages_are_worded_so() {
        let error = ServeError::Write(PathBuf::from("/a"), io::Error::other("full"));
        assert_eq!(
            some_refused(&error),
            "with the settings in etcd, cannot write \"/a\": full; those that nginx takes are used"
        );
        assert_eq!(
            all_refused(&error),
            "nginx starts with the default settings: with those in etcd, and with those it ran \
            with last, cannot write \"/a\": full"
        );
    }
}
