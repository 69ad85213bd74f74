#!/usr/bin/env bash
# Builds the image of what is in build/, or in the directory PROGRAMS, and tests it and compose.yaml
# on a Docker engine: the one that DOCKER_HOST names, or the local one. What it makes is of its own
# names, and removed again, but for the images. Then the tutorials of Docker and Kubernetes run on
# that engine.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# shellcheck source=scripts/docker.sh
. scripts/docker.sh

if "$docker" compose version >/dev/null 2>&1; then
    compose="$docker compose"
elif command -v docker-compose >/dev/null; then
    compose="docker-compose"
else
    fail "neither 'docker compose' nor 'docker-compose' is there" \
        "Debian's package is docker-compose"
fi

image=firehose-router-test
programs=${PROGRAMS:-build}
node_image=firehose-router-demo-node-test

say "-- the image"
"$docker" build -q -t "$image" --target router --build-arg BUILD=prebuilt \
    --build-arg PROGRAMS="$programs" --build-arg REVISION="$revision" . >/dev/null
size=$("$docker" image inspect -f '{{.Size}}' "$image")
base=$("$docker" image inspect -f '{{.Size}}' debian:bookworm-slim 2>/dev/null || echo 0)
say "== the image has $((size / 1000000)) MB," \
    "of which $((base / 1000000)) MB are debian:bookworm-slim"
"$docker" build -q -t "$node_image" --target demo-node --build-arg PROGRAMS="$programs" . \
    >/dev/null
find_etcd_image

say "-- its tests"
export TEST_COMPOSE=$compose
# One of the tests runs an announcer beside the containers.
export FIREHOSE_ROUTER=$project/$programs/firehose-router
test_image "$image" docker.io/library/debian:bookworm-slim "$node_image"
scripts/tutorials/with-docker.sh
