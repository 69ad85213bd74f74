#!/usr/bin/env bash
# Stands in for the program docker on a machine without an engine, as far as systemd/ uses it: a
# "container" is the demonstration node on a port of this machine. What the announcer asks of
# Docker's API is answered by scripts/tutorials/with-systemd.sh.
set -euo pipefail

case $1 in
run) exec /usr/local/bin/demo-node --listen 0.0.0.0:32768 --name "$4" ;;
rm | stop) ;; # systemd ends the process
*) exit 1 ;;
esac
