#!/usr/bin/env bash
# nginx 1.22.1-9+deb12u11 (Debian 12): `hash $arg_k` and `hash $arg_k consistent` with an *empty*
# key do not hash it: the request takes its turn, as with round robin. A good guess is that all
# requests without the key share one server, since an empty string has a hash like any other. So a
# fleet of caches keyed by an argument that is missing now and then spreads just these requests
# over all servers, and each of them fetches the same object.
#
# Expected: nine requests without a key get abcabcabc with both methods; nine with `k=x` get one
# server.
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
for name in plain ring; do
    [ "$name" = ring ] && how=' consistent' || how=
    upstreams+="upstream $name { hash \$arg_k$how; server unix:a.sock; server unix:b.sock; "
    upstreams+="server unix:c.sock; }"
    locations+="location /$name { proxy_pass http://$name; }"
done
for name in a b c; do servers+="server { listen unix:$folder/$name.sock; return 200 $name; }"; done
cat >nginx.conf <<END
daemon off; pid nginx.pid; error_log error.log; worker_processes 1;
events {}
http {
    access_log off; client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t;
    uwsgi_temp_path t; scgi_temp_path t;
    ${upstreams//unix:/unix:$folder/}
    $servers
    server { listen 127.0.0.1:$port; $locations }
}
END
[ "$(id -u)" -ne 0 ] || sed -i '1i user root;' nginx.conf
usr/sbin/nginx -p "$folder/" -c "$folder/nginx.conf" -e error.log &
nginx=$!
for attempt in $(seq 50); do
    curl -so /dev/null --noproxy '*' "http://127.0.0.1:$port/" && break
    [ "$attempt" -lt 50 ] || { echo "nginx does not answer" >&2; exit 1; }
    sleep 0.1
done

nine() { for _ in 1 2 3 4 5 6 7 8 9; do curl -s --noproxy '*' "http://127.0.0.1:$port/$1"; done; }
for name in plain ring; do
    without=$(nine "$name") with=$(nine "$name?k=x")
    echo "$name: without a key $without, with one $with"
    case $without in abcabcabc | bcabcabca | cabcabcab) ;; *) echo "no turns" >&2; exit 1 ;; esac
    case $with in aaaaaaaaa | bbbbbbbbb | ccccccccc) ;; *) echo "no hash" >&2; exit 1 ;; esac
done
