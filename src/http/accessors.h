/*
 * Bits of nginx's structures that nginx-sys does not have where the C compiler has them: bindgen
 * counts the units of bit-fields from the first of them, a C compiler from the start of the
 * structure. build.rs has these functions compiled by the C compiler, and bound.
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
