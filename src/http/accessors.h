/*
 * Parts of nginx's structures as the C compiler has them: bits, which bindgen counts from the first
 * unit of bit-fields and a C compiler from the start of the structure, and what only some builds of
 * nginx have. build.rs has these functions compiled by the C compiler, and bound.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

/* Whether an answer has no body, as one to a HEAD: wrong by two bits from nginx 1.29 on, where a
 * port of 16 bits stands before the bits of a request. */
static inline ngx_uint_t
ngx_etcd_is_header_only(const ngx_http_request_t *request)
{
    return request->header_only;
}

/* Posts a write event to the connection of a client that speaks HTTP/2; nothing for others. If
 * nginx closes a stream, its RST_STREAM frame waits in the connection until something else is sent
 * or received there. */
static inline void
ngx_etcd_flush_client(const ngx_http_request_t *request)
{
#if (NGX_HTTP_V2)
    if (request->stream) {
        ngx_post_event(request->stream->connection->connection->write, &ngx_posted_events);
    }
#else
    (void) request;
#endif
}

/* The upstream of a request whose two connections nginx joins since the peer agreed to an upgrade,
 * while it does; NULL for others. NULL also for a request that uses the cache: what the cache has
 * read of a stored response can be in the same buffer as the header of the peer's response, and
 * `$upstream_cache_etag` shows it at the end of the request. */
static inline ngx_http_upstream_t *
ngx_etcd_upgraded_upstream(const ngx_http_request_t *request)
{
    ngx_http_upstream_t *upstream = request->upstream;

#if (NGX_HTTP_CACHE)
    if (request->cache) {
        return NULL;
    }
#endif
    /* nginx sets `header_sent` right before it joins the connections, and closes the peer's when it
     * ends the upgraded connection. */
    if (upstream == NULL || !upstream->upgrade || !upstream->header_sent
        || upstream->peer.connection == NULL)
    {
        return NULL;
    }
    return upstream;
}

/* Frees the buffer in which nginx collects what it encrypts of a response, if it is empty, as nginx
 * does when a client's connection becomes idle. Data of an upgraded connection does not use it. */
static inline void
ngx_etcd_free_tls_buffer(ngx_connection_t *client)
{
#if (NGX_HTTP_SSL)
    if (client->ssl && !(client->buffered & NGX_SSL_BUFFERED)) {
        ngx_ssl_free_buffer(client);
    }
#else
    (void) client;
#endif
}
