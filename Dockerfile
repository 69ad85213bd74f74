# The router as an image.
#
#   docker build -t firehose-router .                     with Debian's own nginx
#   docker build -t firehose-router --target official --build-arg NGINX_VERSION=1.30.6 .
#                                     with the nginx of the official image of that version
#
# BuildKit is needed (the default of Docker 23 and newer; DOCKER_BUILDKIT=1 before): it leaves out
# the stages that are not asked for.

ARG DEBIAN_IMAGE=docker.io/library/debian:bookworm-slim
# Bookworm's as well, so that the module's C library is that of the image below, or older than that
# of the official one.
ARG RUST_IMAGE=rust:1-slim-bookworm
ARG NGINX_VERSION=1.30.6
ARG NGINX_IMAGE=docker.io/library/nginx:${NGINX_VERSION}
# "prebuilt" takes the programs of the directory PROGRAMS, and what `make licenses sbom` has left in
# build/, in place of compiling them here: on a Debian 12 machine `make release` leaves them in
# build/. For the official image see scripts/test-official.sh.
ARG BUILD=build
ARG PROGRAMS=build
# What the images' labels say. REVISION is a commit.
ARG DESCRIPTION="Routes HTTP and WebSocket to Firehose servers that etcd names"
ARG VERSION=0.1.0
ARG REVISION=unknown

FROM ${RUST_IMAGE} AS toolchain
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        gcc libc6-dev libclang-dev libpcre2-dev libprotobuf-dev libssl-dev make nginx-dev \
        protobuf-compiler zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /project

# For Debian's nginx.
FROM toolchain AS build
COPY . .
RUN make release licenses sbom \
    && install -D -t /built build/ngx_http_upstream_etcd_module.so build/firehose-router \
        build/third-party.txt build/sbom.cdx.json

FROM scratch AS prebuilt
ARG PROGRAMS
COPY ${PROGRAMS}/ngx_http_upstream_etcd_module.so ${PROGRAMS}/firehose-router \
    build/third-party.txt build/sbom.cdx.json /built/

# For the nginx of the official image, of which there are the sources of the same version and no
# headers: a module that is built --with-compat is one that an nginx built so takes.
FROM toolchain AS official-build
ARG NGINX_VERSION
# An archive by its URL, or an unpacked directory below the one that is built from.
ARG NGINX_SOURCE=https://nginx.org/download/nginx-${NGINX_VERSION}.tar.gz
ADD ${NGINX_SOURCE} /nginx/
RUN cd /nginx \
    && if [ -e nginx-*.tar.gz ]; then tar -xzf nginx-*.tar.gz --strip-components=1; fi \
    && ./configure --with-compat --with-file-aio --with-threads --with-http_realip_module \
        --with-http_ssl_module --with-http_v2_module > /dev/null
COPY . .
RUN NGINX_BUILD_DIR=/nginx/objs make release licenses sbom \
    && install -D -t /built build/ngx_http_upstream_etcd_module.so build/firehose-router \
        build/third-party.txt build/sbom.cdx.json

FROM prebuilt AS official-prebuilt

FROM official-${BUILD} AS official-built

# The official image's own entry point is not used: it would write to /etc/nginx, which nobody reads
# here.
FROM ${NGINX_IMAGE} AS official
COPY --from=official-built /built/ngx_http_upstream_etcd_module.so /usr/lib/nginx/modules/
COPY --from=official-built /built/firehose-router /usr/local/bin/
COPY --from=official-built /built/third-party.txt /built/sbom.cdx.json \
    /usr/share/doc/firehose-router/
RUN install -d -o nginx -g nginx /run/firehose-router /var/lib/firehose-router
ARG DESCRIPTION
ARG VERSION
ARG REVISION
ARG NGINX_IMAGE
LABEL org.opencontainers.image.title="firehose-router" \
      org.opencontainers.image.description="${DESCRIPTION}, by the official nginx" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${NGINX_IMAGE}"
# By number, so that Kubernetes can see that it is not root.
USER 101:101
EXPOSE 80
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=4s --start-period=20s --retries=3 \
    CMD ["firehose-router", "healthcheck"]
ENTRYPOINT ["firehose-router"]
CMD ["serve"]

# What `docker compose` shows the router with: a node that answers, and its announcer.
FROM ${DEBIAN_IMAGE} AS demo-node
ARG PROGRAMS
COPY ${PROGRAMS}/demo-node ${PROGRAMS}/firehose-router /usr/local/bin/
USER 65534:65534
EXPOSE 7474
ENTRYPOINT ["firehose-router", "announce"]

FROM ${BUILD} AS built

FROM ${DEBIAN_IMAGE} AS router
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates nginx \
    && apt-get clean \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/* /var/log/nginx/* \
        /etc/nginx/sites-enabled/default /var/www \
    && groupadd --system --gid 101 firehose \
    && useradd --system --uid 101 --gid 101 --home-dir /var/lib/firehose-router \
        --shell /usr/sbin/nologin firehose \
    && install -d -o firehose -g firehose /run/firehose-router /var/lib/firehose-router
COPY --from=built /built/ngx_http_upstream_etcd_module.so /usr/lib/nginx/modules/
COPY --from=built /built/firehose-router /usr/local/bin/
COPY --from=built /built/third-party.txt /built/sbom.cdx.json /usr/share/doc/firehose-router/
ARG DESCRIPTION
ARG VERSION
ARG REVISION
ARG DEBIAN_IMAGE
LABEL org.opencontainers.image.title="firehose-router" \
      org.opencontainers.image.description="${DESCRIPTION}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${DEBIAN_IMAGE}"
# By number, so that Kubernetes can see that it is not root. Docker lets everybody in a container
# listen on port 80.
USER 101:101
EXPOSE 80
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=4s --start-period=20s --retries=3 \
    CMD ["firehose-router", "healthcheck"]
ENTRYPOINT ["firehose-router"]
CMD ["serve"]
