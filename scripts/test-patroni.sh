#!/usr/bin/env bash
# Tests on a bare Debian 12 that peers follow a switchover of Patroni's (scripts/check-patroni.sh),
# with the module that is built here. What is tested is HEAD's script.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

module=${ETCD_MODULE:-build/demo/ngx_http_upstream_etcd_module.so}
[ -e "$module" ] || fail "there is no module in $module" "'make test-unit' builds one"
scripts/bare.sh scripts/check-patroni.sh <"$module"
