#!/usr/bin/env bash
# Runs the end-to-end tests with the nginx and the etcd of several systems: with the packages of
# Debian 12, 13 and unstable, each in a root directory that is kept in build/versions/NAME; and with
# any nginx that is built elsewhere, by the path of its directory objs.
#
#     scripts/versions.sh                           every test on each Debian
#     scripts/versions.sh grpc:: drain::            those with one of these in their names
#     scripts/versions.sh --part                    some of each subject, in about a minute
#     scripts/versions.sh --prepare-part            makes the root directories for these, no more
#     VERSIONS='debian-13 /path/to/nginx/objs' scripts/versions.sh
#     VERSIONS=nginx-src scripts/versions.sh        the nginx of the crate nginx-src, built here
#
# The module is built here, for the headers of each nginx; nginx, etcd and the tests run in the
# root. Needs root or sudo. What came out of it is in build/versions/results.json.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=scripts/nginx-src.sh
. scripts/nginx-src.sh

declare -A suite_of=([debian-12]=bookworm [debian-13]=trixie [debian-unstable]=sid)
read -ra versions <<<"${VERSIONS:-debian-12 debian-13 debian-unstable}"
# What the tests start, besides nginx and etcd.
packages=nginx,nginx-dev,libnginx-mod-stream,etcd-server,etcd-client,openssl,ca-certificates,procps
packages+=,iproute2,prometheus,redis-server,socat
part=(grpc:: http2_nodes:: least_time:: peak_ewma:: native_sticky:: websockets:: variables::
    reload:: membership:: keepalive::by_default keepalive::kinds drain::requests top_level::
    stream::as_nginx stream::mapping)
# What stream's configurations are tested with, which no part of the tests needs.
services=curl,mosquitto,mosquitto-clients,nsd,patroni,postgresql,python3-etcd
folder=$project/build/versions
target_folder=${CARGO_TARGET_DIR:-$project/target}

names=("$@")
what=selected
prepares_only=false
case ${1:-} in
'') what=whole ;;
--prepare-part) what=part prepares_only=true ;;
--part)
    names=("${part[@]}" "${@:2}")
    [ $# -gt 1 ] || what=part
    ;;
-*) fail "usage: [VERSIONS='NAME...'] $0 [--part | --prepare-part] [TEST...]" \
    "NAME: ${!suite_of[*]}, nginx-src, or the path of a directory objs" ;;
esac

needed=redis-server
if [ "$what" != part ]; then
    packages+=,$services
    needed=patroni
fi

