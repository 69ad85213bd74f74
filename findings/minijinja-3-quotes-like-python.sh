#!/usr/bin/env bash
# minijinja 3.1.0 after 2.24.0 (PyPI): version 3 prints the strings in lists and maps in single
# quotes, where version 2 prints them in double quotes. With 2.24 a list or map of strings and
# numbers is valid JSON as it is printed, so a template that writes JSON without the filter
# `tojson` works, and no longer does after the update, without an error. `true` and `none` are no
# JSON in either: both print True and None in a list, as Python does. A tuple prints as a list in
# 2.24 and in round brackets in 3.1. A good guess is that the form is the same in both, and either
# Python's or JSON's.
#
# Expected: what is below for each version. `tojson` prints JSON in both, 3.1 with spaces in it.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for version in 2.24.0 3.1.0; do
    python3 -m pip install -q --no-deps --disable-pip-version-check --root-user-action=ignore \
        --target "$version" "minijinja==$version"
    PYTHONPATH=$folder/$version python3 - >"$version.txt" <<'END'
import minijinja

environment = minijinja.Environment()
for expression in ("{'port': 80, 'name': 'a'}", "['a', 1]", "[true, none]", "('a', 1)",
                   "{'port': 80, 'name': 'a'}|tojson"):
    printed = environment.render_str("{{ " + expression + " }}", "page.txt")
    print(f"{expression:34}{printed}")
END
    echo "minijinja $version"
    sed 's/^/  /' "$version.txt"
done

cat >2.24.0.expected <<'END'
{'port': 80, 'name': 'a'}         {"port": 80, "name": "a"}
['a', 1]                          ["a", 1]
[true, none]                      [True, None]
('a', 1)                          ["a", 1]
{'port': 80, 'name': 'a'}|tojson  {"port":80,"name":"a"}
END
cat >3.1.0.expected <<'END'
{'port': 80, 'name': 'a'}         {'port': 80, 'name': 'a'}
['a', 1]                          ['a', 1]
[true, none]                      [True, None]
('a', 1)                          ('a', 1)
{'port': 80, 'name': 'a'}|tojson  {"port": 80, "name": "a"}
END
for version in 2.24.0 3.1.0; do
    diff "$version.expected" "$version.txt" ||
        { echo "minijinja $version prints otherwise now" >&2; exit 1; }
done
