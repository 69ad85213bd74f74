# shellcheck shell=bash
# Where the sources of nginx are that the crate nginx-src has in the version of Cargo.lock; to be
# sourced after common.sh.

# Sets `nginx_src` to their directory, and `nginx_src_version` to nginx's version.
find_nginx_src() {
    local crate
    crate=$(sed -n '/^name = "nginx-src"/{n;s/^version = "\(.*\)"/\1/p}' Cargo.lock)
    cargo fetch --locked --quiet
    nginx_src=$(find "${CARGO_HOME:-${HOME:-/root}/.cargo}/registry/src" -maxdepth 2 \
        -name "nginx-src-$crate" -type d | head -n 1)/nginx
    [ -d "$nginx_src" ] || fail "cargo has not brought the crate nginx-src $crate"
    # shellcheck disable=SC2034  # who sources this uses it
    nginx_src_version=${crate##*+}
}

# configure_nginx ARGUMENT...: in the working directory, a copy of these sources.
configure_nginx() {
    local configure=./configure
    [ -x "$configure" ] || configure=auto/configure
    "$configure" "$@" >configure.log 2>&1 ||
        fail "configure failed" "$(tail -n 5 configure.log)"
}
