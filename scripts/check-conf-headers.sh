#!/usr/bin/env bash
# Has nginx read each configuration of nginx-conf/ by the command that stands in its first lines, as
# an ordinary user would type it. Installs the module of the demonstration for that, so it is for a
# machine that nobody else uses: scripts/bare.sh makes one.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

module=build/demo/ngx_http_upstream_etcd_module.so
[ -e "$module" ] || fail "$module is not there yet" "'make run' builds it"
sudo make --no-print-directory install MODULE="$module" >/dev/null
# As the first lines of those in nginx-conf/stream/ say.
sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq libnginx-mod-stream >/dev/null
for file in nginx-conf/*.conf nginx-conf/stream/*.conf; do
    command=$(sed -n 's/^#  *\(sudo .*\)/\1/p' "$file")
    [ -n "$command" ] || fail "$file does not say how it is started"
    said=$(bash -c "$command -t" 2>&1) || fail "$file: '$command -t' fails:" "$said"
    say "ok - $command"
done
