#!/usr/bin/env bash
# Runs the tutorials as they stand, as an ordinary user with sudo on a bare Debian 12 does: every
# command that they show, but for those of Docker and Kubernetes (scripts/test-image.sh). It
# installs packages and starts services: run it in scripts/bare.sh.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=scripts/tutorials/follow.sh
. scripts/tutorials/follow.sh

ready_seconds=1800
end_seconds=30
started=

clean_up() {
    if [ -n "$started" ] && is_alive "$started"; then
        kill -TERM -- "-$started" || true
        wait_until "$end_seconds" is_gone "$started" || kill -KILL -- "-$started" || true
    fi
    rm -rf "$folder"
}
trap clean_up EXIT

# The commands are what is tested here, and not how fast the module is that they build: it shares
# what `make run` has compiled.
export NGX_CARGO_PROFILE=demo

say "== $tutorials/first-router.md"
output=$folder/first-terminal
commands=$(scripts/tutorial-commands.sh "$tutorials/first-router.md" first-terminal)
# A group of its own, as a terminal gives, and with SIGINT, which a script's background jobs ignore.
env --default-signal=INT setsid bash -c "$commands" >"$output" 2>&1 </dev/null &
started=$!
is_ready_or_gone() { grep -q "Ctrl-C ends" "$output" || is_gone "$started"; }
wait_until "$ready_seconds" is_ready_or_gone || fail "it was not ready within $ready_seconds s"
grep -q "Ctrl-C ends" "$output" || fail "the first terminal ended by itself" "$(tail "$output")"
follow first-router.md
kill -INT -- "-$started"
wait_until "$end_seconds" is_gone "$started" || fail "Ctrl-C does not end the first terminal"

say "== $tutorials/debian.md"
follow debian.md
follow debian.md undo

say "== $tutorials/platform.md"
follow platform.md
follow platform.md undo

# jq is what some pages need, as they say.
sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    iproute2 jq procps systemd >/dev/null
# In most containers there can be no machine of its own.
if sudo unshare --mount --pid --net --cgroup --ipc --uts --fork \
    mount -t cgroup2 cgroup2 /sys/fs/cgroup 2>/dev/null; then
    scripts/tutorials/booted.sh scripts/tutorials/with-systemd.sh
else
    say "== skipped: the pages for systemd, which cannot be started here"
fi

say "== the tutorials work as they stand"
