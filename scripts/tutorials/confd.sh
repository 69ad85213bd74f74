#!/usr/bin/env bash
# Stands in for confd, which Debian does not have: renders the template of one list of keys, as far
# as docs/tutorials/from-confd.md uses templates, and reloads nginx if the file has changed.
#
#     scripts/tutorials/confd.sh TEMPLATE FILE
set -euo pipefail

template=$1 file=$2
new=$(mktemp)
trap 'rm -f "$new"' EXIT
prefix=$(sed -n 's/.*{{range getvs "\(.*\)\*"}}.*/\1/p' "$template")
export ETCDCTL_API=3

while :; do
    if values=$(etcdctl get --prefix --print-value-only "$prefix" | grep .); then
        awk -v values="$values" '
            /{{range / { looped = 1; body = ""; next }
            /{{end}}/ && looped {
                looped = 0
                count = split(values, value, "\n")
                for (at = 1; at <= count; at++) {
                    text = body
                    gsub(/{{\.}}/, value[at], text)
                    printf "%s", text
                }
                next
            }
            looped { body = body $0 "\n"; next }
            { print }
        ' "$template" >"$new"
        if ! cmp -s "$new" "$file"; then
            install -m 644 "$new" "$file"
            /usr/sbin/nginx -t && /usr/sbin/nginx -s reload
        fi
    fi
    sleep 0.2
done
