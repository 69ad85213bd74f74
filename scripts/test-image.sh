#!/usr/bin/env bash
# Builds the image of what is in build/, and tests it and compose.yaml on a Docker engine: the one
# that DOCKER_HOST names, or the local one. What it makes is of its own names, and removed again,
# but for the images. Then the tutorials of Docker and Kubernetes run on that engine.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# Clients without the plugin "buildx" that are newer than Debian's cannot build with BuildKit;
# Debian's own can.
docker=${DOCKER:-docker}
if ! "$docker" buildx version >/dev/null 2>&1 && [ -x /usr/bin/docker ]; then
    docker=/usr/bin/docker
fi
"$docker" info >/dev/null 2>&1 ||
    fail "no Docker engine answers" "start one, or name it with DOCKER_HOST"

if "$docker" compose version >/dev/null 2>&1; then
    compose="$docker compose"
elif command -v docker-compose >/dev/null; then
    compose="docker-compose"
else
    fail "neither 'docker compose' nor 'docker-compose' is there" \
        "Debian's package is docker-compose"
fi

export DOCKER_BUILDKIT=1
image=firehose-router-test
node_image=firehose-router-demo-node-test
etcd_image=firehose-router-etcd-test

say "-- the image"
"$docker" build -q -t "$image" --target router --build-arg BUILD=prebuilt . >/dev/null
size=$("$docker" image inspect -f '{{.Size}}' "$image")
base=$("$docker" image inspect -f '{{.Size}}' debian:bookworm-slim 2>/dev/null || echo 0)
say "== the image has $((size / 1000000)) MB," \
    "of which $((base / 1000000)) MB are debian:bookworm-slim"
"$docker" build -q -t "$node_image" --target demo-node . >/dev/null
# etcd's own image where it can be had; where not, Debian's etcd does for a test.
etcd_upstream=$(sed -n 's/.*ETCD_IMAGE:-\(.*\)}.*/\1/p' compose.yaml)
if timeout 60 "$docker" pull -q "$etcd_upstream" >/dev/null 2>&1; then
    etcd_image=$etcd_upstream
else
    say "-- $etcd_upstream cannot be pulled: an image with Debian's etcd takes its place"
    "$docker" build -q -t "$etcd_image" - >/dev/null <<'DOCKERFILE'
FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends etcd-client etcd-server \
    && rm -rf /var/lib/apt/lists/*
DOCKERFILE
fi

say "-- its tests"
export TEST_DOCKER=$docker TEST_COMPOSE=$compose
export TEST_IMAGE=$image TEST_NODE_IMAGE=$node_image TEST_ETCD_IMAGE=$etcd_image
# One at a time: compose.yaml alone starts eight containers.
cargo test --locked --profile demo --workspace --test image -- --test-threads=1 --nocapture
scripts/tutorials/with-docker.sh
