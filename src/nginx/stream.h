/* What build.rs binds of nginx's stream: nginx-sys binds it only for an nginx that has stream built
 * in, and a distribution has it as a dynamic module. */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_stream.h>
