# shellcheck shell=bash
# What several scripts share; to be sourced. Leaves the shell in the project's directory.

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$project" || exit 1

# Debian keeps nginx in a directory that is not in an ordinary user's PATH.
PATH=$PATH:/usr/local/sbin:/usr/sbin

say() { printf '%s\n' "$*"; }

fail() {
    printf 'error: %s\n' "$1" >&2
    shift
    [ $# -eq 0 ] || printf '       %s\n' "$@" >&2
    exit 1
}

# wait_until SECONDS COMMAND...: runs the command until it succeeds; fails when the time is up.
wait_until() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.1
    done
}

# Whether this process runs; one that has ended but was not waited for does not.
is_alive() { grep -qs '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$1/status"; }
is_gone() { ! is_alive "$1"; }

# Whether something listens on this port of the loopback interface.
port_is_taken() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# Puts a 0 in place of each number: those of ports, processes and times are others each time.
numberless() { sed -E -e 's/\r$//; s/[0-9]+(\.[0-9]+)*/0/g' -e 's/\b0(m|µ)s\b/0s/g'; }

# Only some toolchains come with a sanitizer's runtime; Debian's has none.
has_sanitizer() {
    local libraries
    libraries=$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/lib
    compgen -G "$libraries/librustc*_rt.${1:0:1}san.a" >/dev/null
}

# How many tests run side by side: most of them wait for most of their time. At least as many as
# the places that one may ask for in .config/nextest.toml.
test_threads() {
    local threads=${TEST_THREADS:-$((4 * $(nproc)))}
    [ "$threads" -ge 3 ] || threads=3
    echo "$threads"
}
