#!/usr/bin/env python3
"""Stands in for kubectl where there is no Kubernetes: its "pods" are containers of Docker, as far
as docs/tutorials/kubernetes.md needs them. It accepts only what it knows: a field of a manifest
that it does not know is an error.

KUBE_IMAGES names images ("NAME=IMAGE ..."), KUBE_NETWORK Docker's network, KUBE_MOUNT what is
mounted besides.
"""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time

import yaml

POD = "firehose-router-tutorial-pod"
PROBE = "firehose-router-tutorial-probe"
READY_SECONDS = 60


def docker(*arguments, **options):
    return subprocess.run(["docker", *arguments], check=True, text=True, **options)


def take(block, *names, where):
    """The values of these fields, which are all that the block may have."""
    unknown = set(block) - set(names)
    if unknown:
        sys.exit(f"kubectl: {where}: unknown fields {sorted(unknown)}")
    return [block.get(name) for name in names]


def environment(entries):
    """Docker's arguments, and commands of a shell for what only the pod itself knows."""
    arguments, shell = [], ""
    for entry in entries or []:
        name, value, source = take(entry, "name", "value", "valueFrom", where="env")
        if source is None:
            assert isinstance(value, str), f"{name}: a value has to be a string"
            arguments += ["-e", f"{name}={value}"]
        else:
            assert source == {"fieldRef": {"fieldPath": "status.podIP"}}, source
            shell += f"export {name}=$(hostname -i); "
    return arguments, shell


def security(container, pod):
    arguments = []
    non_root, read_only, escalation, capabilities = take(
        container, "runAsNonRoot", "readOnlyRootFilesystem", "allowPrivilegeEscalation",
        "capabilities", where="securityContext")
    (group,) = take(pod, "fsGroup", where="securityContext of the pod")
    if read_only:
        arguments.append("--read-only")
    if escalation is False:
        arguments += ["--security-opt", "no-new-privileges"]
    for name in take(capabilities or {}, "drop", where="capabilities")[0] or []:
        arguments += ["--cap-drop", name]
    if group:
        arguments += ["--group-add", str(group)]
    return arguments, non_root


def start(pod, name):
    """Starts the one container of a pod, which knows the probe of its readiness."""
    grace, containers, volumes, pod_security = take(
        pod, "terminationGracePeriodSeconds", "containers", "volumes", "securityContext",
        where="the pod")
    (container,) = containers
    (_, image, command, env, ports, lifecycle, readiness, liveness, context, mounts) = take(
        container, "name", "image", "command", "env", "ports", "lifecycle", "readinessProbe",
        "livenessProbe", "securityContext", "volumeMounts", where="the container")
    images = dict(pair.split("=", 1) for pair in os.environ["KUBE_IMAGES"].split())
    if image not in images:
        sys.exit(f"kubectl: there is no image {image}")
    image = images[image]
    arguments, shell = environment(env)
    more, non_root = security(context or {}, pod_security or {})
    arguments += more
    user = docker("image", "inspect", "-f", "{{.Config.User}}", image,
                  stdout=subprocess.PIPE).stdout.strip()
    # Kubernetes cannot see that a name is not root's.
    assert not non_root or re.match(r"[1-9][0-9]*(:|$)", user), f"the image's user is {user!r}"
    known = {volume["name"]: volume["emptyDir"] for volume in volumes or []}
    for mount in mounts or []:
        assert known[mount["name"]] == {}
        # A volume of Docker belongs to whom the directory of the image does, and so to its user,
        # and a volume of Kubernetes to root and fsGroup.
        group = pod_security["fsGroup"]
        assert user.endswith(f":{group}"), f"the image's user {user} is not of fsGroup {group}"
        arguments += ["--mount", f"type=volume,dst={mount['mountPath']}"]
    for port in ports or []:
        take(port, "containerPort", where="ports")
    for probe in filter(None, [readiness, liveness]):
        take(probe, "exec", "periodSeconds", "failureThreshold", where="a probe")
    if lifecycle:
        assert list(lifecycle) == ["preStop"]
        stop = int(lifecycle["preStop"]["exec"]["command"][-1])
        stop += int(dict((e["name"], e.get("value")) for e in env)["FIREHOSE_STOP_TIMEOUT"])
        assert grace > stop, f"{grace} s are not longer than {stop} s"
    words = []
    if command:
        arguments += ["--entrypoint", "sh"]
        words = ["-c", shell + 'exec "$@"', "sh", *command]
    if os.environ.get("KUBE_MOUNT"):
        arguments += ["-v", os.environ["KUBE_MOUNT"]]
    if readiness:
        arguments += ["--label", f"{PROBE}={json.dumps(readiness['exec']['command'])}"]
    docker("run", "-d", "--label", f"{POD}={name}", "--network", os.environ["KUBE_NETWORK"],
           *arguments, image, *words, stdout=subprocess.DEVNULL)


