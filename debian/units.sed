# What the units of the packages have otherwise than those in systemd/: the program in /usr/bin and
# its settings in /etc/default. nginx's workers run as a user that owns nothing else.
s,/usr/local/bin/firehose-router,/usr/bin/firehose-router,
s,/etc/firehose-router\.env,/etc/default/firehose-router,
s,/etc/firehose\.env,/etc/default/firehose,
/^ExecStart=.* serve$/i\
Environment=FIREHOSE_NGINX_USER=firehose-router
/^StateDirectory=/a\
LogsDirectory=firehose-router
