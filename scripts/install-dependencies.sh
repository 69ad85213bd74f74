#!/usr/bin/env bash
# Installs what is missing to build and run (argument `run`, the default), or also to test (`test`)
# or to make packages (`package`), from Debian's packages. Starts no service. With --list behind
# that it prints the packages, those of Rust left out, and with --missing those that it would
# install, and installs nothing.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

purpose=${1:-run}
# Cargo.toml's rust-version.
needed_minor=88

# What has to be there: programs, with the package that brings each where it is not there, and
# packages.
declare -A package_of=(
    [make]=make
    [gcc]=gcc
    [curl]=curl
    [nginx]=nginx
    [protoc]=protobuf-compiler
    [etcd]=etcd-server
    [etcdctl]=etcd-client
)
packages=(libc6-dev ca-certificates libclang-dev libprotobuf-dev)
# Debian's headers belong to Debian's nginx: who names another nginx brings its headers too.
if [ -z "${NGINX_BUILD_DIR:-}${NGINX_SOURCE_DIR:-}" ]; then
    packages+=(nginx-dev)
fi
case $purpose in
run) ;;
test)
    package_of[valgrind]=valgrind
    package_of[shellcheck]=shellcheck
    # For the page of etcd_status.
    package_of[chromium]=chromium
    package_of[systemd-analyze]=systemd
    # libFuzzer is C++.
    package_of[c++]=g++
    # promtool comes with Prometheus.
    package_of[promtool]=prometheus
    # The units name it by its path.
    package_of[/bin/kill]=procps
    # A peer that answers lines.
    package_of[redis-server]=redis-server
    # A node of TCP that nobody here wrote.
    package_of[socat]=socat
    # What the configurations of nginx-conf/stream/ lead to.
    package_of[mosquitto]=mosquitto
    package_of[mosquitto_sub]=mosquitto-clients
    package_of[nsd]=nsd
    package_of[patroni]=patroni
    # Patroni on Debian 13 can do without the last one, and then knows no etcd.
    packages+=(postgresql python3-etcd)
    # nginx's own stream module, for Debian's nginx.
    if [ -z "${NGINX_BUILD_DIR:-}${NGINX_SOURCE_DIR:-}" ]; then
        packages+=(libnginx-mod-stream)
    fi
    ;;
package)
    package_of[dh]=debhelper
    package_of[dpkg-buildpackage]=dpkg-dev
    ;;
*) fail "usage: $0 [run|test|package] [--list|--missing]" ;;
esac
if [ "${2:-}" = --list ]; then
    printf '%s\n' "${package_of[@]}" "${packages[@]}" | sort
    exit 0
fi

rust_is_recent() {
    local minor
    command -v cargo >/dev/null || return 1
    minor=$(rustc --version 2>/dev/null | sed -n 's/^rustc 1\.\([0-9]*\)\..*/\1/p')
    [ -n "$minor" ] && [ "$minor" -ge "$needed_minor" ]
}

is_installed() {
    dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null |
        grep -x installed >/dev/null
}

# Whether Debian's package of this name is recent enough.
has_candidate() {
    local version
    version=$(apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: 1\.\([0-9]*\)\..*/\1/p')
    [ -n "$version" ] && [ "$version" -ge "$needed_minor" ]
}

if ! command -v apt-get >/dev/null; then
    fail "this is not a Debian: nothing can be installed here" \
        "docs/how-to/build.md says what is needed, and how to build elsewhere"
fi

missing=()
for program in "${!package_of[@]}"; do
    command -v "$program" >/dev/null || missing+=("${package_of[$program]}")
done
for package in "${packages[@]}"; do
    is_installed "$package" || missing+=("$package")
done

rust_missing=()
if rust_is_recent; then
    if [ "$purpose" = test ]; then
        cargo fmt --version >/dev/null 2>&1 || rust_missing+=(rustfmt-web)
        cargo clippy --version >/dev/null 2>&1 || rust_missing+=(rust-web-clippy)
    fi
elif command -v rustup >/dev/null; then
    have=$(rustc --version 2>/dev/null || echo none)
    fail "Rust 1.$needed_minor or newer is needed; this is $have" \
        "'rustup update stable && rustup default stable' brings it"
else
    rust_missing+=(rustc-web cargo-web)
    [ "$purpose" = run ] || rust_missing+=(rustfmt-web rust-web-clippy)
fi
# A toolchain of rustup's own has its parts from there.
if [ ${#rust_missing[@]} -gt 0 ] && command -v rustup >/dev/null; then
    say "== adding rustfmt and clippy to rustup's toolchain"
    rustup component add rustfmt clippy
    rust_missing=()
fi

if [ "${2:-}" = --missing ]; then
    [ ${#missing[@]} -eq 0 ] || printf '%s\n' "${missing[@]}"
    [ ${#rust_missing[@]} -eq 0 ] || printf '%s\n' "${rust_missing[@]}"
    exit 0
fi
if [ ${#missing[@]} -eq 0 ] && [ ${#rust_missing[@]} -eq 0 ]; then
    exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
        fail "these packages are missing: ${missing[*]} ${rust_missing[*]}" \
            "install them as root, or install sudo, and run the same command again"
    as_root=(sudo)
fi

say "== installing ${missing[*]} ${rust_missing[*]}"
# nginx would be started on port 80, etcd on 2379, Prometheus on 9090, and others on their ports: a
# policy in this place keeps Debian's packages from starting anything (invoke-rc.d(8)). One that is
# there already stays.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 755 "$policy"
    trap '"${as_root[@]}" rm -f "$policy"' EXIT
fi

"${as_root[@]}" apt-get update -qq
if [ ${#rust_missing[@]} -gt 0 ] && ! has_candidate "${rust_missing[0]}"; then
    fail "Rust 1.$needed_minor or newer is missing, and this Debian has no package of it" \
        "see https://rustup.rs for its installer, then run the same command again"
fi
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    "${missing[@]}" "${rust_missing[@]}"

# Not started now, nor at the next start of the machine: both would take a port that nobody gave
# them.
if [ -d /run/systemd/system ]; then
    for service in nginx:nginx etcd-server:etcd prometheus:prometheus redis-server:redis-server \
        mosquitto:mosquitto nsd:nsd patroni:patroni postgresql:postgresql; do
        case " ${missing[*]} " in
        *" ${service%%:*} "*)
            "${as_root[@]}" systemctl disable --quiet "${service##*:}"
            say "   the service ${service##*:} is installed but disabled;" \
                "'systemctl enable --now ${service##*:}' starts it"
            ;;
        esac
    done
fi
