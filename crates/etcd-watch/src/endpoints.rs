//! What is known of each endpoint of a cluster.

use std::sync::Arc;

use tokio::sync::watch;

use crate::trouble::Kind;

/// What an endpoint is to those who follow the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointState {
    /// It has answered a list, and has not been left since.
    InUse,
    /// Another one is in use, or none yet.
    Standby,
    /// The last attempt to use it has failed.
    Failed,
}

/// An endpoint as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its URL.
    pub url: Arc<str>,
    /// What it is.
    pub state: EndpointState,
    /// For [`EndpointState::Failed`]: what is wrong and what mends it, in one line.
    pub trouble: Option<String>,
    /// The kind of the trouble. Words about the same kind differ from attempt to attempt: the first
    /// ones stay.
    kind: Option<Kind>,
}

/// All endpoints of a cluster, for any number of readers who hear of changes.
#[derive(Debug)]
pub(crate) struct Endpoints(watch::Sender<Vec<Endpoint>>);

impl Endpoints {
    pub(crate) fn new(urls: &[String]) -> Self {
        let endpoint = |url: &String| Endpoint {
            url: url.as_str().into(),
            state: EndpointState::Standby,
            trouble: None,
            kind: None,
        };
        Self(watch::Sender::new(urls.iter().map(endpoint).collect()))
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Vec<Endpoint>> {
        self.0.subscribe()
    }

    /// The index of the one in use.
    pub(crate) fn in_use(&self) -> Option<usize> {
        self.0.borrow().iter().position(|endpoint| endpoint.state == EndpointState::InUse)
    }

    /// The endpoint with this index has answered a list.
    pub(crate) fn note_answer(&self, index: usize) {
        self.update(|endpoints| {
            leave(endpoints);
            if let Some(endpoint) = endpoints.get_mut(index) {
                endpoint.state = EndpointState::InUse;
                (endpoint.trouble, endpoint.kind) = (None, None);
            }
        });
    }

    /// None is in use any more.
    pub(crate) fn note_left(&self) {
        self.update(|endpoints| leave(endpoints));
    }

    /// An attempt at the endpoint has failed; `reason` says why. What the one in use refuses says
    /// nothing of the endpoint.
    pub(crate) fn note_trouble(&self, url: &str, kind: Kind, reason: impl FnOnce() -> String) {
        self.update(|endpoints| {
            let Some(endpoint) = endpoints.iter_mut().find(|endpoint| &*endpoint.url == url) else {
                return;
            };
            if endpoint.state != EndpointState::InUse && endpoint.kind != Some(kind) {
                endpoint.state = EndpointState::Failed;
                (endpoint.trouble, endpoint.kind) = (Some(reason()), Some(kind));
            }
        });
    }

    /// Tells the readers, if something is changed.
    fn update(&self, change: impl FnOnce(&mut Vec<Endpoint>)) {
        self.0.send_if_modified(|endpoints| {
            let before = endpoints.clone();
            change(endpoints);
            *endpoints != before
        });
    }
}

fn leave(endpoints: &mut [Endpoint]) {
    for endpoint in endpoints {
        if endpoint.state == EndpointState::InUse {
            endpoint.state = EndpointState::Standby;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{EndpointState, Endpoints};
    use crate::trouble::Kind;

    const A: &str = "http://a";
    const B: &str = "http://b";

    fn endpoints() -> Endpoints {
        Endpoints::new(&[A.to_owned(), B.to_owned()])
    }

    fn states(endpoints: &Endpoints) -> Vec<(EndpointState, Option<String>)> {
        let receiver = endpoints.subscribe();
        let all = receiver.borrow();
        all.iter().map(|endpoint| (endpoint.state, endpoint.trouble.clone())).collect()
    }

    #[test]
    fn an_endpoint_that_answers_has_no_trouble_any_more() {
        let endpoints = endpoints();
        assert_eq!(endpoints.in_use(), None);
        endpoints.note_trouble(A, Kind::ConnectionRefused, || "start etcd".to_owned());
        endpoints.note_answer(1);
        assert_eq!(endpoints.in_use(), Some(1));
        let failed = (EndpointState::Failed, Some("start etcd".to_owned()));
        assert_eq!(states(&endpoints), [failed, (EndpointState::InUse, None)]);
        endpoints.note_left();
        endpoints.note_answer(0);
        let expected = [EndpointState::InUse, EndpointState::Standby];
        assert_eq!(states(&endpoints), expected.map(|state| (state, None)));
    }

    #[test]
    fn what_the_endpoint_in_use_refuses_is_no_failure_of_it() {
        let endpoints = endpoints();
        endpoints.note_answer(0);
        endpoints.note_trouble(A, Kind::PermissionDenied, || "grant it".to_owned());
        assert_eq!(states(&endpoints)[0], (EndpointState::InUse, None));
        endpoints.note_left();
        endpoints.note_trouble(A, Kind::Late, || "check its host".to_owned());
        assert_eq!(states(&endpoints)[0].0, EndpointState::Failed);
    }

    #[test]
    fn the_same_trouble_in_other_words_is_no_change() {
        let endpoints = endpoints();
        let mut receiver = endpoints.subscribe();
        endpoints.note_trouble(B, Kind::Late, || "no answer within 2 s".to_owned());
        assert!(receiver.has_changed().is_ok_and(|is_changed| is_changed));
        receiver.mark_unchanged();
        endpoints.note_trouble(B, Kind::Late, || "no answer within 4 s".to_owned());
        endpoints.note_trouble("http://c", Kind::Late, || "unknown".to_owned());
        assert!(receiver.has_changed().is_ok_and(|is_changed| !is_changed));
        endpoints.note_trouble(B, Kind::ConnectionRefused, || "start etcd".to_owned());
        assert!(receiver.has_changed().is_ok_and(|is_changed| is_changed));
    }
}
