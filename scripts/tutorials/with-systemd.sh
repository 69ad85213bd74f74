#!/usr/bin/env bash
# Runs the tutorials that need systemd, more than one member of etcd, or addresses of a network:
# every command as it stands. What a page expects to be there is prepared first. Started by
# scripts/check-tutorials.sh on a machine of scripts/tutorials/booted.sh.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
# shellcheck source=scripts/tutorials/follow.sh
. scripts/tutorials/follow.sh

answer_seconds=30

# start_etcd NAME LISTEN ADVERTISED ARGUMENT...: an etcd that is empty.
start_etcd() {
    local name=$1 listen=$2 advertised=$3
    shift 3
    sudo systemd-run --quiet --collect --unit "etcd-$name" etcd --name "$name" \
        --data-dir "/tmp/etcd-$name" --listen-client-urls "http://$listen:2379" \
        --advertise-client-urls "http://$advertised:2379" --listen-peer-urls http://127.0.0.1:0 \
        --initial-advertise-peer-urls http://127.0.0.1:0 \
        --initial-cluster "$name=http://127.0.0.1:0" --log-level error --logger zap "$@"
    wait_until "$answer_seconds" curl -sf -o "$folder/health" "http://$advertised:2379/health" ||
        fail "etcd does not answer"
}
stop_etcd() {
    sudo systemctl stop "etcd-$1"
    sudo rm -rf "/tmp/etcd-$1"
}
v2() { ETCDCTL_API=2 etcdctl --endpoints http://10.0.0.1:2379 "$@" >/dev/null; }
answers() { [ "$(curl -s -o /dev/null -w '%{http_code}' "$1")" = "$2" ]; }
expect() { wait_until "$answer_seconds" "$@" || fail "it is not so: $*"; }

say "== $tutorials/debian.md, with systemd"
# Debian's packages have it started; the keys are those of the same page without systemd.
sudo systemctl stop etcd nginx
sudo rm -rf /var/lib/etcd/default
follow debian.md
follow debian.md systemd
follow debian.md undo

say "== $tutorials/systemd.md"
start_etcd systemd 0.0.0.0 10.0.0.1
sudo install -m 755 scripts/tutorials/docker.sh /usr/bin/docker
sudo install -m 755 build/demo/demo-node /usr/local/bin/demo-node
# Docker's API, with one container.
sudo tee /etc/docker-api.conf >/dev/null <<'END'
error_log stderr;
pid /run/docker-api.pid;
events {}
http {
    access_log off;
    server {
        listen unix:/run/docker.sock;
        location = /containers/firehose-01/json {
            return 200 '{"State": {"Status": "running", "Running": true}, "NetworkSettings":
                {"Ports": {"7474/tcp": [{"HostIp": "0.0.0.0", "HostPort": "32768"}]}}}';
        }
    }
}
END
sudo tee /etc/systemd/system/docker.service >/dev/null <<'END'
[Service]
ExecStart=/usr/sbin/nginx -c /etc/docker-api.conf -g 'daemon off;'
END
follow systemd.md
sudo systemctl disable --quiet --now firehose-router
# The announcer would wait for requests to end.
sudo systemctl kill -s KILL firehose-announce@01
sudo systemctl disable --quiet --now firehose-announce@01 firehose@01
stop_etcd systemd

say "== $tutorials/from-confd.md"
start_etcd confd 0.0.0.0 10.0.0.1 --enable-v2
v2 set /app/upstream/app1 10.0.1.100:80
v2 set /app/upstream/app2 10.0.1.101:80
follow from-confd.md v2
sudo mkdir -p /etc/confd/templates
block from-confd.md text 1 | sudo tee /etc/confd/templates/app.conf.tmpl >/dev/null
sudo tee /etc/systemd/system/confd.service >/dev/null <<END
[Service]
ExecStart=$project/scripts/tutorials/confd.sh /etc/confd/templates/app.conf.tmpl \
    /etc/nginx/conf.d/app.conf
Restart=always
[Install]
WantedBy=multi-user.target
END
sudo tee /etc/nginx/conf.d/nodes.conf >/dev/null <<'END'
server { listen 10.0.1.100:80; return 200 "node-1\n"; }
server { listen 10.0.1.101:80; return 200 "node-2\n"; }
END
sudo rm -f /etc/nginx/sites-enabled/default
# Step 2.
sudo make --no-print-directory install
echo 'load_module modules/ngx_http_upstream_etcd_module.so;' |
    sudo tee /etc/nginx/modules-enabled/50-mod-http-upstream-etcd.conf
sudo sed -i 's|^error_log .*|error_log /var/log/nginx/error.log notice;|' /etc/nginx/nginx.conf
sudo systemctl daemon-reload
sudo systemctl start nginx
sudo systemctl enable --quiet --now confd
expect answers http://127.0.0.1:8080/ 200
# Steps 3 and 4.
block from-confd.md nginx 1 | sudo tee /etc/nginx/conf.d/app.conf.new >/dev/null
block from-confd.md nginx 2 | sudo tee /etc/nginx/conf.d/app-etcd.conf >/dev/null
follow from-confd.md
expect answers http://127.0.0.1:8080/ 200
expect answers http://127.0.0.1:8080/etcd 200
sudo grep -q 'upstream "app": 3 peers (+1 -0 ~0)' /var/log/nginx/error.log ||
    fail "nginx does not log the key that was put"
follow from-confd.md back
expect grep -q 'server 10.0.1.100:80' /etc/nginx/conf.d/app.conf
expect answers http://127.0.0.1:8080/ 200
sudo systemctl disable --quiet --now confd
sudo rm /etc/nginx/conf.d/app.conf /var/lib/nginx/app.peers
stop_etcd confd

say "== $tutorials/from-nginx-upsync.md"
start_etcd upsync 0.0.0.0 10.0.0.1 --enable-v2
for node in 10.0.0.7:80 10.0.0.8:80; do
    v2 set "/upstreams/app/$node" \
        '{"weight":1,"max_fails":2,"fail_timeout":10,"down":0,"backup":0}'
done
# What nginx-upsync-module answers.
sudo tee /etc/nginx/conf.d/upsync.conf >/dev/null <<'END'
server {
    listen 8080;
    location = /upstream_show {
        return 200 "Upstream name: app; Backend server count: 2
        server 10.0.0.7:80 weight=1 max_fails=2 fail_timeout=10s;
        server 10.0.0.8:80 weight=1 max_fails=2 fail_timeout=10s;
";
    }
}
END
bash -ec "$(block from-nginx-upsync.md sh 1)" </dev/null
follow from-nginx-upsync.md
sudo systemctl stop nginx
sudo rm /etc/nginx/conf.d/upsync.conf /etc/nginx/conf.d/app-etcd.conf
stop_etcd upsync

say "== $tutorials/from-original-router.md"
start_etcd old 10.0.0.1 10.0.0.1 --enable-v2
start_etcd new 10.0.0.2 10.0.0.2
v2 set /firehose/nginx/put_allow/office 10.0.0.0/8
v2 set /firehose/nginx/worker_processes 8
v2 set --ttl 43 /firehose/upstream/firehose-01 172.16.32.90:39283
follow from-original-router.md
copied=$(etcdctl --endpoints http://10.0.0.2:2379 get --prefix --keys-only /firehose/ | grep -c .)
[ "$copied" = 2 ] || fail "migrate has not copied the settings"
