#!/usr/bin/env bash
# Prometheus 2.42.0+ds-5+deb12u1 (Debian 12): `timestamp(up)` is the time of the last sample, and
# `timestamp(up == 1)` is the time of the query, although both have the same series and values. The
# same is true of `timestamp(up + 0)` and `timestamp(max_over_time(up[5m]))`: only a plain selector
# has the time of its samples. The documentation says that the function "returns the timestamp of
# each of the samples of the given vector". A good guess is that a filter passes samples on as they
# are. To whoever asks by `timestamp(up == 1)` how fresh a series is, it is always new.
#
# Expected, of samples at 0 s and 60 s and a query at 105 s: 60 of the selector, and with
# parentheses or an offset, and 105 of the others.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq prometheus=2.42.0+ds-5+deb12u1 2>/dev/null
dpkg -x prometheus_*.deb .
usr/bin/promtool --version 2>&1 | head -n 1

# is SECONDS EXPRESSION: promtool evaluates it as the server does, with samples at these times.
is() {
    printf 'groups: []\n' >rules.yml
    cat >test.yml <<TEST
rule_files: [rules.yml]
tests:
  - interval: 1m
    input_series: [{series: up, values: 1 1}]
    promql_expr_test:
      - {expr: '$2', eval_time: 105s, exp_samples: [{labels: '{}', value: $1}]}
TEST
    usr/bin/promtool test rules test.yml >said 2>&1 || {
        cat said >&2
        echo "$2 is another time now" >&2
        exit 1
    }
    echo "$2 is $1"
}
is 60 'timestamp(up)'
is 60 'timestamp((up))'
is 60 'timestamp(up offset 30s)'
is 105 'timestamp(up == 1)'
is 105 'timestamp(up + 0)'
is 105 'timestamp(max_over_time(up[5m]))'
is 60 'timestamp(up) and up == 1'
