//! Parameters of peers whose values do not set them, where a variable says what they are.

use super::Upstream;

impl Upstream {
    /// What variables change: the parameters of peers whose values do not set them.
    pub(in crate::watcher) fn look_at_variables(&mut self) {
        let Some(max_conns) = self.max_conns.as_ref().and_then(|number| number()) else { return };
        if max_conns == self.defaults.max_conns {
            return;
        }
        self.defaults.max_conns = max_conns;
        self.is_changed |= self.members.in_hand_mut().set_defaults(self.defaults);
        self.is_changed |= self.members.newest_mut().set_defaults(self.defaults);
        self.lines.notice(format!(
            "etcd: upstream \"{}\": max_conns={max_conns} for peers whose values do not set it",
            self.name
        ));
    }
}