as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
for version in "${versions[@]}"; do
    case $version in
    nginx-src) ;;
    /*) [ -x "$version/nginx" ] || fail "$version has no nginx" ;;
    *)
        [ -n "${suite_of[$version]:-}" ] ||
            fail "no such version: $version" \
                "there are ${!suite_of[*]}, nginx-src, and paths of directories objs"
        [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null ||
            fail "only root can make another root: run this as root, or install sudo"
        ;;
    esac
done

# make_root SUITE ROOT
make_root() {
    local keyring=/usr/share/keyrings/debian-archive-keyring.gpg options=()
    if ! command -v mmdebstrap >/dev/null; then
        say "== installing mmdebstrap"
        "${as_root[@]}" apt-get update -qq
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends mmdebstrap debian-archive-keyring
    fi
    # As this machine's apt does: a mirror may be older than the clock.
    if apt-config dump | grep 'Acquire::Check-Valid-Until "false"' >/dev/null; then
        options+=(--aptopt='Acquire::Check-Valid-Until "false"')
    fi
    say "== making $2"
    "${as_root[@]}" rm -rf --one-file-system "$2.new"
    "${as_root[@]}" unshare --mount --pid --fork --kill-child --mount-proc \
        mmdebstrap --quiet --mode=root --variant=minbase --include="$packages" "${options[@]}" \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt=force-unsafe-io \
        "$1" "$2.new" "deb [signed-by=$keyring] http://deb.debian.org/debian $1 main"
    # Whole, or not there.
    "${as_root[@]}" mv -T "$2.new" "$2"
}

# inside ROOT COMMAND...: with this project at its place, in namespaces that end what was started.
inside() {
    "${as_root[@]}" unshare --mount --pid --fork --kill-child --uts --ipc -- \
        bash -s -- "$project" "$@" <<'INSIDE'
set -euo pipefail
project=$1 root=$2
shift 2
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount -t tmpfs -o mode=755 dev "$root/dev"
for device in null:3 zero:5 full:7 random:8 urandom:9; do
    mknod -m 666 "$root/dev/${device%:*}" c 1 "${device#*:}"
done
for link in fd: stdin:/0 stdout:/1 stderr:/2; do
    ln -s "/proc/self/fd${link#*:}" "$root/dev/${link%%:*}"
done
mkdir "$root/dev/shm"
mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
[ -e "$root/etc/hosts" ] || echo '127.0.0.1 localhost' >"$root/etc/hosts"
mkdir -p "$root$project"
mount --bind "$project" "$root$project"
code=0
chroot "$root" env -i LANG=C.UTF-8 HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    bash -c 'cd "$1" && shift && exec "$@"' bash "$project" "$@" || code=$?
exit "$code"
INSIDE
}

# configure NAME ROOT: the sources that nginx-dev brings, as scripts/configure-nginx.sh does.
configure() {
    local copy=build/versions/$1/nginx stamp=build/versions/$1/configured version
    version=$(sed -n '/^Package: nginx-dev$/,/^$/s/^Version: //p' "$2/var/lib/dpkg/status")
    if [ "$(cat "$stamp" 2>/dev/null)" = "$version" ]; then
        return
    fi
    say "== configuring nginx-dev $version in $copy"
    "${as_root[@]}" rm -rf "$copy"
    cp -R "$2/usr/share/nginx/src/." "$copy"
    # shellcheck disable=SC2016  # for the shell inside
    inside "$2" bash -c 'cd "$1" && . ./conf_flags && ./configure "${NGX_CONF_FLAGS[@]}" \
        >configure.log 2>&1' bash "$copy"
    "${as_root[@]}" chown -R "$(id -u):$(id -g)" "$copy"
    say "$version" >"$stamp"
}

# build_nginx NAME: that of the crate nginx-src, with what the tests need.
build_nginx() {
    local copy=build/versions/$1/nginx stamp=build/versions/$1/configured
    find_nginx_src
    if [ "$(cat "$stamp" 2>/dev/null)" = "$nginx_src_version" ]; then
        return
    fi
    say "== building nginx $nginx_src_version in $copy"
    rm -rf "$copy"
    cp -R "$nginx_src" "$copy"
    (
        cd "$copy"
        configure_nginx --with-compat --with-debug --with-threads --with-http_auth_request_module \
            --with-http_realip_module --with-http_ssl_module --with-http_stub_status_module \
            --with-http_sub_module --with-http_v2_module --with-stream --with-stream_ssl_module \
            --with-stream_ssl_preread_module
        make -j "$(nproc)" >make.log 2>&1 || fail "nginx cannot be built" "$(tail -n 5 make.log)"
    )
    say "$nginx_src_version" >"$stamp"
}

# in_json TEXT
in_json() { sed -e 's/\\/\\\\/g; s/"/\\"/g' <<<"$1"; }

# Writes build/versions/NAME/result.json: NAME NGINX ETCD
write_result() {
    local output=$folder/$1/output skipped=$folder/$1/skipped line comma=''
    {
        say "{" "  \"system\": \"$1\"," "  \"nginx\": \"$2\"," "  \"etcd\": \"$3\"," \
            "  \"tests\": \"$what\"," \
            "  \"passed\": $(($(grep -cE '^test .* \.\.\. ok$' "$output") - $(wc -l <"$skipped"))),"
        say "  \"failed\": ["
        while IFS= read -r line; do
            printf '%s    "%s"' "$comma" "$(in_json "$line")"
            comma=$',\n'
        done < <(sed -nE 's/^test (.*) \.\.\. FAILED$/\1/p' "$output" | sort)
        say "" "  ]," "  \"skipped\": ["
        comma=''
        while IFS= read -r line; do
            printf '%s    "%s"' "$comma" "$(in_json "$line")"
            comma=$',\n'
        done < <(sort "$skipped")
        say "" "  ]" "}"
    } >"$folder/$1/result.json"
}

# run NAME
run() {
    local name=$1 root='' objs='' tests output code=0 nginx etcd before=()
    case $name in
    nginx-src)
        mkdir -p "$folder/$name"
        build_nginx "$name"
        objs=$folder/$name/nginx/objs
        ;;
    /*)
        objs=$name
        name=$(basename "$(dirname "$objs")")
        mkdir -p "$folder/$name"
        ;;
    esac
    if [ -n "$objs" ]; then
        before=(env NGINX="$objs/nginx")
        nginx=$("$objs/nginx" -v 2>&1)
        etcd=$(etcd --version)
    else
        root=$folder/$name/root objs=$folder/$name/nginx/objs
        mkdir -p "$folder/$name"
        # One that was made for fewer tests is made again.
        [ -x "$root/usr/bin/$needed" ] || make_root "${suite_of[$name]}" "$root"
        configure "$name" "$root"
        ! $prepares_only || return 0
        before=(inside "$root" env)
        nginx=$(inside "$root" nginx -v 2>&1)
        etcd=$(inside "$root" etcd --version)
    fi
    nginx=${nginx##*nginx/}
    nginx=${nginx%% *}
    etcd=$(sed -n 's/^etcd Version: //p' <<<"$etcd")
    say "" "== $name: nginx $nginx, etcd $etcd"

    export NGINX_BUILD_DIR=$objs
    local built=build/versions/$name/built with_faults=''
    if [ "$what" = whole ]; then
        FAULTS_DIRECTORY=$built/injected-faults scripts/build-with-faults.sh demo
        with_faults=$project/$built/injected-faults/ngx_http_upstream_etcd_module.so
    fi
    DEMO_DIRECTORY=$built scripts/build-demo.sh end-to-end
    # Built just now: cargo only says where it is.
    tests=$(cargo build --locked --profile demo --workspace --lib --bins --test end_to_end \
        --message-format=json 2>/dev/null |
        sed -nE 's/.*"name":"end_to_end".*"executable":"([^"]*)".*/\1/p' | tail -n 1)
    # It may be in a directory that the root does not have.
    install -D -m 755 "$tests" "$built/end-to-end"

    : >"$folder/$name/skipped"
    output=$folder/$name/output
    "${before[@]}" ETCD_MODULE="$project/$built/ngx_http_upstream_etcd_module.so" \
        ETCD_MODULE_WITH_FAULTS="$with_faults" FIREHOSE_ROUTER="$project/$built/firehose-router" \
        DEMO_NODE="$project/$built/demo-node" SKIPPED_TESTS="$folder/$name/skipped" \
        TESTS="$project/$built/end-to-end" TEST_THREADS="${TEST_THREADS:-}" \
        scripts/end-to-end.sh "${names[@]}" 2>&1 | tee "$output" | sed '/^test .* ok$/d' || code=$?
    write_result "$name" "$nginx" "$etcd"
    if [ -s "$folder/$name/skipped" ]; then
        say "-- skipped:"
        sort "$folder/$name/skipped"
    fi
    return "$code"
}

failed=()
for version in "${versions[@]}"; do
    # On its own, so that its first failure ends it.
    (run "$version") &
    wait $! || failed+=("$version")
done
if $prepares_only; then
    [ ${#failed[@]} -eq 0 ] || fail "failed: ${failed[*]}"
    exit
fi
{
    say "["
    separator=''
    for file in "$folder"/*/result.json; do
        [ -e "$file" ] || continue
        printf '%s' "$separator"
        cat "$file"
        separator=','
    done
    say "]"
} >"$folder/results.json"
say "" "== build/versions/results.json has the results; $target_folder has the last module"
[ ${#failed[@]} -eq 0 ] || fail "failed: ${failed[*]}"
