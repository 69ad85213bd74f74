#!/usr/bin/env bash
# nginx 1.22.1-9+deb12u11 (Debian 12): a `log_format` with `escape=json` and quotes around every
# variable writes lines that are not JSON. `escape=json` escapes quotes, backslashes and control
# characters, and leaves all bytes from 0x80 on as they are: JSON has to be UTF-8, and the path of a
# request can have any bytes. A good guess from the name is that every line is JSON, whatever a
# client sends. One request with the byte 0xff in its path or in a header makes a line that a strict
# parser rejects, and an importer may then stop at it.
#
# Expected: of four requests the line of the plain one and the one with quotes and a backslash are
# JSON, and those with the byte 0xff in the path and in User-Agent are not even UTF-8.
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
cat >nginx.conf <<END
daemon off; pid nginx.pid; error_log error.log; worker_processes 1;
events {}
http {
    client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t; uwsgi_temp_path t;
    scgi_temp_path t;
    log_format lines escape=json '{"uri":"\$request_uri","agent":"\$http_user_agent"}';
    server {
        listen 127.0.0.1:$port;
        location / { access_log lines.log lines; return 204; }
        location = /ready { access_log off; return 204; }
    }
}
END
[ "$(id -u)" -ne 0 ] || sed -i '1i user root;' nginx.conf
usr/sbin/nginx -v
usr/sbin/nginx -p "$folder/" -c "$folder/nginx.conf" -e error.log &
nginx=$!
for attempt in $(seq 50); do
    curl -so /dev/null --noproxy '*' "http://127.0.0.1:$port/ready" && break
    [ "$attempt" -lt 50 ] || { echo "nginx does not answer" >&2; exit 1; }
    sleep 0.1
done

# send PATH AGENT: with escapes as printf has them; waits for the end of the answer.
send() {
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    printf 'GET %b HTTP/1.1\r\nHost: a\r\nUser-Agent: %b\r\nConnection: close\r\n\r\n' "$@" >&3
    cat <&3 >/dev/null
    exec 3>&-
}
send /plain client
# shellcheck disable=SC1003  # it is a backslash
send '/"\\' '"\\'
send '/\xff' client
send / '\xff'
for _ in $(seq 50); do
    [ "$(wc -l <lines.log)" -lt 4 ] || break
    sleep 0.1
done
python3 - <<'END' | tee verdicts
import json

for line in open("lines.log", "rb"):
    try:
        print("JSON:", json.loads(line))
    except UnicodeDecodeError as error:
        print("no UTF-8:", line.strip(), error.reason)
END
[ "$(cut -d: -f1 verdicts | tr '\n' ,)" = "JSON,JSON,no UTF-8,no UTF-8," ] ||
    { echo "escape=json writes otherwise now" >&2; exit 1; }
