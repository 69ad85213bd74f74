use super::{Profile, parse, plain};

/// As callgrind writes it, with fewer lines.
const TEXT: &str = "\
# callgrind format
version: 1
thread: 1

positions: line
events: Ir
summary: 1000

ob=(10) /usr/sbin/nginx
fl=(152) ???
fn=(1) ngx_palloc
0 20
cob=(3) /usr/lib/libc.so.6
cfi=(9) ./malloc/malloc.c
cfn=(2) posix_memalign
calls=2 5
0 300

fn=(4) ngx_process_events_and_timers
0 50
cfn=(5) ngx_time_update
calls=3 0
0 120
cob=(6) /build/module.so
cfn=(7) get
calls=1 0
0 430

fn=(5)
0 120

ob=(3)
fl=(9)
fn=(2)
4 100
cfn=(8) malloc
calls=2 +7
+1 200

fn=(8)
* 150
cfn=(8)
calls=1 1
0 50

ob=(6)
fn=(7)
1 40
fi=(11) inlined.rs
+3 60
fe=(12) other.rs
-2 30
cob=(3)
cfi=(9)
cfn=(13) free@@GLIBC_2.2.5
calls=4 9
0 300

totals: 1000
";

#[test]
fn costs_go_to_whom_they_belong() {
    let profile = parse(TEXT, "/build/module.so").expect("callgrind's format");
    let expected = Profile {
        total: 1000.0,
        clock: 120.0,
        heap: 600.0,
        tick: 0.0,
        alarms: 1.0,
        heap_calls: 6.0,
        change: 0.0,
        module: 130.0,
        calls_out: 4.0,
        creates_thread: false,
    };
    assert_eq!(profile, expected);
    assert_eq!(profile.steady(), 280.0);
}

#[test]
fn what_the_allocator_calls_itself_is_counted_once() {
    let text = TEXT.replace("fn=(2)\n4 100", "fn=(14) _mid_memalign.constprop.0\n4 100");
    assert_ne!(text, TEXT);
    let profile = parse(&text, "/build/module.so").expect("callgrind's format");
    assert_eq!((profile.heap, profile.heap_calls), (600.0, 6.0));
}

#[test]
fn a_tick_is_not_the_modules() {
    let text = TEXT.replace("cfn=(7) get", "cfn=(7) a::process::look");
    let profile = parse(&text, "/build/module.so").expect("callgrind's format");
    assert_eq!((profile.tick, profile.steady()), (430.0, -150.0));
}

#[test]
fn cost_of_a_change_includes_what_it_calls() {
    let text = TEXT.replace("cfn=(7) get", "cfn=(7) a::watcher::prefix::Prefix::publish");
    let profile = parse(&text, "/build/module.so").expect("callgrind's format");
    assert_eq!(profile.change, 430.0);
}

#[test]
fn a_new_thread_is_seen() {
    let text = TEXT.replace("cfn=(7) get", "cfn=(7) pthread_create@@GLIBC_2.34");
    assert!(parse(&text, "").expect("callgrind's format").creates_thread);
}

#[test]
fn what_is_no_output_is_an_error() {
    for text in ["", "version: 1\n", "fn=(1) a\n0 x\ntotals: 1\n", "totals: many\n", "0\n"] {
        assert!(parse(text, "").is_err(), "{text}");
    }
}

#[test]
fn names_are_known_with_versions_and_levels() {
    assert_eq!(plain("free@@GLIBC_2.2.5"), "free");
    assert_eq!(plain("_mid_memalign.constprop.0"), "_mid_memalign");
    assert_eq!(plain("malloc'2"), "malloc");
}
