#!/usr/bin/env bash
# Runs the tutorials of Docker and Kubernetes on a Docker engine, every command as it stands, with
# the images that scripts/test-image.sh has built. kubectl.py stands in for Kubernetes. The pages
# have names and ports of their own: where one of them is in use, nothing is run.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
# shellcheck source=scripts/tutorials/follow.sh
. scripts/tutorials/follow.sh

answer_seconds=60
socket=/var/run/docker.sock
docker=$(type -P "$TEST_DOCKER")
compose=$TEST_COMPOSE
[ "$compose" = docker-compose ] || compose="$docker compose"
names=(firehose-router firehose-router-demo-node registry.example/firehose-router)
label=firehose-router-tutorial
networks=(firehose-tutorial-etcd firehose-tutorial-host firehose-tutorial-kubernetes)
is_linked=false
is_started=false
forward=

skip() {
    say "== skipped: the tutorials of Docker and Kubernetes, since $1"
    exit 0
}

clean_up() {
    cd "$project"
    rm -rf "$folder"
    $is_started || return 0
    [ -z "$forward" ] || kill "$forward" 2>/dev/null || true
    $compose -p "$COMPOSE_PROJECT_NAME" down -v -t 1 >/dev/null 2>&1 || true
    "$docker" ps -aq --filter "label=$label" | xargs -r "$docker" rm -f -v >/dev/null || true
    "$docker" volume rm -f firehose-router >/dev/null || true
    "$docker" network rm "${networks[@]}" >/dev/null 2>&1 || true
    "$docker" rmi "${names[@]}" >/dev/null 2>&1 || true
    ! $is_linked || rm -f "$socket"
}
trap clean_up EXIT

for name in router firehose-01; do
    ! "$docker" container inspect "$name" >/dev/null 2>&1 || skip "there is a container $name"
done
for name in "${names[@]}"; do
    ! "$docker" image inspect "$name" >/dev/null 2>&1 || skip "there is an image $name"
done
! "$docker" volume inspect firehose-router >/dev/null 2>&1 ||
    skip "there is a volume firehose-router"
for port in 80 8080 8081; do
    ! port_is_taken "$port" || skip "port $port is taken"
done
if [ ! -e "$socket" ]; then
    [[ ${DOCKER_HOST:-} == unix://* && $(id -u) -eq 0 ]] || skip "there is no $socket"
fi
python3 -c 'import yaml' 2>/dev/null ||
    fail "Debian's package python3-yaml is not installed: it is needed to read manifests"

is_started=true
export COMPOSE_PROJECT_NAME=$label ETCD_IMAGE=$TEST_ETCD_IMAGE
if [ ! -e "$socket" ]; then
    ln -s "${DOCKER_HOST#unix://}" "$socket"
    is_linked=true
fi

# What the pages' commands find: docker marks what it starts, make takes the images that are built,
# and nothing is pushed.
mkdir "$folder/bin" "$folder/tls"
cat >"$folder/bin/docker" <<END
#!/usr/bin/env bash
case \$1 in
run) exec "$docker" run --label "$label" "\${@:2}" ;;
compose)
    shift
    # There is no terminal.
    [ "\$1" != exec ] || set -- exec -T "\${@:2}"
    exec $compose "\$@"
    ;;
push) exec "$docker" image inspect --format 'pushed {{.Id}}' "\$2" ;;
*) exec "$docker" "\$@" ;;
esac
END
cat >"$folder/bin/make" <<END
#!/usr/bin/env bash
set -e
"$(type -P make)" -n "\$@" >/dev/null
name=firehose-router
for word in "\$@"; do
    case \$word in
    IMAGE=*) name=\${word#IMAGE=} ;;
    esac
done
for word in "\$@"; do
    case \$word in
    image) "$docker" tag "$TEST_IMAGE" "\$name" ;;
    demo-image) "$docker" tag "$TEST_NODE_IMAGE" firehose-router-demo-node ;;
    esac
done
END
ln -s "$project/scripts/tutorials/kubectl.py" "$folder/bin/kubectl"
chmod +x "$folder"/bin/*
PATH=$folder/bin:$PATH

# network NAME SUBNET ADDRESS: gives this machine an address.
network() { docker network create --subnet "$2" --gateway "$3" "$1" >/dev/null; }
run() { docker run -d "$@" >/dev/null; }
etcd=(etcd --listen-client-urls=http://0.0.0.0:2379)
value_of() { ETCDCTL_API=3 etcdctl --endpoints http://10.0.0.1:2379 get --print-value-only "$1"; }
is_announced() { [[ $(value_of /firehose/upstream/firehose-01) == 172.16.32.90:* ]]; }
expect() { wait_until "$answer_seconds" "$@" || fail "it is not so: $*"; }

say "-- $tutorials/docker.md"
network "${networks[0]}" 10.0.0.0/29 10.0.0.1
network "${networks[1]}" 172.16.32.88/29 172.16.32.90
run -p 10.0.0.1:2379:2379 "$TEST_ETCD_IMAGE" "${etcd[@]}" \
    --advertise-client-urls=http://10.0.0.1:2379
run --name firehose-01 -p 7474 --entrypoint demo-node "$TEST_NODE_IMAGE" \
    --listen 0.0.0.0:7474 --name firehose-01
follow docker.md
follow docker.md official
expect is_announced
# The page has left it stopped.
docker rm router >/dev/null

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=router \
    -keyout "$folder/tls/router.key" -out "$folder/tls/router.pem" 2>/dev/null
cp "$folder/tls/router.pem" "$folder/tls/ca.pem"
echo secret >"$folder/password"
chmod 755 "$folder" "$folder/tls"
chmod 644 "$folder"/tls/* "$folder/password"
container=$(bash -c "$(scripts/tutorial-commands.sh "$tutorials/docker.md" tls |
    sed -e "s|/etc/etcd-tls:|$folder/tls:|" -e "s|/etc/etcd-password:|$folder/password:|")")
expect docker exec "$container" firehose-router healthcheck
docker rm -f "$container" >/dev/null

say "-- $tutorials/kubernetes.md"
docker network create --subnet 10.0.0.16/28 "${networks[2]}" >/dev/null
run --network "${networks[2]}" --network-alias etcd-0.etcd "$TEST_ETCD_IMAGE" "${etcd[@]}" \
    --advertise-client-urls=http://etcd-0.etcd:2379
export KUBE_NETWORK=${networks[2]}
KUBE_IMAGES="firehose-router=registry.example/firehose-router"
KUBE_IMAGES+=" your-firehose-with-firehose-router-in-it=$TEST_NODE_IMAGE"
export KUBE_IMAGES
block kubernetes.md yaml 1 >"$folder/router.yaml"
# The image of the second manifest has a server of this name.
printf '#!/bin/sh\nexec demo-node --listen 0.0.0.0:7474 --name firehose\n' >"$folder/firehose"
chmod 755 "$folder/firehose"
ln -s "$project/docs" "$project/scripts" "$project/Makefile" "$folder"
cd "$folder"
bash -c "exec $(scripts/tutorial-commands.sh "$tutorials/kubernetes.md" first-terminal |
    tail -n 1)" >"$folder/forward" 2>&1 &
forward=$!
follow kubernetes.md
block kubernetes.md yaml 2 | KUBE_MOUNT=$folder/firehose:/usr/local/bin/firehose:ro \
    kubectl run-pod node
has_node() { curl -s http://127.0.0.1:8080/etcd | grep ':7474",'; }
expect has_node
