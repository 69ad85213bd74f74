# shellcheck shell=bash
# What docs/images/make-run.svg shows of the output of `make run`; to be sourced after
# scripts/common.sh.

picture=docs/images/make-run.svg

# Of what `make run` prints, the lines that the picture shows: some of explanation are left out.
shown_of_run() {
    sed -e 's|[^ ]*/firehose-router\.[A-Za-z0-9]*\.|/tmp/firehose-router.XXXXXX.|' \
        -e '/Open a WebSocket/,/^$/d' -e '/Write a value/,/^$/d' -e '/Delete this/,/^$/d'
}

# The lines that the picture has, without its first one, the command; those that it breaks end with
# a space.
text_of_picture() {
    sed -n 's|^<text [^>]*>\(.*\)</text>$|\1|p' "$picture" | sed -e 1d \
        -e ':joined' -e '/ $/ { N; s/\n//; b joined' -e '}' \
        -e 's/&lt;/</g; s/&gt;/>/g; s/&amp;/\&/g'
}
