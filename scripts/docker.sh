# shellcheck shell=bash
# What the tests of the images share; to be sourced after common.sh. Docker is the engine that
# DOCKER_HOST names, or the local one.

# Clients without the plugin "buildx" that are newer than Debian's cannot build with BuildKit;
# Debian's own can.
docker=${DOCKER:-docker}
if ! "$docker" buildx version >/dev/null 2>&1 && [ -x /usr/bin/docker ]; then
    docker=/usr/bin/docker
fi
"$docker" info >/dev/null 2>&1 ||
    fail "no Docker engine answers" "start one, or name it with DOCKER_HOST"
export DOCKER_BUILDKIT=1

revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)

# etcd's own image where it can be had; where not, Debian's etcd does for a test.
find_etcd_image() {
    etcd_image=firehose-router-etcd-test
    local upstream
    upstream=$(sed -n 's/.*ETCD_IMAGE:-\(.*\)}.*/\1/p' compose.yaml)
    if timeout 60 "$docker" pull -q "$upstream" >/dev/null 2>&1; then
        etcd_image=$upstream
        return
    fi
    say "-- $upstream cannot be pulled: an image with Debian's etcd takes its place"
    "$docker" build -q -t "$etcd_image" - >/dev/null <<'DOCKERFILE'
FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends etcd-client etcd-server \
    && rm -rf /var/lib/apt/lists/*
DOCKERFILE
}

# test_image IMAGE BASE NODE_IMAGE NAME...: runs the tests of IMAGE, which is based on BASE; all of
# them, or those with one of these names.
test_image() {
    export TEST_DOCKER=$docker TEST_IMAGE=$1 TEST_BASE=$2 TEST_NODE_IMAGE=$3
    export TEST_ETCD_IMAGE=$etcd_image TEST_REVISION=$revision
    # One at a time: compose.yaml alone starts eight containers.
    cargo test --locked --profile demo --workspace --test image -- --test-threads=1 --nocapture \
        "${@:4}"
}
