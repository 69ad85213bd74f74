//! A change of a key on the condition that nobody else has changed it since it was read.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{
    error::KeysError,
    store::{Store, StoredKey},
};

/// How often another client may be faster.
pub(crate) const CONFLICTS: usize = 10;

/// How long a key with a lease is looked at after a change: a program that watches its key writes
/// it again at once.
pub(crate) const WRITTEN_BACK: Duration = Duration::from_secs(1);

/// How often it is looked at.
pub(crate) const LOOK: Duration = Duration::from_millis(100);

/// What is to be done about the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It is as it should be.
    Nothing,
    /// It is written, where it is not there.
    Create(String),
    /// It gets another value.
    Put(String),
    /// It goes.
    Delete,
}

/// What was done.
pub(crate) struct Changed {
    pub(crate) step: Step,
    /// The key before.
    pub(crate) before: Option<StoredKey>,
    /// The revision at which the key is as it should be.
    pub(crate) revision: i64,
}

/// Brings the key to what `plan` says, which is given the key as it is, and whether an attempt
/// before may have been made, although it was not answered.
pub(crate) async fn change<E: From<KeysError>>(
    store: &Store,
    key: &str,
    plan: impl Fn(Option<&StoredKey>, bool) -> Result<Step, E>,
) -> Result<Changed, E> {
    let (mut conflicts, mut failures) = (0, 0);
    loop {
        let before = store.read(key).await.map_err(|error| match failures {
            0 => KeysError::Etcd(error.reason),
            _ => store.unknown(error.reason),
        })?;
        let step = plan(before.as_ref(), failures > 0)?;
        let mod_revision = before.as_ref().map_or(0, |before| before.mod_revision);
        let made = match &step {
            Step::Nothing => Ok(Some(mod_revision)),
            Step::Create(value) => store.create(key, value.as_bytes()).await,
            Step::Put(value) => store.put(key, value.as_bytes(), mod_revision).await,
            Step::Delete => store.delete(key, mod_revision).await,
        };
        match made {
            Ok(Some(revision)) => {
                let changed = Changed { step, before, revision };
                settle(store, key, &changed).await?;
                return Ok(changed);
            }
            Ok(None) if conflicts == CONFLICTS => {
                return Err(KeysError::Contended { key: key.to_owned(), times: conflicts }.into());
            }
            Ok(None) => conflicts += 1,
            Err(error) if error.is_refusal && failures == 0 => {
                return Err(KeysError::Refused(error.reason).into());
            }
            Err(error) => {
                failures += 1;
                if failures >= store.attempts() {
                    return Err(store.unknown(error.reason).into());
                }
            }
        }
    }
}

/// Sees whether a key with a lease stays as it was made: if its program writes it again, nothing
/// was changed for long.
async fn settle(store: &Store, key: &str, changed: &Changed) -> Result<(), KeysError> {
    let has_lease = changed.before.as_ref().is_some_and(|before| before.lease != 0);
    if !has_lease || changed.step == Step::Nothing {
        return Ok(());
    }
    let wanted = match &changed.step {
        Step::Create(value) | Step::Put(value) => Some(value.as_bytes()),
        Step::Nothing | Step::Delete => None,
    };
    let end = Instant::now() + WRITTEN_BACK;
    while Instant::now() < end {
        sleep(LOOK).await;
        // The change is made: that it cannot be looked at is no failure of it.
        let Ok(now) = store.read(key).await else { return Ok(()) };
        let Some(now) = now else { continue };
        if Some(&now.value[..]) != wanted {
            let shown = store.shown(&now.value);
            return Err(KeysError::WrittenBack { key: key.to_owned(), shown });
        }
    }
    Ok(())
}
