#!/usr/bin/env bash
# Says what `make run` or `make test` (the argument) is about to do, and about how long that takes:
# nobody should wait without knowing for what.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

purpose=${1:-run}
# Seconds of a processor for a first build, and MB that apt downloads on a bare Debian 12; both
# measured.
case $purpose in
run) compiling=250 download=300 ;;
test) compiling=700 download=530 ;;
*) fail "usage: $0 run|test" ;;
esac
processors=$(nproc)

say "== make $purpose will"
mapfile -t missing < <(scripts/install-dependencies.sh "$purpose" --missing)
if [ ${#missing[@]} -gt 0 ]; then
    say "   install with apt, with their dependencies (up to $download MB, some minutes):"
    say "${missing[*]}" | fold -s -w 90 | sed 's/^/      /'
fi
if [ -e build/demo/ngx_http_upstream_etcd_module.so ]; then
    say "   compile what has changed since the last build"
else
    say "   compile everything for the first time:" \
        "about $(((compiling / processors + 59) / 60)) min on $processors processors"
fi
case $purpose in
run) say "   start etcd, three nodes and nginx on the loopback interface, print commands to try" ;;
test) say "   run all tests, first those that need no build: less than an hour" ;;
esac
