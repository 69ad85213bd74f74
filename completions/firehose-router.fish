# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_firehose_router_global_optspecs
    string join \n h/help V/version
end

function __fish_firehose_router_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_firehose_router_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_firehose_router_using_subcommand
    set -l cmd (__fish_firehose_router_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c firehose-router -n "__fish_firehose_router_needs_command" -s h -l help -d 'Print help'
complete -c firehose-router -n "__fish_firehose_router_needs_command" -s V -l version -d 'Print version'
complete -c firehose-router -n "__fish_firehose_router_needs_command" -f -a "serve" -d 'Run the router: nginx, with its nodes and settings live from etcd'
complete -c firehose-router -n "__fish_firehose_router_needs_command" -f -a "announce" -d 'Announce a Firehose server in etcd for as long as it answers'
complete -c firehose-router -n "__fish_firehose_router_needs_command" -f -a "migrate" -d 'Copy settings, and nodes without a lease, from one etcd to another or from API v2'
complete -c firehose-router -n "__fish_firehose_router_needs_command" -f -a "status" -d 'Show the state of routers: their upstreams, peers, last changes, and what is wrong'
complete -c firehose-router -n "__fish_firehose_router_needs_command" -f -a "nodes" -d 'List and change the nodes\' keys in etcd'
complete -c firehose-router -n "__fish_firehose_router_needs_command" -f -a "routes" -d 'List and change the keys of an etcd_map, such as those that route hosts to services'
complete -c firehose-router -n "__fish_firehose_router_needs_command" -f -a "services" -d 'List and remove services, and set what each has of its own: the keys of an upstream with etcd_group, by service'
complete -c firehose-router -n "__fish_firehose_router_needs_command" -f -a "check-value" -d 'Say what the router makes of a value, or why it rejects it'
complete -c firehose-router -n "__fish_firehose_router_needs_command" -f -a "healthcheck" -d 'Check whether the router on this machine answers, for the health check of a container'
complete -c firehose-router -n "__fish_firehose_router_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand serve" -l listen -d 'Ports, or addresses with ports, to listen on, separated by commas' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand serve" -l state-dir -d 'Directory for the last valid settings and nodes, used at a start without etcd' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand serve" -l run-dir -d 'Directory for nginx\'s configuration, pid file and temporary files [default: /run/firehose-router, or the first usable directory]' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand serve" -l access-log -d 'Access log: "stdout", "off", a file, or syslog:server=... [default: stdout, or /dev/log if stdout cannot be opened]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand serve" -l zone-size -d 'Size of the shared memory for nodes; 1m holds about 3800, fewer with more than four workers' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand serve" -l stop-timeout -d 'Time for open connections to finish after SIGTERM or SIGINT, in seconds' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand serve" -l nginx-user -d 'User of nginx\'s workers if started by root [default: www-data or nginx, whichever exists]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand serve" -l nginx -d 'Name or path of the nginx binary' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand serve" -l module -d 'Path of the module [default: in the modules directory of nginx]' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand serve" -l template -d 'Template of nginx\'s configuration, instead of the built-in one (see nginx-conf/router.conf.jinja)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand serve" -l etcd-endpoints -d 'URLs of the etcd members, separated by commas [default: http://127.0.0.1:2379]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand serve" -l etcd-ip -d 'Host of a single endpoint, as in the original image' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand serve" -l etcd-port -d 'Port of a single endpoint, as in the original image [default: 2379]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand serve" -l etcd-cacert -d 'CA certificates to verify https:// endpoints with (PEM) [default: the system\'s]' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand serve" -l etcd-cert -d 'Client certificate with its chain (PEM)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand serve" -l etcd-key -d 'Private key of the client certificate (PEM)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand serve" -l etcd-server-name -d 'Name to verify etcd\'s certificate against [default: the endpoint\'s host]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand serve" -l etcd-user -d 'User for etcd\'s authentication' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand serve" -l etcd-password-file -d 'File with the user\'s password, read at each login; alternatively, the variable ETCD_PASSWORD holds the password itself' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand serve" -l etcd-connect-timeout -d 'Timeout of a connection to an endpoint, in seconds' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand serve" -l prefix -d 'Prefix of the keys of nodes (PREFIX/upstream/) and settings (PREFIX/nginx/)' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand announce" -l key -d 'Key of the node below PREFIX/upstream/; slashes are allowed' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand announce" -l addr -d 'Address at which the router reaches the node: HOST:PORT, or :PORT on the address of this host' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand announce" -l container -d 'Name of the container that the node runs in; Docker is asked for its address before each check' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand announce" -l port -d 'Port that the node listens on in its container' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand announce" -l host -d 'Address of this host, also for a port that Docker publishes on all addresses [default: $COREOS_PRIVATE_IPV4, or the address that etcd is reached from]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand announce" -l docker-host -d 'URL of Docker\'s API: unix:///PATH or tcp://HOST:PORT' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand announce" -l value -d 'Parameters of the node, as in nginx\'s "server" directive: \'weight=5 max_conns=100\'' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand announce" -l ttl -d 'Seconds after which etcd removes the key if the announcer has died (TTL of the lease)' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand announce" -l check -d 'Check that the node must pass: "tcp", "tls", \'send=TEXT expect=TEXT\', "none", or a URL (http:///PATH: at the address of the node)' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand announce" -l check-method -d 'HTTP method of the check: GET or HEAD [default: GET]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand announce" -l check-interval -d 'Interval between two checks, at least 10ms' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand announce" -l check-timeout -d 'Timeout of a check, at least 1ms' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand announce" -l fall -d 'Number of consecutive failed checks after which the key is removed' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand announce" -l rise -d 'Number of consecutive passed checks after which the key is set' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand announce" -l drain -d 'How long the node is marked "drain" on shutdown before its key is removed; a second signal skips the wait' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand announce" -l stop-timeout -d 'How long the command may take to exit after SIGTERM before it is killed' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand announce" -l etcd-endpoints -d 'URLs of the etcd members, separated by commas [default: http://127.0.0.1:2379]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand announce" -l etcd-ip -d 'Host of a single endpoint, as in the original image' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand announce" -l etcd-port -d 'Port of a single endpoint, as in the original image [default: 2379]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand announce" -l etcd-cacert -d 'CA certificates to verify https:// endpoints with (PEM) [default: the system\'s]' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand announce" -l etcd-cert -d 'Client certificate with its chain (PEM)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand announce" -l etcd-key -d 'Private key of the client certificate (PEM)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand announce" -l etcd-server-name -d 'Name to verify etcd\'s certificate against [default: the endpoint\'s host]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand announce" -l etcd-user -d 'User for etcd\'s authentication' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand announce" -l etcd-password-file -d 'File with the user\'s password, read at each login; alternatively, the variable ETCD_PASSWORD holds the password itself' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand announce" -l etcd-connect-timeout -d 'Timeout of a connection to an endpoint, in seconds' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand announce" -l prefix -d 'Prefix of the keys of nodes (PREFIX/upstream/) and settings (PREFIX/nginx/)' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand announce" -l take-over -d 'Take over the key if another announcer holds it, instead of waiting'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand announce" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand migrate" -l from -d 'URLs of the members of the source etcd, separated by commas' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand migrate" -l to -d 'URLs of the members of the target etcd (API v3), separated by commas [default: --etcd-endpoints]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand migrate" -l from-api -d 'API whose keys are copied [default: v2 if it has any, else v3]' -r -f -a "v2\t''
v3\t''"
complete -c firehose-router -n "__fish_firehose_router_using_subcommand migrate" -l from-prefix -d 'Prefix of the keys at the source [default: --prefix]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand migrate" -l from-user -d 'User for the authentication at the source' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand migrate" -l from-password-file -d 'File with the password of that user' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand migrate" -l from-cacert -d 'CA certificates to verify https:// endpoints of --from with (PEM; API v3)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand migrate" -l from-cert -d 'Client certificate with its chain for --from (PEM; API v3)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand migrate" -l from-key -d 'Private key of that certificate (PEM)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand migrate" -l from-server-name -d 'Name to verify the certificate of --from against [default: the endpoint\'s host]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand migrate" -l etcd-endpoints -d 'URLs of the etcd members, separated by commas [default: http://127.0.0.1:2379]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand migrate" -l etcd-ip -d 'Host of a single endpoint, as in the original image' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand migrate" -l etcd-port -d 'Port of a single endpoint, as in the original image [default: 2379]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand migrate" -l etcd-cacert -d 'CA certificates to verify https:// endpoints with (PEM) [default: the system\'s]' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand migrate" -l etcd-cert -d 'Client certificate with its chain (PEM)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand migrate" -l etcd-key -d 'Private key of the client certificate (PEM)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand migrate" -l etcd-server-name -d 'Name to verify etcd\'s certificate against [default: the endpoint\'s host]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand migrate" -l etcd-user -d 'User for etcd\'s authentication' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand migrate" -l etcd-password-file -d 'File with the user\'s password, read at each login; alternatively, the variable ETCD_PASSWORD holds the password itself' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand migrate" -l etcd-connect-timeout -d 'Timeout of a connection to an endpoint, in seconds' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand migrate" -l prefix -d 'Prefix of the keys of nodes (PREFIX/upstream/) and settings (PREFIX/nginx/)' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand migrate" -l yes -d 'Write the keys; without this flag they are only shown'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand migrate" -l overwrite -d 'Replace keys that have another value at the target'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand migrate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand status" -l url -d 'URL of a router\'s status; several if the flag is repeated, or separated by commas [default: the socket of the router on this machine]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand status" -l run-dir -d 'Directory given to the router on this machine with --run-dir' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand status" -l cacert -d 'CA certificates to verify https:// URLs of routers with (PEM) [default: the system\'s]' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand status" -l upstream -d 'Only this upstream; several if the flag is repeated' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand status" -l peer -d 'Only peers with this key, with or without the prefix; "" are those of "server" lines; several if the flag is repeated' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand status" -l peers -d 'Peers in the table: "some" are the first 20, those that do not serve before others' -r -f -a "some\t'The first 20, those that do not serve before others'
all\t'All'
none\t'None: for fleets, since the router then does not list them'"
complete -c firehose-router -n "__fish_firehose_router_using_subcommand status" -l changes -d 'Number of changes of each upstream, the last first; 0 to 50' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand status" -l watch -d 'Read and show it again and again, every 2 seconds or as given; requests and times are those of the interval' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand status" -l color -d 'When to use colors: "auto" if the output is a terminal and NO_COLOR is not set' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c firehose-router -n "__fish_firehose_router_using_subcommand status" -l json -d 'Print the document as the router sends it; with several routers, an object with one for each URL'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and not __fish_seen_subcommand_from list add set drain undrain remove help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and not __fish_seen_subcommand_from list add set drain undrain remove help" -f -a "list" -d 'List the nodes\' keys, with what the router makes of their values'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and not __fish_seen_subcommand_from list add set drain undrain remove help" -f -a "add" -d 'Add a node, unless its key exists'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and not __fish_seen_subcommand_from list add set drain undrain remove help" -f -a "set" -d 'Change parameters of a node, in the form that its value has'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and not __fish_seen_subcommand_from list add set drain undrain remove help" -f -a "drain" -d 'Mark a node "drain", so that it gets no new sessions'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and not __fish_seen_subcommand_from list add set drain undrain remove help" -f -a "undrain" -d 'Remove the mark "drain" from a node'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and not __fish_seen_subcommand_from list add set drain undrain remove help" -f -a "remove" -d 'Remove a node\'s key'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and not __fish_seen_subcommand_from list add set drain undrain remove help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from list" -l upstream-prefix -d 'Prefix of the nodes\' keys, as the directive "etcd" has it [default: PREFIX/upstream/]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from list" -l scheme -d 'Which of several endpoints in a value is meant, as in the directive "etcd" [default: http, or else https]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from list" -l etcd-endpoints -d 'URLs of the etcd members, separated by commas [default: http://127.0.0.1:2379]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from list" -l etcd-ip -d 'Host of a single endpoint, as in the original image' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from list" -l etcd-port -d 'Port of a single endpoint, as in the original image [default: 2379]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from list" -l etcd-cacert -d 'CA certificates to verify https:// endpoints with (PEM) [default: the system\'s]' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from list" -l etcd-cert -d 'Client certificate with its chain (PEM)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from list" -l etcd-key -d 'Private key of the client certificate (PEM)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from list" -l etcd-server-name -d 'Name to verify etcd\'s certificate against [default: the endpoint\'s host]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from list" -l etcd-user -d 'User for etcd\'s authentication' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from list" -l etcd-password-file -d 'File with the user\'s password, read at each login; alternatively, the variable ETCD_PASSWORD holds the password itself' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from list" -l etcd-connect-timeout -d 'Timeout of a connection to an endpoint, in seconds' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from list" -l prefix -d 'Prefix of the keys of nodes (PREFIX/upstream/) and settings (PREFIX/nginx/)' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from list" -l json -d 'Print JSON: a list with an object for each key'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from add" -l upstream-prefix -d 'Prefix of the nodes\' keys, as the directive "etcd" has it [default: PREFIX/upstream/]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from add" -l scheme -d 'Which of several endpoints in a value is meant, as in the directive "etcd" [default: http, or else https]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from add" -l etcd-endpoints -d 'URLs of the etcd members, separated by commas [default: http://127.0.0.1:2379]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from add" -l etcd-ip -d 'Host of a single endpoint, as in the original image' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from add" -l etcd-port -d 'Port of a single endpoint, as in the original image [default: 2379]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from add" -l etcd-cacert -d 'CA certificates to verify https:// endpoints with (PEM) [default: the system\'s]' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from add" -l etcd-cert -d 'Client certificate with its chain (PEM)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from add" -l etcd-key -d 'Private key of the client certificate (PEM)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from add" -l etcd-server-name -d 'Name to verify etcd\'s certificate against [default: the endpoint\'s host]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from add" -l etcd-user -d 'User for etcd\'s authentication' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from add" -l etcd-password-file -d 'File with the user\'s password, read at each login; alternatively, the variable ETCD_PASSWORD holds the password itself' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from add" -l etcd-connect-timeout -d 'Timeout of a connection to an endpoint, in seconds' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from add" -l prefix -d 'Prefix of the keys of nodes (PREFIX/upstream/) and settings (PREFIX/nginx/)' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from set" -l upstream-prefix -d 'Prefix of the nodes\' keys, as the directive "etcd" has it [default: PREFIX/upstream/]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from set" -l scheme -d 'Which of several endpoints in a value is meant, as in the directive "etcd" [default: http, or else https]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from set" -l etcd-endpoints -d 'URLs of the etcd members, separated by commas [default: http://127.0.0.1:2379]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from set" -l etcd-ip -d 'Host of a single endpoint, as in the original image' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from set" -l etcd-port -d 'Port of a single endpoint, as in the original image [default: 2379]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from set" -l etcd-cacert -d 'CA certificates to verify https:// endpoints with (PEM) [default: the system\'s]' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from set" -l etcd-cert -d 'Client certificate with its chain (PEM)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from set" -l etcd-key -d 'Private key of the client certificate (PEM)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from set" -l etcd-server-name -d 'Name to verify etcd\'s certificate against [default: the endpoint\'s host]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from set" -l etcd-user -d 'User for etcd\'s authentication' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from set" -l etcd-password-file -d 'File with the user\'s password, read at each login; alternatively, the variable ETCD_PASSWORD holds the password itself' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from set" -l etcd-connect-timeout -d 'Timeout of a connection to an endpoint, in seconds' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from set" -l prefix -d 'Prefix of the keys of nodes (PREFIX/upstream/) and settings (PREFIX/nginx/)' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from drain" -l wait -d 'Wait until the routers have no open connection to the node, for 10m or as given' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from drain" -l upstream -d 'Wait for this upstream of the routers only; several if the flag is repeated [default: all with the prefix]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from drain" -l url -d 'URL of a router\'s status; several if the flag is repeated, or separated by commas [default: the socket of the router on this machine]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from drain" -l run-dir -d 'Directory given to the router on this machine with --run-dir' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from drain" -l cacert -d 'CA certificates to verify https:// URLs of routers with (PEM) [default: the system\'s]' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from drain" -l upstream-prefix -d 'Prefix of the nodes\' keys, as the directive "etcd" has it [default: PREFIX/upstream/]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from drain" -l scheme -d 'Which of several endpoints in a value is meant, as in the directive "etcd" [default: http, or else https]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from drain" -l etcd-endpoints -d 'URLs of the etcd members, separated by commas [default: http://127.0.0.1:2379]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from drain" -l etcd-ip -d 'Host of a single endpoint, as in the original image' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from drain" -l etcd-port -d 'Port of a single endpoint, as in the original image [default: 2379]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from drain" -l etcd-cacert -d 'CA certificates to verify https:// endpoints with (PEM) [default: the system\'s]' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from drain" -l etcd-cert -d 'Client certificate with its chain (PEM)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from drain" -l etcd-key -d 'Private key of the client certificate (PEM)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from drain" -l etcd-server-name -d 'Name to verify etcd\'s certificate against [default: the endpoint\'s host]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from drain" -l etcd-user -d 'User for etcd\'s authentication' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from drain" -l etcd-password-file -d 'File with the user\'s password, read at each login; alternatively, the variable ETCD_PASSWORD holds the password itself' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from drain" -l etcd-connect-timeout -d 'Timeout of a connection to an endpoint, in seconds' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from drain" -l prefix -d 'Prefix of the keys of nodes (PREFIX/upstream/) and settings (PREFIX/nginx/)' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from drain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from undrain" -l upstream-prefix -d 'Prefix of the nodes\' keys, as the directive "etcd" has it [default: PREFIX/upstream/]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from undrain" -l scheme -d 'Which of several endpoints in a value is meant, as in the directive "etcd" [default: http, or else https]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from undrain" -l etcd-endpoints -d 'URLs of the etcd members, separated by commas [default: http://127.0.0.1:2379]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from undrain" -l etcd-ip -d 'Host of a single endpoint, as in the original image' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from undrain" -l etcd-port -d 'Port of a single endpoint, as in the original image [default: 2379]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from undrain" -l etcd-cacert -d 'CA certificates to verify https:// endpoints with (PEM) [default: the system\'s]' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from undrain" -l etcd-cert -d 'Client certificate with its chain (PEM)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from undrain" -l etcd-key -d 'Private key of the client certificate (PEM)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from undrain" -l etcd-server-name -d 'Name to verify etcd\'s certificate against [default: the endpoint\'s host]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from undrain" -l etcd-user -d 'User for etcd\'s authentication' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from undrain" -l etcd-password-file -d 'File with the user\'s password, read at each login; alternatively, the variable ETCD_PASSWORD holds the password itself' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from undrain" -l etcd-connect-timeout -d 'Timeout of a connection to an endpoint, in seconds' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from undrain" -l prefix -d 'Prefix of the keys of nodes (PREFIX/upstream/) and settings (PREFIX/nginx/)' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from undrain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from remove" -l upstream-prefix -d 'Prefix of the nodes\' keys, as the directive "etcd" has it [default: PREFIX/upstream/]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from remove" -l scheme -d 'Which of several endpoints in a value is meant, as in the directive "etcd" [default: http, or else https]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from remove" -l etcd-endpoints -d 'URLs of the etcd members, separated by commas [default: http://127.0.0.1:2379]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from remove" -l etcd-ip -d 'Host of a single endpoint, as in the original image' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from remove" -l etcd-port -d 'Port of a single endpoint, as in the original image [default: 2379]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from remove" -l etcd-cacert -d 'CA certificates to verify https:// endpoints with (PEM) [default: the system\'s]' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from remove" -l etcd-cert -d 'Client certificate with its chain (PEM)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from remove" -l etcd-key -d 'Private key of the client certificate (PEM)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from remove" -l etcd-server-name -d 'Name to verify etcd\'s certificate against [default: the endpoint\'s host]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from remove" -l etcd-user -d 'User for etcd\'s authentication' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from remove" -l etcd-password-file -d 'File with the user\'s password, read at each login; alternatively, the variable ETCD_PASSWORD holds the password itself' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from remove" -l etcd-connect-timeout -d 'Timeout of a connection to an endpoint, in seconds' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from remove" -l prefix -d 'Prefix of the keys of nodes (PREFIX/upstream/) and settings (PREFIX/nginx/)' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the nodes\' keys, with what the router makes of their values'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from help" -f -a "add" -d 'Add a node, unless its key exists'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from help" -f -a "set" -d 'Change parameters of a node, in the form that its value has'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from help" -f -a "drain" -d 'Mark a node "drain", so that it gets no new sessions'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from help" -f -a "undrain" -d 'Remove the mark "drain" from a node'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Remove a node\'s key'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand nodes; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and not __fish_seen_subcommand_from list set remove help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and not __fish_seen_subcommand_from list set remove help" -f -a "list" -d 'List the keys, with what the router makes of their values'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and not __fish_seen_subcommand_from list set remove help" -f -a "set" -d 'Write a key: a new one, or another value of one that exists'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and not __fish_seen_subcommand_from list set remove help" -f -a "remove" -d 'Remove a key'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and not __fish_seen_subcommand_from list set remove help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from list" -l services -d 'Prefix of the keys of nodes, by services: show how many nodes each service has' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from list" -l max-length -d 'Length of the longest value, as in the directive' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from list" -l routes -d 'Prefix of the keys, as the directive "etcd_map" has it' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from list" -l etcd-endpoints -d 'URLs of the etcd members, separated by commas [default: http://127.0.0.1:2379]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from list" -l etcd-ip -d 'Host of a single endpoint, as in the original image' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from list" -l etcd-port -d 'Port of a single endpoint, as in the original image [default: 2379]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from list" -l etcd-cacert -d 'CA certificates to verify https:// endpoints with (PEM) [default: the system\'s]' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from list" -l etcd-cert -d 'Client certificate with its chain (PEM)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from list" -l etcd-key -d 'Private key of the client certificate (PEM)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from list" -l etcd-server-name -d 'Name to verify etcd\'s certificate against [default: the endpoint\'s host]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from list" -l etcd-user -d 'User for etcd\'s authentication' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from list" -l etcd-password-file -d 'File with the user\'s password, read at each login; alternatively, the variable ETCD_PASSWORD holds the password itself' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from list" -l etcd-connect-timeout -d 'Timeout of a connection to an endpoint, in seconds' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from list" -l json -d 'Print JSON: a list with an object for each key'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from list" -l hostnames -d 'Names are those of hosts, or masks of them: the directive has "hostnames"'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from list" -l split -d 'Values are lists of names with weights: the directive has "split"'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from list" -l secret -d 'Values are secrets, such as certificates: the directive has "secret". Show their lengths only'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from set" -l services -d 'Prefix of the keys of nodes, by services: say which services of the value have no node' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from set" -l max-length -d 'Length of the longest value, as in the directive' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from set" -l routes -d 'Prefix of the keys, as the directive "etcd_map" has it' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from set" -l etcd-endpoints -d 'URLs of the etcd members, separated by commas [default: http://127.0.0.1:2379]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from set" -l etcd-ip -d 'Host of a single endpoint, as in the original image' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from set" -l etcd-port -d 'Port of a single endpoint, as in the original image [default: 2379]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from set" -l etcd-cacert -d 'CA certificates to verify https:// endpoints with (PEM) [default: the system\'s]' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from set" -l etcd-cert -d 'Client certificate with its chain (PEM)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from set" -l etcd-key -d 'Private key of the client certificate (PEM)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from set" -l etcd-server-name -d 'Name to verify etcd\'s certificate against [default: the endpoint\'s host]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from set" -l etcd-user -d 'User for etcd\'s authentication' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from set" -l etcd-password-file -d 'File with the user\'s password, read at each login; alternatively, the variable ETCD_PASSWORD holds the password itself' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from set" -l etcd-connect-timeout -d 'Timeout of a connection to an endpoint, in seconds' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from set" -l if-absent -d 'Change nothing if the key exists with another value'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from set" -l hostnames -d 'Names are those of hosts, or masks of them: the directive has "hostnames"'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from set" -l split -d 'Values are lists of names with weights: the directive has "split"'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from set" -l secret -d 'Values are secrets, such as certificates: the directive has "secret". Show their lengths only'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from remove" -l routes -d 'Prefix of the keys, as the directive "etcd_map" has it' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from remove" -l etcd-endpoints -d 'URLs of the etcd members, separated by commas [default: http://127.0.0.1:2379]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from remove" -l etcd-ip -d 'Host of a single endpoint, as in the original image' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from remove" -l etcd-port -d 'Port of a single endpoint, as in the original image [default: 2379]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from remove" -l etcd-cacert -d 'CA certificates to verify https:// endpoints with (PEM) [default: the system\'s]' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from remove" -l etcd-cert -d 'Client certificate with its chain (PEM)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from remove" -l etcd-key -d 'Private key of the client certificate (PEM)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from remove" -l etcd-server-name -d 'Name to verify etcd\'s certificate against [default: the endpoint\'s host]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from remove" -l etcd-user -d 'User for etcd\'s authentication' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from remove" -l etcd-password-file -d 'File with the user\'s password, read at each login; alternatively, the variable ETCD_PASSWORD holds the password itself' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from remove" -l etcd-connect-timeout -d 'Timeout of a connection to an endpoint, in seconds' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from remove" -l secret -d 'Values are secrets, such as certificates: the directive has "secret". Show their lengths only'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the keys, with what the router makes of their values'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from help" -f -a "set" -d 'Write a key: a new one, or another value of one that exists'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Remove a key'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand routes; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and not __fish_seen_subcommand_from list show remove set unset help" -s h -l help -d 'Print help'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and not __fish_seen_subcommand_from list show remove set unset help" -f -a "list" -d 'List the services with the numbers of their nodes'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and not __fish_seen_subcommand_from list show remove set unset help" -f -a "show" -d 'List the keys of a service\'s nodes, as "nodes list" does'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and not __fish_seen_subcommand_from list show remove set unset help" -f -a "remove" -d 'Remove a service: all keys of its nodes, in one transaction'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and not __fish_seen_subcommand_from list show remove set unset help" -f -a "set" -d 'Write the settings of a service, which the router takes without a reload'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and not __fish_seen_subcommand_from list show remove set unset help" -f -a "unset" -d 'Remove the settings of a service: it is then as the directives of the upstream say'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and not __fish_seen_subcommand_from list show remove set unset help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from list" -l routes -d 'Prefix of the keys of an etcd_map: show which of them lead to each service' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from list" -l settings -d 'Prefix of the keys with settings, as the directive "etcd_group" has it: show what each service has of its own' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from list" -l services -d 'Prefix of the nodes\' keys, as the directive "etcd" has it' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from list" -l scheme -d 'Which of several endpoints in a value is meant, as in the directive "etcd" [default: http, or else https]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from list" -l etcd-endpoints -d 'URLs of the etcd members, separated by commas [default: http://127.0.0.1:2379]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from list" -l etcd-ip -d 'Host of a single endpoint, as in the original image' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from list" -l etcd-port -d 'Port of a single endpoint, as in the original image [default: 2379]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from list" -l etcd-cacert -d 'CA certificates to verify https:// endpoints with (PEM) [default: the system\'s]' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from list" -l etcd-cert -d 'Client certificate with its chain (PEM)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from list" -l etcd-key -d 'Private key of the client certificate (PEM)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from list" -l etcd-server-name -d 'Name to verify etcd\'s certificate against [default: the endpoint\'s host]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from list" -l etcd-user -d 'User for etcd\'s authentication' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from list" -l etcd-password-file -d 'File with the user\'s password, read at each login; alternatively, the variable ETCD_PASSWORD holds the password itself' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from list" -l etcd-connect-timeout -d 'Timeout of a connection to an endpoint, in seconds' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from list" -l json -d 'Print JSON: a list with an object for each service'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from list" -l stream -d 'The upstream of --settings is one of "stream"'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from show" -l services -d 'Prefix of the nodes\' keys, as the directive "etcd" has it' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from show" -l scheme -d 'Which of several endpoints in a value is meant, as in the directive "etcd" [default: http, or else https]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from show" -l etcd-endpoints -d 'URLs of the etcd members, separated by commas [default: http://127.0.0.1:2379]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from show" -l etcd-ip -d 'Host of a single endpoint, as in the original image' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from show" -l etcd-port -d 'Port of a single endpoint, as in the original image [default: 2379]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from show" -l etcd-cacert -d 'CA certificates to verify https:// endpoints with (PEM) [default: the system\'s]' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from show" -l etcd-cert -d 'Client certificate with its chain (PEM)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from show" -l etcd-key -d 'Private key of the client certificate (PEM)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from show" -l etcd-server-name -d 'Name to verify etcd\'s certificate against [default: the endpoint\'s host]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from show" -l etcd-user -d 'User for etcd\'s authentication' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from show" -l etcd-password-file -d 'File with the user\'s password, read at each login; alternatively, the variable ETCD_PASSWORD holds the password itself' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from show" -l etcd-connect-timeout -d 'Timeout of a connection to an endpoint, in seconds' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from show" -l json -d 'Print JSON: a list with an object for each key'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from remove" -l routes -d 'Prefix of the keys of an etcd_map: change nothing if one of them leads to the service' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from remove" -l settings -d 'Prefix of the keys with settings, as the directive "etcd_group" has it: say whether settings of the service stay' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from remove" -l services -d 'Prefix of the nodes\' keys, as the directive "etcd" has it' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from remove" -l scheme -d 'Which of several endpoints in a value is meant, as in the directive "etcd" [default: http, or else https]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from remove" -l etcd-endpoints -d 'URLs of the etcd members, separated by commas [default: http://127.0.0.1:2379]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from remove" -l etcd-ip -d 'Host of a single endpoint, as in the original image' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from remove" -l etcd-port -d 'Port of a single endpoint, as in the original image [default: 2379]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from remove" -l etcd-cacert -d 'CA certificates to verify https:// endpoints with (PEM) [default: the system\'s]' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from remove" -l etcd-cert -d 'Client certificate with its chain (PEM)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from remove" -l etcd-key -d 'Private key of the client certificate (PEM)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from remove" -l etcd-server-name -d 'Name to verify etcd\'s certificate against [default: the endpoint\'s host]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from remove" -l etcd-user -d 'User for etcd\'s authentication' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from remove" -l etcd-password-file -d 'File with the user\'s password, read at each login; alternatively, the variable ETCD_PASSWORD holds the password itself' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from remove" -l etcd-connect-timeout -d 'Timeout of a connection to an endpoint, in seconds' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from remove" -l force -d 'Remove the service although keys of --routes lead to it'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from set" -l settings -d 'Prefix of the keys with settings, as the directive "etcd_group" has it' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from set" -l services -d 'Prefix of the nodes\' keys, as the directive "etcd" has it' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from set" -l scheme -d 'Which of several endpoints in a value is meant, as in the directive "etcd" [default: http, or else https]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from set" -l etcd-endpoints -d 'URLs of the etcd members, separated by commas [default: http://127.0.0.1:2379]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from set" -l etcd-ip -d 'Host of a single endpoint, as in the original image' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from set" -l etcd-port -d 'Port of a single endpoint, as in the original image [default: 2379]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from set" -l etcd-cacert -d 'CA certificates to verify https:// endpoints with (PEM) [default: the system\'s]' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from set" -l etcd-cert -d 'Client certificate with its chain (PEM)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from set" -l etcd-key -d 'Private key of the client certificate (PEM)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from set" -l etcd-server-name -d 'Name to verify etcd\'s certificate against [default: the endpoint\'s host]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from set" -l etcd-user -d 'User for etcd\'s authentication' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from set" -l etcd-password-file -d 'File with the user\'s password, read at each login; alternatively, the variable ETCD_PASSWORD holds the password itself' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from set" -l etcd-connect-timeout -d 'Timeout of a connection to an endpoint, in seconds' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from set" -l stream -d 'The upstream is one of "stream"'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from unset" -l settings -d 'Prefix of the keys with settings, as the directive "etcd_group" has it' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from unset" -l etcd-endpoints -d 'URLs of the etcd members, separated by commas [default: http://127.0.0.1:2379]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from unset" -l etcd-ip -d 'Host of a single endpoint, as in the original image' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from unset" -l etcd-port -d 'Port of a single endpoint, as in the original image [default: 2379]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from unset" -l etcd-cacert -d 'CA certificates to verify https:// endpoints with (PEM) [default: the system\'s]' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from unset" -l etcd-cert -d 'Client certificate with its chain (PEM)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from unset" -l etcd-key -d 'Private key of the client certificate (PEM)' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from unset" -l etcd-server-name -d 'Name to verify etcd\'s certificate against [default: the endpoint\'s host]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from unset" -l etcd-user -d 'User for etcd\'s authentication' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from unset" -l etcd-password-file -d 'File with the user\'s password, read at each login; alternatively, the variable ETCD_PASSWORD holds the password itself' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from unset" -l etcd-connect-timeout -d 'Timeout of a connection to an endpoint, in seconds' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from unset" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the services with the numbers of their nodes'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from help" -f -a "show" -d 'List the keys of a service\'s nodes, as "nodes list" does'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Remove a service: all keys of its nodes, in one transaction'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from help" -f -a "set" -d 'Write the settings of a service, which the router takes without a reload'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from help" -f -a "unset" -d 'Remove the settings of a service: it is then as the directives of the upstream say'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand services; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand check-value" -l key -d 'Key of the value, with or without the prefix: some forms have the address in it' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand check-value" -l prefix -d 'Prefix of the keys of nodes (PREFIX/upstream/) and settings (PREFIX/nginx/)' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand check-value" -l scheme -d 'Which of several endpoints in the value is meant, as in the directive "etcd" [default: http, or else https]' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand check-value" -l select -d 'Label that peers must have, as in the directive "etcd_select"; several if the flag is repeated' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand check-value" -l allow -d 'Network in which peers must be, as in the directive "etcd_allow"; several if the flag is repeated' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand check-value" -l defaults -d 'Parameters that the value does not set, as in the directive "etcd_defaults": \'weight=2 max_fails=3\'' -r
complete -c firehose-router -n "__fish_firehose_router_using_subcommand check-value" -l stream -d 'Read the value for an upstream in "stream", where an address must have a port'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand check-value" -l json -d 'Print JSON'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand check-value" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand healthcheck" -l run-dir -d 'Directory given to the router with --run-dir' -r -F
complete -c firehose-router -n "__fish_firehose_router_using_subcommand healthcheck" -s h -l help -d 'Print help'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand help; and not __fish_seen_subcommand_from serve announce migrate status nodes routes services check-value healthcheck help" -f -a "serve" -d 'Run the router: nginx, with its nodes and settings live from etcd'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand help; and not __fish_seen_subcommand_from serve announce migrate status nodes routes services check-value healthcheck help" -f -a "announce" -d 'Announce a Firehose server in etcd for as long as it answers'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand help; and not __fish_seen_subcommand_from serve announce migrate status nodes routes services check-value healthcheck help" -f -a "migrate" -d 'Copy settings, and nodes without a lease, from one etcd to another or from API v2'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand help; and not __fish_seen_subcommand_from serve announce migrate status nodes routes services check-value healthcheck help" -f -a "status" -d 'Show the state of routers: their upstreams, peers, last changes, and what is wrong'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand help; and not __fish_seen_subcommand_from serve announce migrate status nodes routes services check-value healthcheck help" -f -a "nodes" -d 'List and change the nodes\' keys in etcd'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand help; and not __fish_seen_subcommand_from serve announce migrate status nodes routes services check-value healthcheck help" -f -a "routes" -d 'List and change the keys of an etcd_map, such as those that route hosts to services'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand help; and not __fish_seen_subcommand_from serve announce migrate status nodes routes services check-value healthcheck help" -f -a "services" -d 'List and remove services, and set what each has of its own: the keys of an upstream with etcd_group, by service'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand help; and not __fish_seen_subcommand_from serve announce migrate status nodes routes services check-value healthcheck help" -f -a "check-value" -d 'Say what the router makes of a value, or why it rejects it'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand help; and not __fish_seen_subcommand_from serve announce migrate status nodes routes services check-value healthcheck help" -f -a "healthcheck" -d 'Check whether the router on this machine answers, for the health check of a container'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand help; and not __fish_seen_subcommand_from serve announce migrate status nodes routes services check-value healthcheck help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand help; and __fish_seen_subcommand_from nodes" -f -a "list" -d 'List the nodes\' keys, with what the router makes of their values'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand help; and __fish_seen_subcommand_from nodes" -f -a "add" -d 'Add a node, unless its key exists'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand help; and __fish_seen_subcommand_from nodes" -f -a "set" -d 'Change parameters of a node, in the form that its value has'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand help; and __fish_seen_subcommand_from nodes" -f -a "drain" -d 'Mark a node "drain", so that it gets no new sessions'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand help; and __fish_seen_subcommand_from nodes" -f -a "undrain" -d 'Remove the mark "drain" from a node'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand help; and __fish_seen_subcommand_from nodes" -f -a "remove" -d 'Remove a node\'s key'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand help; and __fish_seen_subcommand_from routes" -f -a "list" -d 'List the keys, with what the router makes of their values'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand help; and __fish_seen_subcommand_from routes" -f -a "set" -d 'Write a key: a new one, or another value of one that exists'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand help; and __fish_seen_subcommand_from routes" -f -a "remove" -d 'Remove a key'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand help; and __fish_seen_subcommand_from services" -f -a "list" -d 'List the services with the numbers of their nodes'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand help; and __fish_seen_subcommand_from services" -f -a "show" -d 'List the keys of a service\'s nodes, as "nodes list" does'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand help; and __fish_seen_subcommand_from services" -f -a "remove" -d 'Remove a service: all keys of its nodes, in one transaction'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand help; and __fish_seen_subcommand_from services" -f -a "set" -d 'Write the settings of a service, which the router takes without a reload'
complete -c firehose-router -n "__fish_firehose_router_using_subcommand help; and __fish_seen_subcommand_from services" -f -a "unset" -d 'Remove the settings of a service: it is then as the directives of the upstream say'
