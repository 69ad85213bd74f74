/* What the C compiler makes of each entry of structures.h, in its order. */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#define STRUCT(type)
#define FIELD(type, name)
#define BIT(type, name)                                                       \
    static void set_##type##_##name(void *data)                               \
    {                                                                         \
        ((type *) data)->name = -1;                                           \
    }
#include "structures.h"
#undef STRUCT
#undef FIELD
#undef BIT

#define STRUCT(type) sizeof(type),
#define FIELD(type, name)
#define BIT(type, name)
const size_t nginx_layout_sizes[] = {
#include "structures.h"
};
#undef STRUCT
#undef FIELD

#define STRUCT(type)
#define FIELD(type, name) { offsetof(type, name), sizeof(((type *) 0)->name) },
const size_t nginx_layout_fields[][2] = {
#include "structures.h"
};
#undef FIELD
#undef BIT

#define FIELD(type, name)
#define BIT(type, name) set_##type##_##name,
void (*const nginx_layout_bits[])(void *) = {
#include "structures.h"
};
