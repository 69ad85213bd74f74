/*
 * Parts of nginx's structures as the C compiler has them: bits, which bindgen counts from the first
 * unit of bit-fields and a C compiler from the start of the structure, and what only some builds of
 * nginx have. build.rs has these functions compiled by the C compiler, and bound.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

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

/* Whether nginx has not read all that has come of a response that it passes on: its client is slow,
 * `proxy_limit_rate` holds it back, or TLS has given out only a part. nginx unsets `ready` once
 * there is no more to read; before a response, a handshake of TLS sets it. Or whether the peer has
 * not taken all that nginx has read of the client of an upgraded connection. */
static inline ngx_uint_t
ngx_etcd_is_behind(const ngx_http_request_t *request)
{
    const ngx_http_upstream_t *upstream = request->upstream;

    if (!upstream->header_sent) {
        return 0;
    }
    return upstream->peer.connection->read->ready
           || (upstream->upgrade && upstream->from_client.pos != upstream->from_client.last);
}

/* Whether nginx joins the two connections of a request, since the peer agreed to an upgrade. */
static inline ngx_uint_t
ngx_etcd_is_joined(const ngx_http_request_t *request)
{
    return request->upstream->upgrade && request->upstream->header_sent;
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

/* Whether nothing of the response to a request is sent but its header, if at all: as to a HEAD, and
 * to a subrequest whose output nobody waits for. bindgen has these bits wrong by two from nginx
 * 1.29 on, where a port of 16 bits stands before the bits of a request. */
static inline ngx_uint_t
ngx_etcd_has_no_body(const ngx_http_request_t *request)
{
    return request->header_only || (request->background && !request->subrequest_in_memory);
}

/* Whether the client has gone or has kept nginx waiting for too long, so that what has become of
 * its request says nothing of the peer. QUIC tells of it by the write event alone. */
static inline ngx_uint_t
ngx_etcd_has_left(const ngx_http_request_t *request)
{
    const ngx_connection_t *client = request->connection;
    const ngx_http_upstream_t *upstream = request->upstream;

    return client->error || client->timedout || client->write->error
           || (upstream->pipe && upstream->pipe->downstream_error);
}

/* Whether the client has not sent all of its request's body, or not as it ought to. */
static inline ngx_uint_t
ngx_etcd_reads_body(const ngx_http_request_t *request)
{
    return request->reading_body;
}

/* Whether the client gets the body of the peer's response, and its end has not come yet. nginx does
 * not read the body where it goes on with a response of its own (`X-Accel-Redirect`). */
static inline ngx_uint_t
ngx_etcd_lacks_end(const ngx_http_request_t *request)
{
    const ngx_http_upstream_t *upstream = request->upstream;
    const ngx_event_pipe_t    *pipe = upstream->buffering ? upstream->pipe : NULL;

    if (!upstream->header_sent || request->header_only) {
        return 0;
    }
    return pipe ? !pipe->upstream_done && pipe->length > 0 : upstream->length > 0;
}

/* Whether the whole response to a subrequest goes to memory, whose size
 * `subrequest_output_buffer_size` bounds. No event of the client's connection is for it. */
static inline ngx_uint_t
ngx_etcd_is_in_memory(const ngx_http_request_t *request)
{
    return request->subrequest_in_memory;
}

/* Whether it is the turn of a request among those of its connection. nginx calls its handler when
 * it is. */
static inline ngx_uint_t
ngx_etcd_has_its_turn(const ngx_http_request_t *request)
{
    return request == request->connection->data;
}

/* Leaves a request to a handler of its write events, after the content handler has returned. */
static inline void
ngx_etcd_go_on_later(ngx_http_request_t *request, ngx_http_event_handler_pt handler)
{
    request->main->count++;
    request->write_event_handler = handler;
    request->read_event_handler = request->discard_body
                                      ? ngx_http_discarded_request_body_handler
                                      : ngx_http_test_reading;
}

/* Whether the client has not taken anything for too long. */
static inline ngx_uint_t
ngx_etcd_has_timed_out(const ngx_http_request_t *request)
{
    return request->connection->write->timedout;
}

/* Ends a request whose client has not taken anything for too long. */
static inline void
ngx_etcd_time_out(ngx_http_request_t *request)
{
    request->connection->timedout = 1;
    ngx_http_finalize_request(request, NGX_HTTP_REQUEST_TIME_OUT);
}

/* Whether `limit_rate` holds the response back now. */
static inline ngx_uint_t
ngx_etcd_is_delayed(const ngx_http_request_t *request)
{
    return request->connection->write->delayed;
}

/* Whether nginx has something of the response that it could not send yet. */
static inline ngx_uint_t
ngx_etcd_is_blocked(const ngx_http_request_t *request)
{
    return request->buffered || request->postponed
           || (request == request->main && request->connection->buffered);
}

/* Limits the time until the client takes more. nginx ends a worker that is to end once no timer is
 * set, whatever it has posted: so a response must always have one. */
static inline ngx_http_core_loc_conf_t *
ngx_etcd_set_timer(ngx_http_request_t *request)
{
    ngx_event_t              *write = request->connection->write;
    ngx_http_core_loc_conf_t *conf;

    conf = ngx_http_get_module_loc_conf(request->main, ngx_http_core_module);
    if (!write->delayed) {
        ngx_add_timer(write, conf->send_timeout);
    }
    return conf;
}

/* Has the handler called when the client takes more, or does not for too long. */
static inline ngx_int_t
ngx_etcd_wait_for_client(ngx_http_request_t *request)
{
    return ngx_handle_write_event(request->connection->write,
                                  ngx_etcd_set_timer(request)->send_lowat);
}

/* Has the handler called again once the event loop has seen to all other events. */
static inline void
ngx_etcd_go_on_next(ngx_http_request_t *request)
{
    (void) ngx_etcd_set_timer(request);
    ngx_post_event(request->connection->write, &ngx_posted_next_events);
}

/* The value of the header of this name, in lower case, that the client has sent behind so many
 * others of this name; NULL without one. */
static inline const ngx_str_t *
ngx_etcd_header_in(const ngx_http_request_t *request, const char *name, size_t length,
    size_t before)
{
    const ngx_list_part_t *part;
    const ngx_table_elt_t *headers;
    ngx_uint_t             i;

    for (part = &request->headers_in.headers.part; part; part = part->next) {
        headers = part->elts;
        for (i = 0; i < part->nelts; i++) {
            if (headers[i].key.len == length
                && ngx_strncmp(headers[i].lowcase_key, name, length) == 0)
            {
                if (before-- > 0) {
                    continue;
                }
                return &headers[i].value;
            }
        }
    }
    return NULL;
}
