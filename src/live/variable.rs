//! A variable whose value is in etcd, with the value.

use ngx::ffi::ngx_conf_t;

use super::value::{Live, Look, MAX_VALUE_LENGTH};
use crate::{
    config::{VariableConf, number, time},
    zones::SharedValue,
};

/// What says a number, in whichever thread.
pub(crate) type LiveNumber = Box<dyn Fn() -> Option<u32> + Send>;

/// A variable of `etcd_variable`; it lives as long as its cycle.
#[derive(Debug)]
pub(crate) struct Variable {
    /// What the directive says.
    pub(crate) conf: VariableConf,
    value: &'static SharedValue<Live>,
}

impl Variable {
    /// Asks nginx for the memory of the variable's value, which all variables with the same key
    /// share.
    ///
    /// # Errors
    ///
    /// As [`SharedValue::add`].
    pub(crate) fn new(cf: *mut ngx_conf_t, conf: VariableConf) -> Result<Self, String> {
        let name = format!("etcd:variable:{}:{}", conf.cluster, conf.key);
        let value = SharedValue::add(cf, &name)?;
        Ok(Self { conf, value })
    }

    /// The value in shared memory, once it is mapped.
    pub(crate) fn live(&self) -> Option<&'static Live> {
        self.value.get()
    }

    /// Calls `read` with the present value, which is copied into `bytes` unless it is that of the
    /// configuration.
    pub(crate) fn look<'a>(&'a self, bytes: &'a mut [u8; MAX_VALUE_LENGTH]) -> PresentValue<'a> {
        let look = self.live().map(|live| live.look(bytes)).unwrap_or_default();
        match look.length {
            Some(length) => PresentValue::InMemory(&bytes[..length]),
            None => match otherwise(look, &self.conf) {
                Some(text) => PresentValue::InConfiguration(text),
                None => PresentValue::Nothing,
            },
        }
    }

    /// The present value as a time, in milliseconds.
    pub(crate) fn to_time(&self) -> Option<u64> {
        time(self.look(&mut [0; MAX_VALUE_LENGTH]).text()?)
    }

    /// What says the present value as a number, in whichever thread.
    pub(crate) fn to_number(&self) -> LiveNumber {
        let (live, conf) = (self.live(), self.conf.clone());
        Box::new(move || {
            let mut bytes = [0; MAX_VALUE_LENGTH];
            let look = live.map(|live| live.look(&mut bytes)).unwrap_or_default();
            match look.length {
                Some(length) => number(str::from_utf8(&bytes[..length]).ok()?),
                None => number(otherwise(look, &conf)?),
            }
        })
    }
}

/// A variable's present value.
pub(crate) enum PresentValue<'a> {
    /// Of etcd; it was copied out of shared memory.
    InMemory(&'a [u8]),
    /// Of the configuration, which lives as long as the cycle.
    InConfiguration(&'a str),
    /// There is none.
    Nothing,
}

impl<'a> PresentValue<'a> {
    fn text(&self) -> Option<&'a str> {
        match self {
            Self::InMemory(bytes) => str::from_utf8(bytes).ok(),
            Self::InConfiguration(text) => Some(text),
            Self::Nothing => None,
        }
    }
}

/// The value where there is none in shared memory.
fn otherwise(look: Look, conf: &VariableConf) -> Option<&str> {
    conf.initial.as_deref().filter(|_| !look.is_heard).or(conf.default.as_deref())
}
