#!/usr/bin/env bash
# What versions of etcd answer to a progress request of a watch that is 3000 revisions behind: all
# that comes within 2 s of the last message.
set -euo pipefail
# shellcheck source=scripts/neighbours/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need etcd34 etcd351 etcd35

python3 - <<'END'
from etcd import Etcd, text

for program in ("ETCD34", "ETCD351", "ETCD35"):
    with Etcd(program) as etcd:
        for _ in range(3000):
            put = etcd.call("kv/put", {"key": text("/p/k"), "value": text("v")})
        present = int(put["header"]["revision"])
        create = {"key": text("/p/"), "range_end": text("/p0"), "start_revision": "1"}
        messages = []
        for message in etcd.watch({"create_request": create}, {"progress_request": {}}):
            if events := message.get("events"):
                messages.append(f"events up to {events[-1]['kv']['mod_revision']}")
            elif not message.get("created"):
                messages.append(f"progress {message['header']['revision']}")
        version = etcd.version()
        print(f"etcd {version}, at revision {present}: {', '.join(messages)}")
        at_once = version.startswith("3.4.") or version == "3.5.1"
        assert messages[-1] == f"events up to {present}", messages
        assert (messages[0] == f"progress {present}") == at_once, messages
        assert at_once or not any("progress" in one for one in messages), messages
END
