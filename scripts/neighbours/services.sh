#!/usr/bin/env bash
# Measures services by name: beside the same nginx with an `upstream` for each and a `map`, HAProxy
# and Envoy; and what a new service, a request and many rounds of all services take. With QUICK=1
# for less long, with SERVICES=1000,10000 for these numbers of services. What cannot be installed is
# skipped, and the table says so. `make bench-services` builds what this runs.
set -euo pipefail
# shellcheck source=scripts/neighbours/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

project=$(cd "$neighbours/../.." && pwd)
benchmarks=${BENCHMARKS:-${CARGO_TARGET_DIR:-$project/target}/release/benchmarks}
# Debian keeps nginx in a directory that is not in an ordinary user's PATH. The module needs the
# nginx that it was built for.
PATH=$PATH:/usr/local/sbin:/usr/sbin
NGINX=${NGINX:-$(command -v nginx)}
export NGINX

for program in haproxy envoy; do
    variable=${program^^}
    need "$program" || :
    [ -x "${!variable}" ] || export "$variable="
done
all=services-beside,services-changes,services-instructions,services-rounds,certificates
PARTS=${PARTS:-$all} "$benchmarks"
