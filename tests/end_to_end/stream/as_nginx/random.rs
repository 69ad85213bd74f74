//! `random` and `random two`.

use harness::*;

use super::dead;
use crate::stream::source::{Route, SOURCES, count, nodes_of};

#[tokio::test]
async fn random_takes_any_peer_that_is_well() -> Result<()> {
    let nodes = start_tcp_nodes(2).await?;
    let (a, b, dead) = (nodes[0].address(), nodes[1].address(), dead()?);
    for source in SOURCES {
        let mut routes = Vec::new();
        for (any, one, past, method) in [
            ("any", "one", "past", "random"),
            ("any_two", "one_two", "past_two", "random two"),
            ("any_least", "one_least", "past_least", "random two least_conn"),
        ] {
            routes.push(Route::new(any, method, [(&a, ""), (&b, "")]));
            routes.push(Route::new(one, method, [(&a, "")]));
            routes.push(Route::new(past, method, [(&dead, ""), (&dead, "down"), (&b, "")]));
        }
        let rig = source.start(&routes, "proxy_connect_timeout 2s;").await?;
        for name in ["any", "any_two", "any_least"] {
            // Once in ten million runs there is only one of both.
            let nodes = rig.ask(name, 24).await?;
            assert_eq!(count(&nodes).len(), 2, "{source:?}, {name}: {nodes:?}");
        }
        for name in ["one", "one_two", "one_least"] {
            assert_eq!(rig.ask(name, 2).await?, ["n0", "n0"], "{source:?}, {name}");
        }
        for name in ["past", "past_two", "past_least"] {
            assert_eq!(count(&rig.ask(name, 10).await?), [("n1", 10)].into(), "{source:?}, {name}");
        }
        rig.nginx.check_log()?;
    }
    Ok(())
}

#[tokio::test]
async fn random_two_takes_the_one_with_fewer_sessions() -> Result<()> {
    let nodes = start_tcp_nodes(2).await?;
    let (a, b) = (nodes[0].address(), nodes[1].address());
    for source in SOURCES {
        let routes = [
            Route::new("even", "random two", [(&a, ""), (&b, "")]),
            Route::new("heavy", "random two least_conn", [(&a, ""), (&b, "weight=2")]),
        ];
        let rig = source.start(&routes, "").await?;
        let held = rig.hold("even", 20).await?;
        assert_eq!(count(&nodes_of(&held)), [("n0", 10), ("n1", 10)].into(), "{source:?}");
        let held = rig.hold("heavy", 30).await?;
        assert_eq!(count(&nodes_of(&held)), [("n0", 10), ("n1", 20)].into(), "{source:?}");
        rig.nginx.check_log()?;
    }
    Ok(())
}
