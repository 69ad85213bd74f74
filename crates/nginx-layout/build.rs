//! Compiles what the C compiler makes of `c/structures.h`, and writes what Rust makes of it beside.

use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// What Rust's name of a field differs in, since C's is a keyword of Rust's.
const KEYWORDS: &[&str] = &["type"];

fn main() {
    println!("cargo::rerun-if-changed=c");
    println!("cargo::rerun-if-env-changed=DEP_NGINX_INCLUDE");
    let metadata = |name: &str| {
        env::var(format!("DEP_NGINX_{name}"))
            .unwrap_or_else(|_| panic!("nginx-sys gives no {name}"))
    };

    let mut compiler = cc::Build::new();
    compiler.file("c/layout.c").include("c").includes(env::split_paths(&metadata("INCLUDE")));
    for define in defines().split_whitespace() {
        compiler.flag(define);
    }
    // nginx's headers have parameters that nobody uses.
    compiler.flag_if_supported("-Wno-unused-parameter").compile("nginx_layout");

    println!("cargo::rustc-env=NGINX_INCLUDE={}", metadata("INCLUDE"));

    let version = metadata("VERSION_NUMBER").trim().parse().expect("nginx's version is a number");
    let has_tls = metadata("FEATURES").split(',').any(|feature| feature.trim() == "http_ssl");
    let header = fs::read_to_string("c/structures.h").expect("c/structures.h can be read");
    let all = entries(&header, u64::MAX, true);
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    write_tables(&out.join("tables.rs"), &entries(&header, version, has_tls), &all);
}

/// The defines that nginx is compiled with. nginx-sys 0.5.0 gives them as the value of a key
/// "metadata", `cflags=…`, since it begins that line with "cargo:", and not with "cargo::".
fn defines() -> String {
    let given = env::var("DEP_NGINX_CFLAGS").ok();
    let misnamed =
        || Some(env::var("DEP_NGINX_METADATA").ok()?.strip_prefix("cflags=")?.to_owned());
    given.or_else(misnamed).expect("nginx-sys gives the defines of nginx")
}

/// The lines of the header that hold for this nginx.
fn entries(header: &str, version: u64, has_tls: bool) -> Vec<String> {
    let mut entries = Vec::new();
    let mut holds = true;
    for line in header.lines().map(str::trim) {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["#if", "nginx_version", ">=", since] => {
                holds = version >= since.parse().expect("a number behind \">=\"");
            }
            ["#if", "NGX_HTTP_SSL"] => holds = has_tls,
            ["#endif"] => holds = true,
            [first, ..] if first.starts_with('#') => panic!("c/structures.h has \"{line}\""),
            _ if holds && line.ends_with(')') => entries.push(line.to_owned()),
            _ => {}
        }
    }
    entries
}

/// `all`: the entries for any nginx.
fn write_tables(file: &Path, entries: &[String], all: &[String]) {
    let [mut sizes, mut fields, mut bits] = [const { String::new() }; 3];
    for entry in entries {
        let (kind, arguments) = entry.split_once('(').expect("an entry has arguments");
        let arguments = arguments.trim_end_matches(')');
        let (r#type, name) = arguments.split_once(", ").unwrap_or((arguments, ""));
        let rust_name = if KEYWORDS.contains(&name) { format!("{name}_") } else { name.to_owned() };
        let written = match kind {
            "STRUCT" => writeln!(sizes, "    (\"{type}\", size_of::<nginx_sys::{type}>()),"),
            "FIELD" => writeln!(
                fields,
                "    (\"{type}.{name}\", offset_of!(nginx_sys::{type}, {rust_name}), \
                 size_of_field(|it: &nginx_sys::{type}| &it.{rust_name}), \
                 || type_of_field(|it: &nginx_sys::{type}| &it.{rust_name})),"
            ),
            "BIT" => writeln!(
                bits,
                "    (\"{type}.{name}\", |set| reads_back::<nginx_sys::{type}>(set, \
                 |it| it.{rust_name}().into(), |it| it.set_{rust_name}(0))),"
            ),
            _ => panic!("c/structures.h has \"{entry}\""),
        };
        written.expect("a string takes everything");
    }
    let all: String = all.iter().map(|entry| format!("    \"{entry}\",\n")).collect();
    let text = format!(
        "/// All entries of `c/structures.h`, also those for other versions of nginx.\n\
         pub static ALL: &[&str] = &[\n{all}];\n\
         /// Types, and their sizes.\n\
         pub static SIZES: &[(&str, usize)] = &[\n{sizes}];\n\
         /// Fields.\n\
         pub static FIELDS: &[Field] = &[\n{fields}];\n\
         /// Bit-fields.\n\
         pub static BITS: &[Bits] = &[\n{bits}];\n"
    );
    fs::write(file, text).expect("OUT_DIR can be written to");
}
