//! Logging in.

use std::time::Duration;

use etcd_client::{Client, Error};

use crate::cluster::Login;
use crate::files::{Files, SMALL, file_trouble, read};
use crate::listening_time::listening_timeout;
use crate::setting_names::SettingNames;
use crate::trouble::{Kind, Trouble};
use crate::update::Cause;

/// Logs in with the password that the file has now; the client and all its clones send the token
/// from then on.
///
/// An etcd without authentication is no trouble: it asks for a token as soon as it is enabled
/// there.
pub(crate) async fn log_in(
    client: &mut Client,
    login: &Login,
    names: &SettingNames,
    files: &dyn Files,
    deadline: Duration,
) -> Result<(), Trouble> {
    let content = read(files, names, names.password_file, &login.password_file, SMALL).await?;
    let password = password(content)
        .map_err(|what| file_trouble(names.password_file, &login.password_file, what))?;
    match listening_timeout(deadline, client.update_user(Some((login.user.clone(), password))))
        .await
    {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) if Kind::of(&error) == Kind::NoAuthentication => {
            // Nothing is sent for this.
            client.update_user(None).await.map_err(|error| trouble(&error))
        }
        Ok(Err(error)) => Err(trouble(&error)),
        Err(_) => Err(Trouble::late(Cause::Unreachable, "login", deadline)),
    }
}

fn trouble(error: &Error) -> Trouble {
    Trouble::call("login", error, Cause::Unreachable)
}

/// The password in the file: all of it but one line break at its end.
fn password(mut content: Vec<u8>) -> Result<String, &'static str> {
    if content.ends_with(b"\n") {
        content.pop();
        content.pop_if(|byte| *byte == b'\r');
    }
    if content.is_empty() {
        return Err("contains no password: write the password to the file");
    }
    // The error would have the content in it.
    String::from_utf8(content)
        .map_err(|_| "is not valid UTF-8: write the password to the file as text")
}

#[cfg(test)]
mod tests {
    use super::password;

    #[test]
    fn one_line_break_is_no_part_of_the_password() {
        for (content, expected) in [
            ("secret", "secret"),
            ("secret\n", "secret"),
            ("secret\r\n", "secret"),
            ("secret\n\n", "secret\n"),
            ("secret \n", "secret "),
            (" \r", " \r"),
            ("a\nb", "a\nb"),
        ] {
            assert_eq!(password(content.into()).as_deref(), Ok(expected));
        }
        for content in [b"".as_slice(), b"\n", b"\r\n", b"\xff\xfe"] {
            assert!(password(content.into()).is_err());
        }
    }
}
