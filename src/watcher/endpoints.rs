//! What the status shows of etcd's endpoints.

use etcd_watch::{Endpoint, EndpointState};
use tokio::sync::watch::Receiver;

use crate::zones::report;

/// The endpoints as the report has them, if something of them has changed since the last call.
pub(super) fn news(endpoints: &mut Receiver<Vec<Endpoint>>) -> Option<Vec<report::Endpoint>> {
    let has_changed = endpoints.has_changed().is_ok_and(|has_changed| has_changed);
    has_changed.then(|| endpoints.borrow_and_update().iter().map(report).collect())
}

fn report(endpoint: &Endpoint) -> report::Endpoint {
    report::Endpoint {
        url: endpoint.url.to_string(),
        state: match endpoint.state {
            EndpointState::InUse => report::EndpointState::InUse,
            EndpointState::Standby => report::EndpointState::Standby,
            EndpointState::Failed => report::EndpointState::Failed,
        },
        trouble: endpoint.trouble.clone(),
    }
}
