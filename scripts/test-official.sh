#!/usr/bin/env bash
# Tests the image with the official nginx (the target "official" of Dockerfile) on a Docker engine,
# with the version whose sources are in the crate nginx-src. The module is built here, hardly
# optimized, in place of the stage official-build: for sources that are configured as there. Where
# the official image cannot be pulled, scripts/official-image.sh makes a stand-in for it, which is
# removed again. Needs what `make licenses sbom` makes: `make test-official` runs it.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
[ $# -eq 0 ] || fail "usage: $0"
# shellcheck source=scripts/docker.sh
. scripts/docker.sh
# shellcheck source=scripts/nginx-src.sh
. scripts/nginx-src.sh

image=firehose-router-official-test
node_image=firehose-router-official-demo-node-test
folder=build/official
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$project/target}

find_nginx_src
version=$nginx_src_version

base=docker.io/library/nginx:$version
is_stand_in() {
    [ "$("$docker" image inspect -f '{{index .Config.Labels "firehose-router.stand-in"}}' "$base" \
        2>/dev/null)" = true ]
}
clean_up() {
    ! is_stand_in || "$docker" rmi "$base" >/dev/null
}
trap clean_up EXIT
if ! "$docker" image inspect "$base" >/dev/null 2>&1 &&
    ! timeout 60 "$docker" pull -q "$base" >/dev/null 2>&1; then
    say "-- $base cannot be pulled: a stand-in takes its place"
    scripts/official-image.sh "$nginx_src" "$base"
fi

say "-- the module for nginx $version"
# As in the stage official-build.
mapfile -t arguments < <(sed -n '/&& \.\/configure /,/> \/dev\/null/p' Dockerfile |
    grep -oE -- '--with[a-z0-9_-]+')
[ ${#arguments[@]} -gt 1 ] || fail "Dockerfile does not configure nginx"
stamp="$nginx_src ${arguments[*]}"
if [ "$(cat "$folder/configured" 2>/dev/null)" != "$stamp" ]; then
    rm -rf "$folder/nginx"
    mkdir -p "$folder"
    cp -R "$nginx_src" "$folder/nginx"
    (cd "$folder/nginx" && configure_nginx "${arguments[@]}")
    say "$stamp" >"$folder/configured"
fi
export NGINX_BUILD_DIR=$project/$folder/nginx/objs
# With the tests of the image, so that all is compiled with the features that these need, once.
cargo build --locked --profile demo --workspace --lib --bins --test image
for file in libngx_http_upstream_etcd_module.so firehose-router demo-node; do
    install -m 755 "$CARGO_TARGET_DIR/demo/$file" "$folder/${file#lib}"
done

say "-- the image"
"$docker" build -q -t "$image" --target official --build-arg BUILD=prebuilt \
    --build-arg PROGRAMS="$folder" --build-arg NGINX_VERSION="$version" \
    --build-arg REVISION="$revision" . >/dev/null
"$docker" build -q -t "$node_image" --target demo-node --build-arg PROGRAMS="$folder" . >/dev/null
find_etcd_image
found=$("$docker" run --rm --entrypoint nginx "$image" -v 2>&1)
[ "$found" = "nginx version: nginx/$version" ] || fail "the image has another nginx" "$found"

say "-- its tests"
test_image "$image" "$base" "$node_image" \
    with_nothing_but_endpoints docker_stop read_only labels
say "== the image with the official nginx $version can be used"
