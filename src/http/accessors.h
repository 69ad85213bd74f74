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
