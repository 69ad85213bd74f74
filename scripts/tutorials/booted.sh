#!/usr/bin/env bash
# Runs a command by this user on a machine of its own: systemd as process 1, with this machine's
# files, and a network that nobody else is in. It has the addresses that the tutorials use. At its
# end all that runs there is killed; what was written to files stays, except in /run and /tmp.
#
#     scripts/tutorials/booted.sh scripts/tutorials/with-systemd.sh
#
# For scripts/bare.sh only: services that are enabled are started.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../common.sh"

[ $# -gt 0 ] || fail "usage: $0 COMMAND..."
if [ "$(id -u)" -ne 0 ]; then
    # sudo sets another PATH.
    exec sudo --preserve-env env PATH="$PATH" "$0" "$@"
fi
user=${SUDO_USER:-root}
boot_seconds=120
log=/var/log/tutorials-boot.log

# Nothing is mounted outside of it, and the kernel's settings are this machine's: they stay.
unshare --mount --pid --net --cgroup --ipc --uts --fork --kill-child -- bash -s \
    >"$log" 2>&1 <<'INSIDE' &
set -euo pipefail
mount -t proc proc /proc
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -o remount,bind,ro /sys
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs -o mode=1777 tmp /tmp
mkdir -p /run/systemd/system
for unit in systemd-modules-load systemd-sysctl systemd-remount-fs systemd-logind; do
    ln -s /dev/null "/run/systemd/system/$unit.service"
done
ip link set lo up
for address in 10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.7 10.0.0.8 10.0.1.100 10.0.1.101; do
    ip address add "$address/32" dev lo
done
exec env -i container=tutorials PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --unit=multi-user.target
INSIDE
started=$!
# bash would tell of its end.
disown "$started"
trap 'kill -KILL "$started" 2>/dev/null || true; rm -f "$log"' EXIT

# shellcheck disable=SC2317  # wait_until calls them
first_process() { pgrep --parent "$started" systemd >/dev/null; }
wait_until "$boot_seconds" first_process || fail "systemd was not started" "$(tail "$log")"
first=$(pgrep --parent "$started" systemd)
inside() { nsenter --all --root --wd --target "$first" "$@"; }
# shellcheck disable=SC2317
is_booted() { [ "$(inside systemctl is-system-running 2>/dev/null)" = running ]; }
wait_until "$boot_seconds" is_booted ||
    fail "systemd has not booted" "$(inside systemctl --failed)" "$(tail "$log")"

inside hostname "$(hostname)"

code=0
inside setpriv --reuid="$user" --regid="$user" --init-groups env --chdir="$project" \
    HOME="$(getent passwd "$user" | cut -d: -f6)" "$@" </dev/null || code=$?
exit "$code"
