#!/usr/bin/env bash
# nginx 1.22.1-9+deb12u11 (Debian 12): with `hash`, `ip_hash` and `random` nginx rejects the
# parameter `backup`: "balancing method does not support parameter "backup"". It does so only for
# `server` lines that follow the method. Before it the same line is accepted, and the backup server
# serves when the others fail. So moving a line within the block makes a configuration valid or
# invalid. A good guess is that the block is checked as a whole, or that a backup server which was
# accepted is never used.
#
# Expected for each method: `server … backup` after the method fails `nginx -t`, before the method
# it passes, and a request with the other server gone gets the answer of the backup server.
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

# configure LINES: writes a configuration whose upstream has these lines.
configure() {
    {
        [ "$(id -u)" -ne 0 ] || echo "user root;"
        echo "daemon off; pid nginx.pid; error_log error.log; worker_processes 1; events {}"
        echo "http { access_log off; client_body_temp_path t; proxy_temp_path t;"
        echo "    fastcgi_temp_path t; uwsgi_temp_path t; scgi_temp_path t;"
        echo "    upstream u { $1 }"
        echo "    server { listen unix:$folder/b.sock; return 200 backup; }"
        echo "    server { listen 127.0.0.1:$port; location / { proxy_pass http://u; } } }"
    } >nginx.conf
}

servers="server unix:$folder/gone.sock; server unix:$folder/b.sock backup;"
for method in "hash \$arg_k;" "hash \$arg_k consistent;" "ip_hash;" "random;"; do
    configure "$method $servers"
    if usr/sbin/nginx -p "$folder/" -c "$folder/nginx.conf" -e error.log -t >test.log 2>&1; then
        echo "$method backup after the method is accepted now" >&2
        exit 1
    fi
    grep -q 'does not support parameter "backup"' test.log || { cat test.log >&2; exit 1; }
    configure "$servers $method"
    usr/sbin/nginx -p "$folder/" -c "$folder/nginx.conf" -e error.log &
    nginx=$!
    for attempt in $(seq 50); do
        answer=$(curl -s --noproxy '*' "http://127.0.0.1:$port/?k=x") && break
        [ "$attempt" -lt 50 ] || { echo "$method: nginx does not answer" >&2; exit 1; }
        sleep 0.1
    done
    end_nginx
    rm -f b.sock
    echo "$method backup after it: rejected; before it: accepted, answer: $answer"
    [ "$answer" = backup ] || { echo "the backup server is not used now" >&2; exit 1; }
done
