#!/usr/bin/env bash
# nginx 1.22.1-9+deb12u11 (Debian 12): five servers with `max_fails=0` by round robin, of which two
# refuse connections. A good guess is that each server is the first one of a fifth of the requests,
# as it is if all five answer or if one is gone, so that two fifths begin at a server that is gone,
# and that a retry can meet the other one. But half of the requests begin there, a quarter at each,
# and hardly a retry meets the other one.
#
# Expected of 1000 requests, give or take 10: with one server gone, 200 first tries there; with two,
# 250 at each, which are all of their tries, and 167 at each of the others.
set -euo pipefail

folder=$(mktemp -d)
nginx=
end_nginx() {
    [ -z "$nginx" ] || { kill "$nginx" 2>/dev/null && wait "$nginx" 2>/dev/null; } || true
    nginx=
}
trap 'end_nginx; rm -rf "$folder"' EXIT
cd "$folder"
chmod 755 .
apt-get download -qq nginx=1.22.1-9+deb12u11 2>/dev/null
dpkg -x nginx_*.deb .
# Its libraries are those of the system.
if ldd usr/sbin/nginx | grep 'not found' >/dev/null; then
    echo "libraries of nginx are missing: apt-get install libpcre2-8-0 libssl3 zlib1g" >&2
    exit 1
fi
usr/sbin/nginx -v
port=$((20000 + RANDOM % 10000))

# ask SERVER...: 1000 requests to these servers, of which those called gone-… do not exist.
ask() {
    {
        [ "$(id -u)" -ne 0 ] || echo "user root;"
        echo "daemon off; pid nginx.pid; error_log /dev/null; worker_processes 1; events {}"
        echo "http { access_log off; client_body_temp_path t; proxy_temp_path t;"
        echo "    fastcgi_temp_path t; uwsgi_temp_path t; scgi_temp_path t;"
        echo "    log_format tries '\$upstream_addr'; upstream u {"
        printf "        server unix:$folder/%s.sock max_fails=0;\n" "$@"
        echo "    }"
        for server in "$@"; do
            [[ $server == gone-* ]] || echo "    server { listen unix:$folder/$server.sock; }"
        done
        echo "    server { listen 127.0.0.1:$port;"
        echo "        location = /ready { return 204; }"
        echo "        location / { access_log tries.log tries; proxy_pass http://u; } } }"
    } >nginx.conf
    usr/sbin/nginx -p "$folder/" -c "$folder/nginx.conf" -e error.log &
    nginx=$!
    for attempt in $(seq 50); do
        curl -sf --noproxy '*' "http://127.0.0.1:$port/ready" && break
        [ "$attempt" -lt 50 ] || { echo "nginx does not answer" >&2; exit 1; }
        sleep 0.1
    done
    curl -s --noproxy '*' -o /dev/null "http://127.0.0.1:$port/?[1-1000]"
    end_nginx
    # An address is unix:PATH/NAME.sock, and those of a request are separated by commas.
    sed "s|unix:$folder/||g; s|\.sock||g" tries.log >tries.txt
    rm -f ./*.sock tries.log
}

# first SERVER: at how many requests it was the first; all: how many tries it had.
first() { cut -d, -f1 tries.txt | grep -c "^$1\$" || true; }
all() { grep -o -w "$1" tries.txt | wc -l; }

near() {
    echo "$1: $2"
    if [ $(($2 - $3)) -lt -10 ] || [ $(($2 - $3)) -gt 10 ]; then
        echo "not about $3" >&2
        exit 1
    fi
}

ask gone-1 a b c d
[ "$(wc -l <tries.txt)" -eq 1000 ]
near "one of five is gone; it was the first of so many requests" "$(first gone-1)" 200
ask gone-1 gone-2 a b c
[ "$(wc -l <tries.txt)" -eq 1000 ]
for server in gone-1 gone-2; do
    near "two of five are gone; $server was the first of so many" "$(first $server)" 250
    near "    tries at it, retries included" "$(all $server)" 250
done
near "    a server that answers was the first of so many" "$(first a)" 167
