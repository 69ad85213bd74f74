//! Programs that refuse to be root, or become somebody else then.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::unistd::{User, geteuid};

use crate::Result;

/// Who has no rights anywhere.
const NOBODY: &str = "nobody";

/// Has the command run in this folder, and as nobody where it would be root's, who is then the
/// folder's owner. Where this process runs, nobody may have no right to enter: Patroni's children
/// would fail.
pub(super) fn as_nobody(command: &mut Command, folder: &Path) -> Result<()> {
    command.current_dir(folder);
    if !geteuid().is_root() {
        return Ok(());
    }
    let nobody = User::from_name(NOBODY)?.ok_or("there is no user nobody")?;
    let (user, group) = (nobody.uid.as_raw(), nobody.gid.as_raw());
    chown(folder, Some(user), Some(group))?;
    command.uid(user).gid(group);
    Ok(())
}
