#!/usr/bin/env bash
# etcd-server 3.5.30-2 (Debian unstable): a progress request is not answered, now or later, while
# the store has not come to the revision from which the watch starts. That is how every client
# begins that lists keys at revision N and watches from N + 1: until somebody writes, it hears
# nothing, and may take etcd for dead, or for its grpc-proxy, which answers no progress request at
# all. A good guess is that etcd answers with the current revision; 3.4.23 (Debian 12) and 3.5.16
# (Debian 13) do.
#
# Expected: "progress notify: 2" for a watch from revision 2 with both versions, and for one from
# revision 3 with 3.4.23 only. The store is at revision 2.
set -euo pipefail

folder=$(mktemp -d)
etcd=
end() {
    [ -z "$etcd" ] || { kill "$etcd" 2>/dev/null && wait "$etcd" 2>/dev/null; } || true
    rm -rf "$folder"
}
trap end EXIT
cd "$folder"
chmod 755 .
apt-get download -qq etcd-server=3.4.23-4+b4 etcd-client=3.4.23-4+b4 2>/dev/null
curl -sfO http://deb.debian.org/debian/pool/main/e/etcd/etcd-server_3.5.30-2_amd64.deb
for package in etcd-*.deb; do
    dpkg -x "$package" "${package%_*}"
done
export ETCDCTL_API=3 PATH=$folder/etcd-client_3.4.23-4+b4/usr/bin:$PATH

# What a watch from this revision is told at a progress request, within 5 s.
progress() {
    {
        echo "watch --rev=$1 /watched"
        sleep 2
        echo progress
        sleep 5
    } | etcdctl --endpoints "127.0.0.1:$port" watch -i 2>/dev/null || true
}

for version in 3.4.23-4+b4 3.5.30-2; do
    port=$((20000 + RANDOM % 10000)) url=http://127.0.0.1:$port
    "etcd-server_$version/usr/bin/etcd" --data-dir "data-$version" --unsafe-no-fsync \
        --listen-client-urls "$url" --advertise-client-urls "$url" \
        --listen-peer-urls http://127.0.0.1:0 --initial-advertise-peer-urls http://127.0.0.1:0 \
        --initial-cluster default=http://127.0.0.1:0 >log 2>&1 &
    etcd=$!
    for _ in $(seq 100); do
        etcdctl --endpoints "127.0.0.1:$port" put /a 1 >/dev/null 2>&1 && break
        sleep 0.2
    done
    reached=$(progress 2) next=$(progress 3)
    echo "etcd $version at revision 2: from 2 \"$reached\", from 3 \"$next\""
    [ "$reached" = "progress notify: 2" ]
    case $version in
    3.4.*) [ "$next" = "progress notify: 2" ] ;;
    *) [ -z "$next" ] ;;
    esac
    kill "$etcd"
    wait "$etcd" 2>/dev/null || true
    etcd=
done
