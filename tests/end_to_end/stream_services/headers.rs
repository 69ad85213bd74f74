//! The first and the last lines of the configurations.

use harness::*;

/// All of them.
const NAMES: [&str; 4] = ["dns.conf", "mqtt.conf", "postgres.conf", "tls.conf"];

#[test]
fn stream_configurations_say_how_they_are_started() -> Result<()> {
    for name in NAMES {
        let text = Configuration::shipped_text(&format!("stream/{name}"))?;
        // scripts/check-conf-headers.sh types it where it may.
        let command = format!("#     sudo /usr/sbin/nginx -c \"$PWD/nginx-conf/stream/{name}\"\n");
        assert!(text.contains(&command), "{name} does not say how it is started");
        assert!(text.contains("libnginx-mod-stream"), "{name} does not say what else it needs");
        let location = text.split("etcd_status;").nth(1).ok_or("no etcd_status")?;
        let rules: Vec<_> = location.lines().map(str::trim).filter(|it| !it.is_empty()).collect();
        assert_eq!(rules[..3], ["allow 127.0.0.1;", "allow ::1;", "deny all;"], "{name}");
    }
    Ok(())
}

#[test]
fn stream_configurations_are_all_tested() -> Result<()> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../nginx-conf/stream");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    assert_eq!(names, NAMES);
    Ok(())
}
