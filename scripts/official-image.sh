#!/usr/bin/env bash
# Makes a stand-in for the official nginx image, for tests where that cannot be pulled: nginx from
# sources, with the paths, modules and user of the official image, on Debian 12. Never publish an
# image that is built on it.
#
#     scripts/official-image.sh SOURCES IMAGE       SOURCES: the absolute path of nginx's
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
[ $# -eq 2 ] || fail "usage: $0 SOURCES IMAGE"
# shellcheck source=scripts/docker.sh
. scripts/docker.sh
sources=$1
image=$2
folder=$(mktemp -d "${TMPDIR:-/tmp}/official-image.XXXXXX")
trap 'rm -rf "$folder"' EXIT

# What `nginx -V` of the official image shows, without the options of the compiler.
paths=(--prefix=/etc/nginx --sbin-path=/usr/sbin/nginx --modules-path=/usr/lib/nginx/modules
    --conf-path=/etc/nginx/nginx.conf --error-log-path=/var/log/nginx/error.log
    --http-log-path=/var/log/nginx/access.log --pid-path=/run/nginx.pid
    --lock-path=/run/nginx.lock --http-client-body-temp-path=/var/cache/nginx/client_temp
    --http-proxy-temp-path=/var/cache/nginx/proxy_temp
    --http-fastcgi-temp-path=/var/cache/nginx/fastcgi_temp
    --http-uwsgi-temp-path=/var/cache/nginx/uwsgi_temp
    --http-scgi-temp-path=/var/cache/nginx/scgi_temp --user=nginx --group=nginx)
modules=()
for module in addition auth_request dav flv gunzip gzip_static mp4 random_index realip secure_link \
    slice ssl stub_status sub v2 v3; do
    modules+=("--with-http_${module}_module")
done
modules+=(--with-mail --with-mail_ssl_module --with-stream --with-stream_realip_module
    --with-stream_ssl_module --with-stream_ssl_preread_module)

cp -R "$sources" "$folder/nginx"
cd "$folder/nginx"
configure=./configure
[ -x "$configure" ] || configure=auto/configure
if ! { "$configure" "${paths[@]}" --with-compat --with-file-aio --with-threads "${modules[@]}" \
    --with-cc-opt=-O0 && make -j "$(nproc)" && make install DESTDIR="$folder/root"; } \
    >"$folder/log" 2>&1; then
    fail "nginx cannot be built" "$(tail -n 5 "$folder/log")"
fi
version=$(objs/nginx -v 2>&1)
mkdir -p "$folder/root/usr/lib/nginx/modules" "$folder/root/var/cache/nginx"
ln -s /usr/lib/nginx/modules "$folder/root/etc/nginx/modules"

cat >"$folder/docker-entrypoint.sh" <<'END'
#!/bin/sh
exec "$@"
END
chmod 755 "$folder/docker-entrypoint.sh"
cat >"$folder/Dockerfile" <<'END'
FROM debian:bookworm-slim
ARG NGINX_VERSION
ENV NGINX_VERSION=${NGINX_VERSION}
RUN groupadd --system --gid 101 nginx \
    && useradd --system --gid nginx --uid 101 --no-create-home --home-dir /nonexistent \
        --comment "nginx user" --shell /bin/false nginx \
    && apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libpcre2-8-0 libssl3 zlib1g \
    && rm -rf /var/lib/apt/lists/*
COPY root/ /
RUN ln -sf /dev/stdout /var/log/nginx/access.log \
    && ln -sf /dev/stderr /var/log/nginx/error.log \
    && nginx -t
COPY docker-entrypoint.sh /
LABEL firehose-router.stand-in=true
EXPOSE 80
STOPSIGNAL SIGQUIT
ENTRYPOINT ["/docker-entrypoint.sh"]
CMD ["nginx", "-g", "daemon off;"]
END
cd "$folder"
rm -rf nginx
"$docker" build -q -t "$image" --build-arg NGINX_VERSION="${version##*/}" . >/dev/null
say "== made a stand-in for $image"
