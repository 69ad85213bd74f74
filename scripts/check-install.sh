#!/usr/bin/env bash
# Checks what `make install` and `make install-router` install, in a temporary directory: the
# module, the program, completions, and manual pages that name what users look up. What is installed
# is what the tests have built.
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
has usr/local/share/bash-completion/completions/firehose-router announce
has usr/local/share/zsh/site-functions/_firehose-router announce
has usr/local/share/fish/vendor_completions.d/firehose-router.fish announce
# Units name manual pages, and nothing else that would have to be installed.
while IFS= read -r page; do
    has "$manual/man${page##*.}/$page"
done < <(sed -n 's/^Documentation=man:\(.*\)(\(.\))$/\1.\2/p' systemd/*.service)
say "== all is installed that users look for"
