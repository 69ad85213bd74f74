#!/usr/bin/env bash
# Prometheus 2.42.0+ds-5+deb12u1 (Debian 12): the first scrape comes five seconds after the start,
# whatever `scrape_interval` says, also for targets that are written in the configuration. Targets
# come from the discovery of services, which hands them over every five seconds, and static ones
# take the same way. Until then the server is ready (/-/ready answers 200), and has no target at
# all, not even one that is down. A good guess is that static targets are there at once, and that
# the first scrape comes within the first interval.
#
# Expected, with an interval of 0.1 s: the server is ready within 3 s; a second later it has no
# target; the first scrape comes 3 to 8 s after the start, and ten more within the next 3 s.
set -euo pipefail

folder=$(mktemp -d)
server=
end() {
    [ -z "$server" ] || { kill "$server" 2>/dev/null && wait "$server" 2>/dev/null; } || true
    rm -rf "$folder"
}
trap end EXIT
cd "$folder"
apt-get download -qq prometheus=2.42.0+ds-5+deb12u1 2>/dev/null
dpkg -x prometheus_*.deb .
usr/bin/prometheus --version 2>&1 | head -n 1

port=$((20000 + RANDOM % 10000))
cat >prometheus.yml <<END
global: {scrape_interval: 100ms, scrape_timeout: 100ms}
scrape_configs: [{job_name: itself, static_configs: [{targets: ['127.0.0.1:$port']}]}]
END
ask() { curl -sf --noproxy '*' "http://127.0.0.1:$port/$1"; }
milliseconds() { echo $(($(date +%s%N) / 1000000)); }
# after SECONDS WHAT COMMAND...: says how long it takes until the command succeeds.
after() {
    local most=$1 what=$2
    shift 2
    until "$@" >/dev/null; do
        [ $(($(milliseconds) - began)) -lt $((most * 1000)) ] ||
            { echo "not within $most s: $what" >&2; exit 1; }
        sleep 0.05
    done
    took=$(($(milliseconds) - began))
    echo "$what after $took ms"
}
targets() { ask 'api/v1/targets?state=active' | grep -c '"scrapePool"' || true; }
scraped() { ask 'api/v1/query?query=up' | grep '"value"' >/dev/null; }
ten() {
    ask 'api/v1/query?query=count_over_time(up%5B1m%5D)' |
        grep -E '"value":\[[^]]*"[1-9][0-9]+"' >/dev/null
}

began=$(milliseconds)
usr/bin/prometheus --config.file=prometheus.yml --storage.tsdb.path=data --log.level=error \
    "--web.listen-address=127.0.0.1:$port" &
server=$!
after 3 "ready" ask -/ready
sleep 1
echo "targets a second later: $(targets)"
[ "$(targets)" -eq 0 ] || { echo "the target is there at once now" >&2; exit 1; }
after 8 "the first scrape" scraped
[ "$took" -ge 3000 ] || { echo "the first scrape comes at once now" >&2; exit 1; }
began=$(milliseconds)
after 3 "ten scrapes" ten