def pods(name):
    said = docker("ps", "-q", "--filter", f"label={POD}={name}", stdout=subprocess.PIPE).stdout
    return said.split()


def apply(path):
    with open(path, encoding="utf-8") as file:
        documents = list(yaml.safe_load_all(file))
    labels, ports = {}, set()
    for document in documents:
        version, kind, metadata, spec = take(
            document, "apiVersion", "kind", "metadata", "spec", where=path)
        if kind == "Deployment":
            assert version == "apps/v1"
            replicas, selector, template = take(
                spec, "replicas", "selector", "template", where="the Deployment")
            labels = template["metadata"]["labels"]
            assert selector["matchLabels"] == labels
            for container in template["spec"]["containers"]:
                ports |= {port["containerPort"] for port in container["ports"]}
                listens = {e["value"] for e in container["env"] if e["name"] == "FIREHOSE_LISTEN"}
                assert listens == set(map(str, ports)), f"{listens} is not {ports}"
            for _ in range(replicas):
                start(template["spec"], metadata["name"])
        elif kind == "Service":
            assert version == "v1"
            assert spec["selector"] == labels, "the Service selects no pod"
            assert {port["targetPort"] for port in spec["ports"]} <= ports
        else:
            sys.exit(f"kubectl: unknown kind {kind}")
        print(f"{kind.lower()}/{metadata['name']} created")


def is_ready(pod):
    probe = docker("inspect", "-f", '{{index .Config.Labels "%s"}}' % PROBE, pod,
                   stdout=subprocess.PIPE).stdout
    return subprocess.run(["docker", "exec", pod, *json.loads(probe)], capture_output=True,
                          check=False).returncode == 0


def rollout(name):
    deadline = time.monotonic() + READY_SECONDS
    while not all(map(is_ready, pods(name))):
        assert time.monotonic() < deadline, "the pods do not get ready"
        time.sleep(0.5)
    print(f'deployment "{name}" successfully rolled out')


def forward(name, ports):
    """Connects from inside a pod, and so from 127.0.0.1; waits for it first."""
    deadline = time.monotonic() + READY_SECONDS
    while not pods(name):
        assert time.monotonic() < deadline, "there is no pod"
        time.sleep(0.5)
    pod = pods(name)[0]
    here, there = map(int, ports.split(":"))
    script = f"exec 3<>/dev/tcp/127.0.0.1/{there}; cat <&3 & cat >&3; wait"
    with socket.create_server(("127.0.0.1", here)) as server:
        while True:
            client, _ = server.accept()
            threading.Thread(target=serve, args=(client, pod, script), daemon=True).start()


def serve(client, pod, script):
    with client, client.makefile("rwb", buffering=0) as stream:
        subprocess.run(["docker", "exec", "-i", pod, "bash", "-c", script],
                       stdin=stream, stdout=stream, check=False)


def main(words):
    if words[:2] == ["apply", "-f"]:
        apply(words[2])
    elif words[:2] == ["rollout", "status"]:
        rollout(words[2].removeprefix("deployment/"))
    elif words[0] == "exec" and words[2] == "--":
        pod = pods(words[1].removeprefix("deployment/"))[0]
        os.execvp("docker", ["docker", "exec", pod, *words[3:]])
    elif words[0] == "port-forward":
        forward(words[1].removeprefix("deployment/"), words[2])
    elif words[0] == "run-pod":
        # Not kubectl's: a pod of which the page shows a part, on standard input.
        start(yaml.safe_load(sys.stdin), words[1])
    else:
        sys.exit(f"kubectl: unknown command {words}")


main(sys.argv[1:])
