//! Values and networks from etcd: `etcd_variable`, `etcd_geo`, and who uses their variables.

use harness::*;

use super::{CLUSTER, Refused, at_top, in_upstream};

pub(super) fn table() -> Vec<Refused> {
    vec![
        at_top("etcd_variable;", &["etcd_variable", "arguments"]),
        at_top("etcd_variable $a main;", &["arguments", "etcd_variable $name cluster key"]),
        at_top("etcd_variable $a nobody /a;", &["etcd_variable", "nobody", "unknown cluster"]),
        at_top("etcd_variable a main /a;", &["etcd_variable", "\"a\"", "dollar"]),
        at_top("etcd_variable $ main /a;", &["etcd_variable", "\"$\"", "dollar"]),
        at_top("etcd_variable $a-b main /a;", &["etcd_variable", "$a-b"]),
        at_top("etcd_variable $a main \"\";", &["etcd_variable", "key"]),
        at_top("etcd_variable $a main \"/a\n\";", &["etcd_variable", "key", "control"]),
        at_top("etcd_variable $a main /a other=1;", &["etcd_variable", "other=1"]),
        at_top(
            "etcd_variable $a main /a default=1 default=2;",
            &["etcd_variable", "default", "duplicate"],
        ),
        at_top(
            "etcd_variable $a main /a; etcd_variable $A main /b;",
            &["etcd_variable", "$A", "duplicate"],
        ),
        at_top("etcd_variable $uri main /a;", &["duplicate", "uri"]),
        in_upstream("etcd_variable $a main /a;", &["etcd_variable", "not allowed"]),
        at_top(
            "etcd_variable $a main /a type=size;",
            &["etcd_variable", "\"size\"", "number", "time"],
        ),
        at_top(
            "etcd_variable $a main /a type=time default=s;",
            &["etcd_variable", "\"s\" of \"default\"", "time"],
        ),
        at_top(
            "etcd_variable $a main /a type=time initial=91d;",
            &["etcd_variable", "\"91d\" of \"initial\"", "time"],
        ),
        at_top(
            "etcd_variable $a main /a type=number default=many;",
            &["etcd_variable", "\"many\" of \"default\"", "number"],
        ),
        at_top(
            "etcd_variable $a main /a type=number initial=-1;",
            &["etcd_variable", "\"-1\" of \"initial\"", "number"],
        ),
        at_top(
            "etcd_variable $a main /a initial=1 initial=2;",
            &["etcd_variable", "initial", "duplicate"],
        ),
        at_top(
            &format!("{CLUSTER} etcd_variable $a main /a; etcd_variable $b main /a type=number;"),
            &["\"/a\"", "conflicting type \"number\""],
        ),
        at_top("etcd_geo $a main;", &["etcd_geo", "prefix"]),
        at_top("etcd_geo $a nobody /a/;", &["etcd_geo", "nobody", "unknown cluster"]),
        at_top("etcd_geo a main /a/;", &["etcd_geo", "\"a\"", "dollar"]),
        at_top("etcd_geo $a main /;", &["etcd_geo", "prefix \"/\"", "longer than"]),
        at_top("etcd_geo $a main /a/ empty=yes;", &["etcd_geo", "\"yes\" of \"empty\""]),
        at_top("etcd_geo $a main /a/ empty=1 empty=0;", &["etcd_geo", "empty=0", "duplicate"]),
        at_top(
            "etcd_geo $a main /a/ initial=10.0.0.0/33;",
            &["etcd_geo", "10.0.0.0/33", "network"],
        ),
        at_top("etcd_geo $a main /a/ zone=1k;", &["etcd_geo", "zone", "64k"]),
        at_top("etcd_geo $a main /a/ origin=9;", &["etcd_geo", "\"9\" of \"origin\"", "revision"]),
        at_top(
            "etcd_geo $a main /a/ origin=9:1 origin=9:2;",
            &["etcd_geo", "origin=9:2", "duplicate"],
        ),
        at_top(
            "etcd_geo $a main /a/ initial_file=/no/such/file;",
            &["initial_file", "/no/such/file"],
        ),
        at_top("etcd_geo $a main /a/; etcd_geo $A main /b/;", &["etcd_geo", "$A", "duplicate"]),
        at_top("etcd_variable $a main /a; etcd_geo $a main /b/;", &["etcd_geo", "$a", "duplicate"]),
        at_top("etcd_geo $remote_addr main /a/;", &["duplicate", "remote_addr"]),
        in_upstream(
            "etcd main /a/; etcd_defaults max_conns=$a;",
            &["max_conns=$a", "etcd_variable $a", "type=number"],
        ),
        Refused {
            http: format!(
                "{CLUSTER} etcd_variable $a main /a; upstream {UPSTREAM} {{ etcd main /a/; \
                 etcd_defaults max_conns=$a; }}"
            ),
            words: &["max_conns=$a", "type=number"],
        },
        in_upstream(
            "etcd main /a/; etcd_drain timeout=$a;",
            &["timeout=$a", "etcd_variable $a", "type=time", "etcd_drain"],
        ),
        Refused {
            http: format!(
                "{CLUSTER} etcd_variable $a main /a type=number; upstream {UPSTREAM} {{ etcd main \
                 /a/; etcd_drain spread=$a; }}"
            ),
            words: &["spread=$a", "type=time"],
        },
        at_top("etcd_map $host $a main;", &["etcd_map", "arguments", "source $name cluster"]),
        at_top("etcd_map $host a main /a/;", &["etcd_map", "\"a\"", "dollar"]),
        at_top("etcd_map $host $a nobody /a/;", &["etcd_map", "nobody", "unknown cluster"]),
        at_top("etcd_map $host $a main /;", &["etcd_map", "prefix \"/\""]),
        at_top("etcd_map $ $a main /a/;", &["etcd_map", "source \"$\"", "variables"]),
        at_top("etcd_map $host $a main /a/ split=${b;", &["etcd_map", "\"split\"", "variables"]),
        at_top("etcd_map $host $a main /a/ default=$b;", &["etcd_map", "\"$b\" of \"default\""]),
        at_top("etcd_map $host $a main /a/ zone=1k;", &["etcd_map", "zone", "64k"]),
        at_top("etcd_map $host $a main /a/ max_length=2m;", &["etcd_map", "max_length", "1m"]),
        at_top(
            "etcd_map $host $a main /a/ max_length=1m;",
            &["etcd_map", "max_length", "it must be smaller, or \"zone\" at least 2m"],
        ),
        at_top("etcd_map $host $a main /a/ split=;", &["etcd_map", "split", "not empty"]),
        at_top("etcd_map $host $a main /a/ max_length=0;", &["etcd_map", "max_length", "1m"]),
        at_top("etcd_map $host $a main /a/ hostnames=on;", &["etcd_map", "hostnames=on"]),
        at_top("etcd_map $host $a main /a/ secret secret;", &["etcd_map", "duplicate", "secret"]),
        at_top("etcd_map $host $uri main /a/;", &["etcd_map", "duplicate", "$uri"]),
        at_top(
            "etcd_map $host $a main /a/; etcd_map $uri $A main /b/;",
            &["etcd_map", "$A", "duplicate", "other parameters"],
        ),
        at_top(
            "etcd_geo $a main /a/; etcd_map $uri $a main /b/;",
            &["etcd_map", "$a", "duplicate", "another directive"],
        ),
        at_top(
            "etcd_map $host $a main /a/; etcd_map $host $b main /a/ zone=2m;",
            &["etcd_map", "conflicting \"zone\"", "1048576 bytes"],
        ),
        at_top(
            "etcd_map $host $a main /a/; etcd_map $host $b main /a/ max_length=8k;",
            &["etcd_map", "conflicting \"max_length\"", "4096 bytes"],
        ),
        at_top(
            "etcd_map $host $a main /a/ secret state=/tmp/a;",
            &["\"state\" cannot be used with \"secret\"", "etcd_map"],
        ),
        at_top(
            "etcd_map $host $a main /a/ state=/nowhere/a;",
            &["\"/nowhere\" of \"state\" in \"etcd_map\"", "No such file or directory"],
        ),
        at_top(
            "etcd_map $host $a main /a/ state=/tmp/a; etcd_map $host $b main /a/ state=/tmp/b;",
            &["etcd_map", "conflicting \"state\" of prefix \"/a/\"", "it is \"/tmp/a\""],
        ),
        at_top(
            "etcd_map $host $a main /a/ state=/tmp/a; etcd_map $host $b main /b/ state=/tmp/a;",
            &["etcd_map", "\"/tmp/a\" of \"state\"", "already used by variable \"$a\""],
        ),
        at_top(
            "etcd_map $host $a main /a/ state=/tmp/a; etcd_map $host $b main /a/ split=$uri \
             state=/tmp/a;",
            &["etcd_map", "\"/tmp/a\" of \"state\"", "already used by variable \"$a\""],
        ),
        Refused {
            http: format!(
                "{CLUSTER} etcd_map $host $a main /a/ state=/tmp/a; upstream {UPSTREAM} {{ etcd \
                 main /a/ state=/tmp/a; }}"
            ),
            words: &["\"/tmp/a\" of \"state\" in \"etcd\"", "used by variable \"$a\""],
        },
        Refused {
            http: format!(
                "{CLUSTER} upstream {UPSTREAM} {{ etcd main /a/ state=/tmp/a; }} etcd_map $host $a \
                 main /a/ state=/tmp/a;"
            ),
            words: &["\"/tmp/a\" of \"state\" in \"etcd_map\"", "used by upstream"],
        },
        in_upstream("etcd_map $host $a main /a/;", &["etcd_map", "not allowed"]),
        at_top("etcd_geo $a main /a//;", &["etcd_geo", "prefix", "\"/a//\""]),
    ]
}
