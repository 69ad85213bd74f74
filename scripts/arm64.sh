#!/usr/bin/env bash
# Builds the module and the program for Debian's nginx on arm64, on another processor, and tests
# them there under qemu's emulation of a process: unit tests, those of the shared memory, the
# layout of nginx's structures, and Debian's nginx of arm64 with the module and an etcd.
#
#     scripts/arm64.sh            build and test
#     scripts/arm64.sh build      build only
#
# Everything goes to build/arm64: Debian's packages of arm64 are unpacked there, and nothing is
# installed. What has to be on this machine is named where it is missing.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

case $#:${1:-} in
0:) purpose='test' ;;
1:build) purpose='build' ;;
*) fail "usage: $0 [build]" ;;
esac

target=aarch64-unknown-linux-gnu
triplet=aarch64-linux-gnu
folder=$project/build/arm64
root=$folder/root
emulator=qemu-aarch64
# Of the machine that the packages are for, with what they need of others.
packages=(nginx libc6 libc6-dev linux-libc-dev libgcc-s1 libcrypt1 libcrypt-dev libpcre2-8-0
    libpcre2-dev libssl3 libssl-dev zlib1g zlib1g-dev)

missing=()
command -v "$triplet-gcc" >/dev/null || missing+=("gcc-$triplet")
[ -d "/usr/$triplet/include" ] || missing+=(libc6-dev-arm64-cross)
command -v "$emulator" >/dev/null || missing+=(qemu-user)
[ ${#missing[@]} -eq 0 ] ||
    fail "these packages are missing: ${missing[*]}" \
        "install them: apt-get install --no-install-recommends ${missing[*]}"
[ -d "$(rustc --print target-libdir --target "$target")" ] ||
    fail "Rust's standard library for arm64 is missing" \
        "rustup brings it: rustup target add $target" \
        "or Debian's packages for arm64: see docs/how-to/build.md"
[ -x /usr/share/nginx/src/configure ] ||
    fail "nginx's sources are missing: /usr/share/nginx/src is not there" \
        "'make deps' installs them (Debian's nginx-dev)"

# As apt-get for arm64, with lists and packages of its own.
apt_arm64() {
    apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 \
        -o Dir::State="$folder/apt" -o Dir::State::status=/dev/null \
        -o Dir::Cache="$folder/apt" -o APT::Sandbox::User="$(id -un)" "$@"
}

unpack_packages() {
    local file
    say "== unpacking Debian's packages of arm64 in build/arm64/root"
    rm -rf "$root" "$folder/packages"
    mkdir -p "$root" "$folder/packages" "$folder/apt/lists/partial" "$folder/apt/archives/partial"
    apt_arm64 update
    (cd "$folder/packages" && apt_arm64 download "${packages[@]}")
    for file in "$folder"/packages/*.deb; do
        dpkg-deb --extract "$file" "$root"
    done
}

# nginx's configure compiles programs and starts them: here the emulator does. A compiler that
# writes a script beside each program makes it so.
write_compiler() {
    cat >"$folder/cc" <<END
#!/bin/bash
# Made by scripts/arm64.sh.
set -e
$triplet-gcc --sysroot="$root" "\$@"
while [ \$# -gt 1 ]; do
    if [ "\$1" = -o ] && [ "\$(basename "\$2")" = autotest ] && [ -x "\$2" ]; then
        mv "\$2" "\$2.arm64"
        printf '#!/bin/sh\nexec $emulator -L "$root" "%s.arm64" "\$@"\n' "\$(realpath "\$2")" >"\$2"
        chmod 755 "\$2"
    fi
    shift
done
END
    chmod 755 "$folder/cc"
}

configure_nginx() {
    local copy=$folder/nginx
    say "== configuring nginx's sources for arm64"
    rm -rf "$copy"
    mkdir -p "$copy"
    cp -R /usr/share/nginx/src/. "$copy/"
    write_compiler
    (
        cd "$copy"
        # shellcheck source=/dev/null
        . ./conf_flags
        NGX_MACHINE=aarch64 ./configure "${NGX_CONF_FLAGS[@]}" --crossbuild=Linux::aarch64 \
            --with-cc="$folder/cc" >configure.log 2>&1
    ) || fail "nginx's configure failed:" "$(tail -n 5 "$copy/configure.log")"
}

stamp=$folder/made-from
version=$(dpkg-query --show --showformat='${Package} ${Version}' nginx-dev)
if [ "$(cat "$stamp" 2>/dev/null)" != "$version" ]; then
    unpack_packages
    configure_nginx
    printf '%s\n' "$version" >"$stamp"
fi

export NGINX_BUILD_DIR=$folder/nginx/objs
export CARGO_BUILD_TARGET=$target
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=$triplet-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="$emulator -L $root"
export CC_aarch64_unknown_linux_gnu=$triplet-gcc AR_aarch64_unknown_linux_gnu=$triplet-ar
headers="-isystem $root/usr/include/$triplet -isystem $root/usr/include"
export CFLAGS_aarch64_unknown_linux_gnu=$headers
export BINDGEN_EXTRA_CLANG_ARGS_aarch64_unknown_linux_gnu=$headers
target_folder=${CARGO_TARGET_DIR:-$project/target}

build() {
    cargo build --locked --profile "${PROFILE:-release}" \
        -p ngx-http-upstream-etcd-module -p firehose-router --lib --bin firehose-router
    local made=$target_folder/$target/${PROFILE:-release}
    install -m 644 "$made/libngx_http_upstream_etcd_module.so" \
        "$folder/ngx_http_upstream_etcd_module.so"
    install -m 755 "$made/firehose-router" "$folder/firehose-router"
    say "== built build/arm64/ngx_http_upstream_etcd_module.so and build/arm64/firehose-router"
}

# Crates that are tested without etcd, nginx or a network.
crates=(change-history client-networks directive-table hash-ring idle-cache live-map live-value
    log-burst map-keys nginx-layout nginx-syntax peer-balance peer-drain saved-state peer-zone
    retry-backoff status-document text-words upstream-peers)

run_tests() {
    local crate test arguments=(--lib)
    for crate in "${crates[@]}"; do
        arguments+=(-p "$crate")
        for test in "crates/$crate"/tests/*; do
            test=$(basename "$test" .rs)
            case $test in
            # These start their own file again, which the kernel does not run for the emulator; and
            # `support` is a part of others.
            killed | support | '*') ;;
            *) arguments+=(--test "$test") ;;
            esac
        done
    done
    # An emulated step takes some tens of steps.
    PROPTEST_CASES=${PROPTEST_CASES:-32} cargo test --locked --profile demo "${arguments[@]}"
}

started=() prefix=

clean_up() {
    local pid
    for pid in "${started[@]}"; do
        kill -TERM "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    [ -z "$prefix" ] || rm -rf "$prefix"
}
trap clean_up EXIT

# A port that nothing listens on just now.
free_port() {
    local port
    while port=$((20000 + RANDOM % 10000)) && port_is_taken "$port"; do :; done
    echo "$port"
}

# Debian's nginx of arm64 loads the module, follows an etcd, and sends requests to a peer from it.
serve_requests() {
    local etcd port node
    etcd=$(free_port) port=$(free_port) node=$(free_port)
    prefix=$(mktemp -d)
    mkdir "$prefix/logs"
    cat >"$prefix/nginx.conf" <<END
load_module $folder/ngx_http_upstream_etcd_module.so;
daemon off;
worker_processes 2;
pid nginx.pid;
error_log logs/error.log notice;
events {}
http {
    access_log off;
    client_body_temp_path temporary; proxy_temp_path temporary; fastcgi_temp_path temporary;
    uwsgi_temp_path temporary; scgi_temp_path temporary;
    etcd_cluster main { endpoint http://127.0.0.1:$etcd; }
    upstream app { etcd main /app/; etcd_balance least_conn; etcd_drain timeout=30s; }
    server { listen 127.0.0.1:$port; location / { proxy_pass http://app; } }
    server { listen 127.0.0.1:$node; return 200 "served on arm64"; }
}
END
    etcd --data-dir "$prefix/etcd" --listen-client-urls "http://127.0.0.1:$etcd" \
        --advertise-client-urls "http://127.0.0.1:$etcd" \
        --listen-peer-urls "http://127.0.0.1:$(free_port)" >"$prefix/etcd.log" 2>&1 &
    started+=($!)
    put() {
        ETCDCTL_API=3 etcdctl --endpoints "http://127.0.0.1:$etcd" put /app/a "127.0.0.1:$node" \
            >/dev/null 2>&1
    }
    wait_until 30 put || fail "etcd does not answer" "$(tail -n 3 "$prefix/etcd.log")"
    "$emulator" -L "$root" "$root/usr/sbin/nginx" -p "$prefix/" -c "$prefix/nginx.conf" \
        >"$prefix/nginx.log" 2>&1 &
    started+=($!)
    answers() { curl -s -m 5 "http://127.0.0.1:$port/" | grep -x "served on arm64" >/dev/null; }
    wait_until 60 answers ||
        fail "no request is served" "$(tail -n 5 "$prefix/nginx.log" "$prefix/logs/error.log")"
    "$emulator" -L "$root" "$folder/firehose-router" --version
}

say "== building for arm64"
build
if [ "$purpose" = test ]; then
    say "== unit tests, and those of the shared memory, under $emulator"
    run_tests
    say "== Debian's nginx of arm64 with the module, an etcd and a node"
    serve_requests
    say "== every test for arm64 has passed"
fi
