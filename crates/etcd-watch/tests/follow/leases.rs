//! Whether leases live.

use etcd_watch::Tls;

use crate::etcd::{Etcd, free_port};
use crate::followed::{cluster, cluster_with};
use crate::users::{PASSWORD, Users};

#[tokio::test]
async fn granted_revoked_and_unknown() {
    let etcd = Etcd::start().await;
    let mut client = etcd.client().await;
    let cluster = cluster(&[etcd.url()]);
    let lease = client.lease_grant(600, None).await.expect("a lease").id();
    assert_eq!(cluster.is_lease_alive(lease).await, Ok(true));
    client.lease_revoke(lease).await.expect("a revocation");
    assert_eq!(cluster.is_lease_alive(lease).await, Ok(false));
    assert_eq!(cluster.is_lease_alive(1).await, Ok(false));
}

#[tokio::test]
async fn as_a_user() {
    let users = Users::start(&[]).await;
    let lease = users.root().await.lease_grant(600, None).await.expect("a lease").id();
    let login = users.login(PASSWORD);
    let cluster = cluster_with(&[users.etcd.url()], Tls::default(), Some(login));
    assert_eq!(cluster.is_lease_alive(lease).await, Ok(true));
}

#[tokio::test]
async fn without_an_answer_it_fails() {
    let nobody = cluster(&[format!("http://127.0.0.1:{}", free_port())]);
    assert!(nobody.is_lease_alive(1).await.is_err());
}
