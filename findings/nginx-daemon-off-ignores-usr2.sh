#!/usr/bin/env bash
# nginx 1.22.1-9+deb12u11 (Debian 12): SIGUSR2, which upgrades the binary, has no effect on an
# nginx that was started with `daemon off`. The master's parent still runs, and nginx takes this
# for an upgrade in progress: it logs "the changing binary signal is ignored: you should shutdown
# or terminate before either old or new binary's process", although there is only one. So a
# supervisor that runs nginx in the foreground cannot use nginx's own upgrade. A good guess is that
# `daemon off` only leaves out the fork at the start.
#
# Expected: with `daemon on` SIGUSR2 makes a second master and nginx.pid.oldbin; with `daemon off`
# there is neither, and the error log has the line above.
set -euo pipefail

folder=$(mktemp -d)
started=()
end() {
    local pid
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    # Daemons are not children of this shell.
    for pid in "${started[@]}"; do
        for _ in $(seq 50); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
    done
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
usr/sbin/nginx -v

# within SECONDS COMMAND...: runs the command until it succeeds; fails when the time is up.
within() {
    local attempts=$(($1 * 10))
    shift
    until "$@"; do
        [ $((attempts -= 1)) -gt 0 ] || return 1
        sleep 0.1
    done
}

ignored="changing binary signal is ignored"
for daemon in on off; do
    mkdir "$daemon"
    {
        [ "$(id -u)" -ne 0 ] || echo "user root;"
        echo "daemon $daemon; pid nginx.pid; error_log error.log; worker_processes 1; events {}"
        echo "http { access_log off; client_body_temp_path t; proxy_temp_path t;"
        echo "    fastcgi_temp_path t; uwsgi_temp_path t; scgi_temp_path t;"
        echo "    server { listen unix:$folder/$daemon/a.sock; } }"
    } >"$daemon/nginx.conf"
    usr/sbin/nginx -p "$folder/$daemon/" -c "$folder/$daemon/nginx.conf" -e error.log &
    [ "$daemon" = on ] || started+=("$!")
    # The old master's signal handlers are set before it writes this file.
    within 10 test -s "$daemon/nginx.pid" || { echo "nginx does not start" >&2; exit 1; }
    master=$(<"$daemon/nginx.pid")
    [ "$daemon" = off ] || started+=("$master")
    # A master that was just started may still have the starting process as its parent.
    [ "$daemon" = off ] || wait "$!"
    kill -USR2 "$master"
    if [ "$daemon" = on ]; then
        for file in on/nginx.pid.oldbin on/nginx.pid; do
            within 10 test -s "$file" || { echo "no upgrade with daemon on" >&2; exit 1; }
        done
        started+=("$(<on/nginx.pid)")
        echo "daemon on:  a second master"
    else
        within 10 grep -q "$ignored" off/error.log || { echo "it is not ignored now" >&2; exit 1; }
        [ ! -e off/nginx.pid.oldbin ] || { echo "it upgrades now" >&2; exit 1; }
        echo "daemon off: $(sed -n 's/.*: \(the changing binary.*\)/\1/p' off/error.log)"
    fi
done
