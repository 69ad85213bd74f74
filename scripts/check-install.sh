#!/usr/bin/env bash
# Checks what `make install` and `make install-router` install, in a temporary directory: the
# module, the program, completions, manual pages that name what users look up, alert rules and the
# dashboard. What is installed is what the tests have built.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

folder=$(mktemp -d "${TMPDIR:-/tmp}/check-install.XXXXXX")
trap 'rm -rf "$folder"' EXIT

make --no-print-directory install install-router DESTDIR="$folder" \
    MODULE=build/demo/ngx_http_upstream_etcd_module.so PROGRAM=build/demo/firehose-router

# has FILE TEXT
has() {
    local file=$folder/$1
    [ -s "$file" ] || fail "$1 is not installed"
    [ -z "${2:-}" ] || grep -q -- "$2" "$file" || fail "$1 does not name $2"
}

manual=usr/local/share/man
modules=$(nginx -V 2>&1 | sed -n 's/.*--modules-path=\([^ ]*\).*/\1/p')
has "${modules#/}/ngx_http_upstream_etcd_module.so"
has usr/local/bin/firehose-router
has "$manual/man7/ngx_http_upstream_etcd_module.7" etcd_check
has "$manual/man1/firehose-router.1" announce
has "$manual/man1/firehose-router-serve.1" state
has "$manual/man1/firehose-router-announce.1" container
has "$manual/man1/firehose-router-status.1" watch
has "$manual/man1/firehose-router-nodes-drain.1" wait
has "$manual/man1/firehose-router-routes-set.1" hostnames
has "$manual/man1/firehose-router-services-remove.1" force
has "$manual/man1/firehose-router-check-value.1" allow
has usr/local/share/bash-completion/completions/firehose-router announce
has usr/local/share/zsh/site-functions/_firehose-router announce
has usr/local/share/fish/vendor_completions.d/firehose-router.fish announce
has usr/local/share/firehose-router/prometheus/firehose-router.rules.yml FirehoseRouterDown
has usr/local/share/firehose-router/prometheus/scrape.yml firehose-router.rules.yml
# The alerts name files below that directory.
while IFS= read -r runbook; do
    has "usr/local/share/firehose-router/$runbook"
done < <(sed -nE 's/^ *runbook: (.*)#.*/\1/p' contrib/prometheus/*.rules.yml | sort -u)
has usr/local/share/firehose-router/grafana/firehose-router.json nginx_etcd_requests_total
# Units name manual pages, and nothing else that would have to be installed.
while IFS= read -r page; do
    has "$manual/man${page##*.}/$page"
done < <(sed -n 's/^Documentation=man:\(.*\)(\(.\))$/\1.\2/p' systemd/*.service)
say "== all is installed that users look for"
