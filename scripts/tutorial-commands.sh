#!/usr/bin/env bash
# Prints the commands of a page's console blocks as one bash script, so that a test can run a
# tutorial as it stands. The page is named from the project's directory.
#
#     bash -c "$(scripts/tutorial-commands.sh docs/tutorials/debian.md)"
#     bash -c "$(scripts/tutorial-commands.sh docs/tutorials/first-router.md first-terminal)"
#
# A command begins after "$ " and goes on to the line that completes it for bash: after a backslash
# or a pipe, within quotes, a loop or a here-document. Other lines are output and are not printed.
# Blocks are those whose info string is "console" alone, or "console WORD" if a word is given. With
# --output as the first argument, only the lines of output are printed, and no command.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

is_output=false
if [ "${1:-}" = --output ]; then
    is_output=true
    shift
fi
case $# in
1 | 2) ;;
*) fail "usage: $0 [--output] PAGE [WORD]" ;;
esac
page=$1 wanted=console${2:+ $2}
[ -f "$page" ] || fail "$page is not a file" "name it from $project"

# shellcheck disable=SC2016 # Markdown's own quotation marks
fence='^( *)```(.*)$'
number=0 # of the line
kind=    # the info string of the block, empty outside of one
indent=  # of the block, if it belongs to an item of a list
command= # as far as it has been read
first=0  # the number of its first line
count=0

# Whether bash takes the text as whole commands. A here-document without an end is only a warning to
# it, and a backslash at the very end no error.
is_complete() {
    local said
    [[ $1 != *\\ ]] || return 1
    said=$(LC_ALL=C bash -n <<<"$1" 2>&1) && [ -z "$said" ]
}

while IFS= read -r line || [ -n "$line" ]; do
    number=$((number + 1))
    if [[ $line =~ $fence ]]; then
        [ -z "$command" ] || fail "$page:$first: bash does not take this as a whole command" \
            "${command//$'\n'/$'\n'       }"
        if [ -z "$kind" ]; then
            indent=${BASH_REMATCH[1]} kind=${BASH_REMATCH[2]:-text}
        else
            kind=
        fi
        continue
    fi
    [ "$kind" = "$wanted" ] || continue
    line=${line#"$indent"}
    if [ -n "$command" ]; then
        command+=$'\n'$line
    elif [[ $line == '$ '* ]]; then
        command=${line#'$ '} first=$number
    else
        ! $is_output || say "$line"
        continue
    fi
    is_complete "$command" || continue
    if ! $is_output; then
        [ "$count" -gt 0 ] || printf '#!/usr/bin/env bash\nset -e\n'
        printf '\n# %s:%d\n%s\n' "$page" "$first" "$command"
    fi
    command=
    count=$((count + 1))
done <"$page"
[ -z "$kind" ] || fail "$page: its last block has no end"
[ "$count" -gt 0 ] || fail "$page has no commands in blocks of the kind \"$wanted\""
