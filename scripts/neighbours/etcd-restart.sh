#!/usr/bin/env bash
# What a restart of etcd does to leases, and how fast etcd revokes those that have expired: 2500
# leases with a key each, granted for 60 s. First etcd is restarted; then, with new leases, it is
# halted for 65 s, so that all of them have expired when it goes on. It takes
# five minutes.
set -euo pipefail
# shellcheck source=scripts/neighbours/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need etcd34 etcd35

python3 - <<'END'
import signal, statistics, time
from etcd import Etcd, text

number, granted = 2500, 60
count = {"key": text("/l/"), "range_end": text("/l0"), "count_only": True}

def keys(etcd):
    return int(etcd.call("kv/range", count).get("count", 0))

def grant(etcd, first):
    began = time.monotonic()
    for lease in range(first, first + number):
        etcd.call("lease/grant", {"TTL": str(granted), "ID": str(lease)})
    puts = [{"requestPut": {"key": text(f"/l/{lease}"), "lease": str(lease)}}
            for lease in range(first, first + number)]
    for some in range(0, number, 100):
        etcd.call("kv/txn", {"success": puts[some:some + 100]})
    left, took = keys(etcd), time.monotonic() - began
    assert left == number, f"granting takes too long: {left} keys after {took:.1f} s"

def revoked(etcd):
    """After how many seconds the first key is gone, and how many go in a second."""
    began, times, lefts = time.monotonic(), [], []
    while (left := keys(etcd)) > 0:
        if left < number:
            times.append(time.monotonic() - began)
            lefts.append(left)
        time.sleep(0.05)
    rate = -statistics.linear_regression(times, lefts).slope
    print(f"  the first keys are gone after {times[0]:.1f} s, the last after "
          f"{time.monotonic() - began:.1f} s: {rate:.0f} in a second")
    return times[0], rate

for program in ("ETCD34", "ETCD35"):
    with Etcd(program) as etcd:
        print(f"etcd {etcd.version()}: {number} leases of {granted} s")
        grant(etcd, 1)
        print("  restarted")
        etcd.restart()
        first, rate = revoked(etcd)
        assert first >= granted - 1, "what was left counts"
        # A busy machine is slower.
        assert rate < 850, rate
        grant(etcd, number + 1)
        print("  halted for 65 s")
        etcd.signal(signal.SIGSTOP)
        time.sleep(65)
        etcd.signal(signal.SIGCONT)
        _, rate = revoked(etcd)
        assert rate < 1150, rate
END
