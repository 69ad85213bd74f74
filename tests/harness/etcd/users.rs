//! Users, roles, and that they are asked for.

use etcd_client::Permission;

use crate::{Etcd, Result};

/// The user that etcd wants to have before it asks for any.
const ROOT: &str = "root";
/// Its password.
const ROOT_PASSWORD: &str = "r00t";

impl Etcd {
    /// Has etcd ask for a user from now on; whoever has this value goes on as root.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn ask_for_users(&mut self) -> Result<()> {
        let mut auth = self.client()?.auth_client();
        auth.user_add(ROOT, ROOT_PASSWORD, None).await?;
        auth.user_grant_role(ROOT, ROOT).await?;
        auth.auth_enable().await?;
        self.user = Some((ROOT.to_owned(), ROOT_PASSWORD.to_owned()));
        self.connect().await
    }

    /// Asks for none any more.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn ask_for_no_users(&mut self) -> Result<()> {
        self.client()?.auth_client().auth_disable().await?;
        self.user = None;
        self.connect().await
    }

    /// Adds a user with a role of the same name, who may read what is below the prefix.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn add_user(&self, name: &str, password: &str, prefix: &str) -> Result<()> {
        let mut auth = self.client()?.auth_client();
        auth.user_add(name, password, None).await?;
        auth.role_add(name).await?;
        auth.user_grant_role(name, name).await?;
        self.grant_read(name, prefix).await
    }

    /// Lets a role read what is below the prefix.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn grant_read(&self, role: &str, prefix: &str) -> Result<()> {
        let permission = Permission::read(prefix).with_prefix();
        self.client()?.auth_client().role_grant_permission(role, permission).await?;
        Ok(())
    }

    /// Lets a role read and write what is below the prefix.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn grant_write(&self, role: &str, prefix: &str) -> Result<()> {
        let permission = Permission::read_write(prefix).with_prefix();
        self.client()?.auth_client().role_grant_permission(role, permission).await?;
        Ok(())
    }

    /// Takes a role from a user, or gives it back.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn set_role(&self, user: &str, role: &str, has: bool) -> Result<()> {
        let mut auth = self.client()?.auth_client();
        if has {
            auth.user_grant_role(user, role).await?;
        } else {
            auth.user_revoke_role(user, role).await?;
        }
        Ok(())
    }

    /// Gives a user another password.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn change_password(&self, user: &str, password: &str) -> Result<()> {
        self.client()?.auth_client().user_change_password(user, password).await?;
        Ok(())
    }
}
