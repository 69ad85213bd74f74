# shellcheck shell=sh disable=SC2154  # nginx's configure sets what is not set here
# For nginx's configure, see config: the rules that build and install the module. The variables of
# make: CARGO names another cargo, CARGO_TARGET_DIR the directory in which it builds, and
# NGX_CARGO_PROFILE another profile of Cargo.toml.

ngx_etcd_module=ngx_http_upstream_etcd_module.so
ngx_etcd_folder=$(cd "$ngx_addon_dir" && pwd)
ngx_etcd_objs=$(cd "$NGX_OBJS" && pwd)
# As auto/install makes it of this, later on.
case $NGX_MODULES_PATH in
/*) ngx_etcd_modules=$NGX_MODULES_PATH ;;
*) ngx_etcd_modules=$NGX_PREFIX/$NGX_MODULES_PATH ;;
esac
ngx_etcd_sources=$(find "$ngx_etcd_folder/src" "$ngx_etcd_folder/crates" \
    "$ngx_etcd_folder/Cargo.lock" "$ngx_etcd_folder/Cargo.toml" "$ngx_etcd_folder/build.rs" \
    -type f | tr '\n' ' ')

cat << END                                                    >> "$NGX_MAKEFILE"

CARGO ?=	cargo
CARGO_TARGET_DIR ?=	$ngx_etcd_objs/$ngx_addon_name
NGX_CARGO_PROFILE ?=	release

build:	$NGX_OBJS/$ngx_etcd_module
modules:	$NGX_OBJS/$ngx_etcd_module
install:	ngx_etcd_install

.PHONY:	ngx_etcd_install

# A running nginx has the old file mapped: a new file takes its place.
$NGX_OBJS/$ngx_etcd_module:	$NGX_OBJS/ngx_auto_config.h $ngx_etcd_sources
	cd '$ngx_etcd_folder' && NGINX_BUILD_DIR='$ngx_etcd_objs' NGINX_SOURCE_DIR='$PWD' \\
		CARGO_TARGET_DIR='\$(CARGO_TARGET_DIR)' \\
		\$(CARGO) build --locked --profile \$(NGX_CARGO_PROFILE) \\
		-p ngx-http-upstream-etcd-module --lib
	rm -f $NGX_OBJS/$ngx_etcd_module
	cp '\$(CARGO_TARGET_DIR)'/\$(NGX_CARGO_PROFILE)/lib$ngx_etcd_module $NGX_OBJS/$ngx_etcd_module

ngx_etcd_install:	$NGX_OBJS/$ngx_etcd_module
	mkdir -p '\$(DESTDIR)$ngx_etcd_modules'
	rm -f '\$(DESTDIR)$ngx_etcd_modules/$ngx_etcd_module'
	cp $NGX_OBJS/$ngx_etcd_module '\$(DESTDIR)$ngx_etcd_modules/$ngx_etcd_module'

END
