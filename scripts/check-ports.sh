#!/usr/bin/env bash
# Fails, and says which variable to set, where a port that `make run` needs is no port or is taken.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# check VARIABLE PORT WHAT OTHERS: what else was given stays in what is to be typed.
check() {
    local variable=$1 port=$2 what=$3 others=$4
    if ! [[ $port =~ ^[1-9][0-9]{0,4}$ ]] || [ "$port" -gt 65535 ]; then
        fail "$variable=$port is not a port (1 to 65535)"
    fi
    if port_is_taken "$port"; then
        fail "port $port, where $what is to listen, is taken" \
            "choose another: make run $variable=$((port % 60000 + 1000))$others"
    fi
}

port=${PORT:-8080} etcd_port=${ETCD_PORT:-2379}
check PORT "$port" nginx "${ETCD_PORT:+ ETCD_PORT=$ETCD_PORT}"
check ETCD_PORT "$etcd_port" etcd "${PORT:+ PORT=$PORT}"
[ "$port" != "$etcd_port" ] ||
    fail "PORT and ETCD_PORT are both $port: nginx and etcd need one each"
