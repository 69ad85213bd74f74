#!/usr/bin/env bash
# Tests Debian packages on a bare Debian, for scripts/bare.sh only: it installs those of a lower
# version, upgrades, removes and purges them, follows docs/how-to/packages.md, and has lintian check
# them. Reads an archive with the directories `packages` and `older` from its standard input.
#
#     tar -C build -c packages older | scripts/bare.sh scripts/check-packages.sh
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

module=libnginx-mod-http-upstream-etcd
enabled=/etc/nginx/modules-enabled/50-mod-http-upstream-etcd.conf
others=(etcd-server etcd-client curl)
export DEBIAN_FRONTEND=noninteractive

# install PACKAGE...: as on the page, with what is recommended.
install() { sudo -E apt-get install -y -qq "$@" </dev/null >/dev/null; }

version_of() { dpkg-query --show --showformat='${Version}' "$1"; }

# Everything of the packages that is outside of this directory, apt's and dpkg's records.
left() {
    sudo find / -xdev \( -path "$HOME" -o -path /proc -o -path /var/lib/apt -o -path /var/log/apt \
        -o -path /var/cache/apt -o -path /var/lib/dpkg/info \) -prune -o \
        \( -iname '*firehose*' -o -iname '*upstream?etcd*' \) -print
    grep firehose /etc/passwd /etc/group || true
}

master() { cat /run/nginx.pid; }
answers() { curl -sf -o /dev/null "http://127.0.0.1:$1/"; }

# Installs the older packages, and upgrades them during a download.
upgrade() {
    local package
    say "-- installing the older packages"
    install ./build/older/*.deb "${others[@]}"
    [ -L "$enabled" ] || fail "the module is not enabled"
    sudo nginx -t 2>/dev/null || fail "nginx does not accept the module" "$(sudo nginx -t 2>&1)"
    firehose-router --version >/dev/null
    id firehose-router >/dev/null
    bash -n /usr/share/bash-completion/completions/firehose-router
    for package in "$module" firehose-router; do
        gzip -t "/usr/share/doc/$package/third-party.txt.gz"
        gzip -cd "/usr/share/doc/$package/sbom.cdx.json.gz" |
            grep '"bomFormat": "CycloneDX"' >/dev/null || fail "$package has no SBOM"
    done
    if sudo grep -rq /usr/local /etc/default/firehose-router \
        "$(dpkg -L firehose-router | grep 'firehose-router.service$')"; then
        fail "a unit names a path in /usr/local"
    fi
    sudo service etcd start >/dev/null
    wait_until 60 etcdctl endpoint health >/dev/null 2>&1 || fail "etcd has not started"
    sudo tee /etc/nginx/conf.d/app.conf >/dev/null <<'END'
etcd_cluster main { endpoint http://127.0.0.1:2379; }
upstream app { etcd main /app/upstream/; }
server { listen 8080; location / { proxy_pass http://app; } }
server {
    listen 9001;
    location / { return 200 "node-1\n"; }
    location = /slow { root /var/www/html; limit_rate 50k; }
}
END
    sudo dd if=/dev/zero of=/var/www/html/slow bs=1k count=1000 status=none
    sudo service nginx restart >/dev/null
    etcdctl put /app/upstream/node-1 127.0.0.1:9001 >/dev/null
    wait_until 30 answers 8080 || fail "nginx has no peer" "$(sudo tail /var/log/nginx/error.log)"
    say "ANNOUNCE_TTL=30" | sudo tee -a /etc/default/firehose-router >/dev/null

    say "-- upgrading them during a download"
    local before after download older received
    before=$(master) older=$(version_of "$module")
    # It takes 20 s.
    curl -sf -o "$folder/slow" http://127.0.0.1:8080/slow &
    download=$!
    install ./build/packages/*.deb
    after=$(version_of "$module")
    dpkg --compare-versions "$after" gt "$older" || fail "$older was not upgraded: it is $after"
    is_alive "$download" || fail "the download ended before the upgrade"
    [ "$(master)" = "$before" ] || fail "the upgrade has restarted nginx"
    answers 8080 || fail "nginx does not answer after the upgrade"
    wait "$download" || fail "the upgrade has broken the download off"
    received=$(stat -c %s "$folder/slow")
    [ "$received" -eq 1024000 ] || fail "the download has $received bytes"
    grep -q ANNOUNCE_TTL /etc/default/firehose-router || fail "the upgrade has changed settings"
}

remove() {
    say "-- removing them"
    sudo rm /etc/nginx/conf.d/app.conf /var/www/html/slow
    sudo -E apt-get remove -y -qq firehose-router "$module" </dev/null >/dev/null
    [ ! -e "$enabled" ] || fail "the module is enabled, but not there"
    sudo nginx -t 2>/dev/null || fail "nginx rejects its configuration after the removal"
    answers 80 || fail "the removal has stopped nginx"
    [ -e /etc/default/firehose-router ] || fail "the removal has deleted settings"
    # What a router would have left.
    sudo mkdir -p /var/lib/firehose-router /var/log/firehose-router
    sudo touch /var/lib/firehose-router/firehose.peers /var/log/firehose-router/access.log.1
    sudo -E apt-get purge -y -qq firehose-router "$module" </dev/null >/dev/null
    [ -z "$(left)" ] || fail "this is left after the packages were purged:" "$(left)"
}

# As a reader does, from a machine without nginx.
quick_start() {
    say "-- the quick start of docs/how-to/packages.md"
    etcdctl del --prefix /app/ >/dev/null
    sudo service etcd stop >/dev/null
    sudo -E apt-get purge -y -qq nginx nginx-common </dev/null >/dev/null
    # shellcheck source=scripts/tutorials/follow.sh
    . scripts/tutorials/follow.sh
    # shellcheck disable=SC2034  # follow reads it
    tutorials=docs/how-to
    follow packages.md quick-start
    [ -z "$(left)" ] || fail "this is left after the packages were purged:" "$(left)"
}

if [ "${1:-}" = inside ]; then
    folder=$2
    sudo ip link set lo up
    upgrade
    remove
    quick_start
    exit 0
fi

mkdir -p build
tar -C build -x
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
sudo apt-get update -qq
# What follows has a network of its own, since it starts services on their usual ports.
install --download-only ./build/packages/*.deb "${others[@]}"
install --no-install-recommends iproute2
sudo -E unshare --net setpriv --reuid="$(id -u)" --regid="$(id -g)" --init-groups \
    "$0" inside "$folder"

say "-- lintian"
install --no-install-recommends lintian
lintian --fail-on error,warning --tag-display-limit 0 build/packages/*.deb
say "== the packages can be installed, upgraded, removed and purged"
