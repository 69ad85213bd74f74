//! What is wrong with the command line, or with what it names, and how the program ends then.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use harness::*;
use nix::sys::signal::Signal;
use nix::unistd::{Uid, chown, geteuid};

/// Who has a folder can replace nginx's configuration in it.
#[tokio::test]
async fn run_folder_made_by_another_user_is_not_used() -> Result<()> {
    if !geteuid().is_root() {
        println!("skipped: only root can have other files in the place of /tmp and /run");
        return Ok(());
    }
    let (etcd, folder) = (Etcd::start().await?, Folder::new("run-folders")?);
    let tmp = folder.path().join("tmp");
    let planted = tmp.join("firehose-router");
    std::fs::create_dir_all(&planted)?;
    std::fs::set_permissions(&tmp, Permissions::from_mode(0o1777))?;
    std::fs::set_permissions(&planted, Permissions::from_mode(0o777))?;
    chown(&planted, Some(Uid::from_raw(65_534)), None)?;
    let script = "mount --bind /run /run && mount -o remount,ro,bind /run && mount -t tmpfs none \
                  /dev/shm && mount --bind \"$1\" /tmp && shift && exec \"$@\"";
    let shown = tmp.display().to_string();
    let (module, listen) = (etcd_module()?, format!("127.0.0.1:{}", free_port()?));
    // The name of the next folder is known, too: another user may have made that one as well.
    let name = tmp.join("firehose-router-0");
    for is_next_planted in [false, true] {
        if is_next_planted {
            std::fs::remove_dir_all(&name)?;
            std::os::unix::fs::symlink(&planted, &name)?;
        }
        let mut program = Program::start_by(
            &["unshare", "--mount", "sh", "-c", script, "sh", &shown],
            &["serve", "--listen", &listen, "--state-dir", "/tmp/state", "--module", &module],
            &[("ETCD_ENDPOINTS", &etcd.url())],
        )?;
        program.wait_for_log("nginx is running").await?;
        assert!(std::fs::read_dir(&planted)?.next().is_none(), "{}", program.log());
        assert_eq!(name.join("nginx.conf").exists(), !is_next_planted, "{}", program.log());
        program.signal(Signal::SIGTERM)?;
        assert_eq!(program.ended(SOON).await?, 0, "{}", program.log());
    }
    Ok(())
}

#[tokio::test]
async fn errors_name_the_flag_or_file() -> Result<()> {
    let etcd = Etcd::start().await?;
    let router = Served::start(&etcd.url(), &[]).await?;
    let taken = router.folder().join("run").display().to_string();
    let folder = Folder::new("mistakes")?;
    let file = folder.write("file", "x")?.display().to_string();
    let template = folder.write("template", "{{ no_such_thing }}")?.display().to_string();
    let run = folder.path().join("run").display().to_string();
    let module = etcd_module()?;
    for (arguments, words) in [
        (&["--listen", "http"][..], &["--listen", "65535"][..]),
        (&["--listen", "1.2.3:80"], &["--listen", "10.0.0.1"]),
        (&["--zone-size", "much"], &["--zone-size", "4m"]),
        (&["--stop-timeout", "soon"], &["--stop-timeout"]),
        (&["--nginx", "/no/such/nginx"], &["/no/such/nginx"]),
        (&["--module", "/no/such/module.so"], &["/no/such/module.so", "--module"]),
        (&["--module", &module, "--run-dir", &taken], &["--run-dir", &taken]),
        (&["--module", &module, "--run-dir", &file], &["--run-dir", &file]),
        (&["--module", &module, "--run-dir", "/tmp/a;b"], &["/tmp/a;b"]),
        (
            &["--module", &module, "--run-dir", &run, "--template", &template],
            &["template", "undefined"],
        ),
        (
            &["--module", &module, "--run-dir", &run, "--template", "/no/such/template"],
            &["--template", "/no/such/template"],
        ),
        (&["--module", &module, "--run-dir", &run, "--etcd-endpoints", "ftp://x"], &["ftp://x"]),
    ] {
        let arguments = [&["serve", "--listen", "127.0.0.1:1"], arguments].concat();
        // Of a flag that is given twice clap wants only one.
        let arguments: Vec<&str> = if arguments[3..].contains(&"--listen") {
            [&["serve"], &arguments[3..]].concat()
        } else {
            arguments
        };
        let state = folder.path().join("state").display().to_string();
        let url = etcd.url();
        let mut variables = vec![("FIREHOSE_STATE_DIR", state.as_str())];
        if !arguments.contains(&"--etcd-endpoints") {
            variables.push(("ETCD_ENDPOINTS", &url));
        }
        let mut program = Program::start(&arguments, &variables)?;
        let code = program.ended(SOON).await?;
        let said = program.log();
        assert!(code == 1 || code == 2, "{arguments:?}: {code} {said}");
        for word in words {
            assert!(said.contains(word), "{word} in {said}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn taken_port_ends_serve_with_nginxs_error() -> Result<()> {
    let etcd = Etcd::start().await?;
    let router = Served::start(&etcd.url(), &[]).await?;
    let folder = Folder::new("second")?;
    let (run, state) = (
        folder.path().join("run").display().to_string(),
        folder.path().join("state").display().to_string(),
    );
    let module = etcd_module()?;
    let address = router.address();
    let arguments = [
        "serve",
        "--listen",
        &address,
        "--run-dir",
        &run,
        "--state-dir",
        &state,
        "--module",
        &module,
    ];
    let mut program = Program::start(&arguments, &[("ETCD_ENDPOINTS", &etcd.url())])?;
    assert_eq!(program.ended(SOON).await?, 1);
    assert!(program.log().contains("Address already in use"), "{}", program.log());
    assert!(!program.log().contains("nginx is running"), "{}", program.log());
    Ok(())
}
