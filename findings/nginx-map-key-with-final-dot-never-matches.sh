#!/usr/bin/env bash
# nginx 1.22.1-9+deb12u11 (Debian 12): a `map` with `hostnames` takes a key with a final dot, such
# as `example.com.`, and no value ever matches it: the dot at the end of the value is taken off
# before the look-up, and that of the key stays. Names of zone files and of DNS tools are written
# so, and a good guess is that both forms are the same host, or that each matches itself. Nothing
# is logged, `nginx -t` says nothing, and the request gets the default. Without `hostnames` such a
# key matches itself. The same holds for `*.example.com.`, a mask.
#
# Expected: with `hostnames` neither form of the host finds the keys with a dot, and both find the
# key without one; without `hostnames` each form finds its own key.
set -euo pipefail

folder=$(mktemp -d)
nginx=
trap '[ -z "$nginx" ] || kill "$nginx" 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder"
chmod 755 .
apt-get download -qq nginx=1.22.1-9+deb12u11 2>/dev/null
dpkg -x nginx_*.deb .
# What it is linked with.
if ldd usr/sbin/nginx | grep 'not found' >/dev/null; then
    echo "libraries of nginx are missing: apt-get install libpcre2-8-0 libssl3 zlib1g" >&2
    exit 1
fi

port=$((20000 + RANDOM % 10000))
cat >nginx.conf <<END
daemon off; pid nginx.pid; error_log error.log; worker_processes 1;
events {}
http {
    access_log off; client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t;
    uwsgi_temp_path t; scgi_temp_path t;
    map \$arg_h \$masked {
        hostnames;
        default none;
        dotted.example. dotted; *.dotted.example. mask; plain.example plain;
    }
    map \$arg_h \$exact { default none; dotted.example. dotted; plain.example plain; }
    server { listen 127.0.0.1:$port; return 200 "\$masked \$exact"; }
}
END
[ "$(id -u)" -ne 0 ] || sed -i '1i user root;' nginx.conf
usr/sbin/nginx -t -q -p "$folder/" -c "$folder/nginx.conf" -e error.log
[ ! -s error.log ] || { echo "nginx -t says: $(cat error.log)" >&2; exit 1; }
usr/sbin/nginx -p "$folder/" -c "$folder/nginx.conf" -e error.log &
nginx=$!
for attempt in $(seq 50); do
    curl -so /dev/null --noproxy '*' "http://127.0.0.1:$port/" && break
    [ "$attempt" -lt 50 ] || { echo "nginx does not answer" >&2; exit 1; }
    sleep 0.1
done

is() {
    local found
    found=$(curl -s --noproxy '*' "http://127.0.0.1:$port/?h=$1")
    echo "$1: with hostnames and without: $found"
    [ "$found" = "$2" ] || { echo "expected: $2" >&2; exit 1; }
}
is dotted.example. "none dotted"
is dotted.example "none none"
is www.dotted.example. "none none"
is plain.example "plain plain"
is plain.example. "plain none"
