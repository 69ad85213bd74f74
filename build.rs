//! Turns the version and the features of the nginx that is built against into cfgs, so that what
//! differs between versions can be told apart where it is used; and compiles the accessors of
//! `src/http/accessors.h`, for bits that have to be as the C compiler has them; and binds the types
//! of nginx's stream.

use std::{
    env,
    path::{Path, PathBuf},
};

/// Versions of nginx from which on something that the module uses is different:
/// `major * 1_000_000 + minor * 1_000 + patch`.
const VERSIONS: &[(&str, u64)] = &[
    // `server NAME resolve` leaves a server without addresses, and its name in `host`.
    ("nginx1_27_3", 1_027_003),
    // `sticky`, and with it `route` and `drain` of a `server`, and `hint` and `sid` between it and
    // a balancer.
    ("nginx1_29_6", 1_029_006),
    // Connections to peers are kept where nothing is said (https://nginx.org/en/CHANGES).
    ("nginx1_29_7", 1_029_007),
    // `sndbuf` of `ngx_peer_connection_t` (`proxy_socket_sndbuf`).
    ("nginx1_31_3", 1_031_003),
];

/// The newest nginx that the tests have run with (docs/reference/versions.json).
const NEWEST_TESTED: &str = "1.31.5";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=DEP_NGINX_FEATURES");
    println!("cargo::rerun-if-env-changed=DEP_NGINX_VERSION_NUMBER");

    let features_check =
        env::var("DEP_NGINX_FEATURES_CHECK").expect("nginx-sys says which features it knows");
    println!("cargo::rustc-check-cfg=cfg(ngx_feature, values({features_check}))");
    let features =
        env::var("DEP_NGINX_FEATURES").expect("nginx-sys says which features nginx was built with");
    for feature in features.split(',').map(str::trim).filter(|feature| !feature.is_empty()) {
        println!("cargo::rustc-cfg=ngx_feature=\"{feature}\"");
    }

    let version: u64 = env::var("DEP_NGINX_VERSION_NUMBER")
        .expect("nginx-sys says which nginx it is")
        .trim()
        .parse()
        .expect("nginx's version is a number");
    for (name, since) in VERSIONS {
        println!("cargo::rustc-check-cfg=cfg({name})");
        if version >= *since {
            println!("cargo::rustc-cfg={name}");
        }
    }

    warn_of_untested(version);
    let include = env::var("DEP_NGINX_INCLUDE").expect("nginx-sys says where nginx's headers are");
    let include: Vec<PathBuf> = env::split_paths(&include).collect();
    compile_accessors(&include);
    bind_stream(&include);
}

/// Says so if this nginx is newer than any that was tested; the module is built all the same.
fn warn_of_untested(version: u64) {
    let number = |text: &str| text.parse::<u64>().expect("a number");
    let newest = NEWEST_TESTED.split('.').fold(0, |sum, part| sum * 1_000 + number(part));
    if version > newest {
        let (major, minor, patch) = (version / 1_000_000, version / 1_000 % 1_000, version % 1_000);
        println!(
            "cargo::warning=nginx {major}.{minor}.{patch} is newer than any that the module was \
             tested with, up to {NEWEST_TESTED}"
        );
    }
}

/// Where the accessors are declared.
const ACCESSORS: &str = "src/http/accessors.h";

/// Has the C compiler compile the accessors, and bindgen bind them: nginx's own types are those of
/// nginx-sys.
fn compile_accessors(include: &[PathBuf]) {
    println!("cargo::rerun-if-changed={ACCESSORS}");
    let defines = defines();
    let out = out();

    let bindings = binder(ACCESSORS, include)
        .allowlist_function("ngx_etcd_.*")
        .blocklist_function("ngx_etcd_set_timer")
        .wrap_static_fns(true)
        .wrap_static_fns_path(out.join("accessors"))
        .generate()
        .expect("the accessors can be bound");
    bindings.write_to_file(out.join("accessors.rs")).expect("OUT_DIR can be written to");

    let mut compiler = cc::Build::new();
    compiler.file(out.join("accessors.c")).include(Path::new(".")).includes(include);
    for define in &defines {
        compiler.flag(define);
    }
    // nginx's headers have parameters that nobody uses.
    compiler.flag_if_supported("-Wno-unused-parameter").compile("ngx_etcd_accessors");
}

/// What is bound of stream.
const STREAM: &str = "src/nginx/stream.h";

/// Has bindgen bind the types of nginx's stream, and sets the cfg `stream`, if there are its
/// headers; the functions are looked up while nginx runs (`src/nginx/stream.rs`).
fn bind_stream(include: &[PathBuf]) {
    println!("cargo::rerun-if-changed={STREAM}");
    println!("cargo::rustc-check-cfg=cfg(stream)");
    // Beside those of HTTP, which are always there.
    let is_of_http = |folder: &&PathBuf| folder.join("ngx_http.h").exists();
    let beside = include.iter().find(is_of_http).and_then(|http| http.parent());
    let Some(folder) = beside.map(|parent| parent.join("stream")) else { return };
    if !folder.join("ngx_stream.h").exists() {
        return;
    }
    println!("cargo::rustc-cfg=stream");
    let mut include = include.to_vec();
    include.push(folder);
    let bindings = binder(STREAM, &include)
        .allowlist_type("ngx_stream_.*")
        .allowlist_var("NGX_STREAM_.*")
        .derive_debug(false)
        .layout_tests(true)
        .generate()
        .expect("stream can be bound");
    bindings.write_to_file(out().join("stream.rs")).expect("OUT_DIR can be written to");
}

/// What binds a header, without nginx's own types, which are those of nginx-sys.
fn binder(header: &str, include: &[PathBuf]) -> bindgen::Builder {
    bindgen::Builder::default()
        .header(header)
        .clang_args(include.iter().map(|folder| format!("-I{}", folder.display())))
        .clang_args(defines())
        .allowlist_recursively(false)
        .use_core()
}

fn out() -> PathBuf {
    PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"))
}

/// The defines that nginx is compiled with, as flags of a compiler. nginx-sys 0.5.0 gives them as
/// the value of a key "metadata", `cflags=…`, since it begins that line with "cargo:", and not with
/// "cargo::".
fn defines() -> Vec<String> {
    let given = env::var("DEP_NGINX_CFLAGS").ok();
    let misnamed =
        || Some(env::var("DEP_NGINX_METADATA").ok()?.strip_prefix("cflags=")?.to_owned());
    let flags = given.or_else(misnamed).expect("nginx-sys gives the defines of nginx");
    flags.split_whitespace().map(str::to_owned).collect()
}
