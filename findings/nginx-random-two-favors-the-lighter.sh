#!/usr/bin/env bash
# nginx 1.22.1-9+deb12u11 (Debian 12): with `random two` and two idle servers of weights 10 and 1,
# the server of weight 1 gets more than three quarters of the requests. nginx draws two different
# servers by weight and then takes the one with fewer connections for its weight. If both are
# equally loaded it takes the second one drawn. The heavy server is usually drawn first, and the
# second is never the first again. A good guess is that idle servers share by weight, as they do
# with `random`, `least_conn` and round robin.
#
# Expected, of 1100 requests, to the server of weight 1: at least 700 with `random two` (seen: 840
# to 880), at most 200 with `random`, exactly 100 with `least_conn`.
set -euo pipefail

folder=$(mktemp -d)
nginx=
end() {
    [ -z "$nginx" ] || { kill "$nginx" 2>/dev/null && wait "$nginx" 2>/dev/null; } || true
    rm -rf "$folder"
}
trap end EXIT
cd "$folder"
chmod 755 .
apt-get download -qq nginx=1.22.1-9+deb12u11 2>/dev/null
dpkg -x nginx_*.deb .
# Its libraries are those of the system.
if ldd usr/sbin/nginx | grep 'not found' >/dev/null; then
    echo "libraries of nginx are missing: apt-get install libpcre2-8-0 libssl3 zlib1g" >&2
    exit 1
fi

port=$((20000 + RANDOM % 10000))
upstream() {
    echo "upstream $1 { $2; server unix:$folder/heavy.sock weight=10;"
    echo "    server unix:$folder/light.sock; }"
}
cat >nginx.conf <<END
daemon off; pid nginx.pid; error_log error.log; worker_processes 1;
events {}
http {
    access_log off; client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t;
    uwsgi_temp_path t; scgi_temp_path t; keepalive_requests 10000;
    $(upstream two "random two")
    $(upstream one "random")
    $(upstream least "least_conn")
    server { listen unix:$folder/heavy.sock; return 200 heavy; }
    server { listen unix:$folder/light.sock; return 200 light; }
    server {
        listen 127.0.0.1:$port;
        location /two { proxy_pass http://two; }
        location /one { proxy_pass http://one; }
        location /least { proxy_pass http://least; }
    }
}
END
[ "$(id -u)" -ne 0 ] || sed -i '1i user root;' nginx.conf
usr/sbin/nginx -v
usr/sbin/nginx -p "$folder/" -c "$folder/nginx.conf" -e error.log &
nginx=$!
for attempt in $(seq 50); do
    curl -so /dev/null --noproxy '*' "http://127.0.0.1:$port/" && break
    [ "$attempt" -lt 50 ] || { echo "nginx does not answer" >&2; exit 1; }
    sleep 0.1
done

# light LOCATION: how many of 1100 requests reach the server of weight 1.
light() {
    curl -s --noproxy '*' "http://127.0.0.1:$port/$1?[1-1100]" | grep -o light | wc -l
}
two=$(light two) one=$(light one) least=$(light least)
echo "of 1100 requests to the server of weight 1 beside 10: random two $two, random $one," \
    "least_conn $least"
[ "$one" -le 200 ] || { echo "random does not share by weight" >&2; exit 1; }
[ "$least" -eq 100 ] || { echo "least_conn does not share by weight" >&2; exit 1; }
[ "$two" -ge 700 ] || { echo "random two shares otherwise now" >&2; exit 1; }
