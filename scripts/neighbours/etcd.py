"""One member of etcd, for the scripts beside this file."""

import base64
import http.client
import json
import os
import subprocess

from proxies import Process, free_port, new_folder, wait_until


def text(value):
    return base64.b64encode(value.encode()).decode()


class Etcd(Process):
    """`program` is the environment variable that names it."""

    def __init__(self, program):
        self.folder, self.port, self.program = new_folder(), free_port(), os.environ[program]
        self.start()

    def start(self):
        url, none = f"http://127.0.0.1:{self.port}", "http://127.0.0.1:0"
        super().__init__([self.program, "--data-dir", self.folder + "/data", "--unsafe-no-fsync",
                          "--listen-client-urls", url, "--advertise-client-urls", url,
                          "--listen-peer-urls", none, "--initial-advertise-peer-urls", none,
                          "--initial-cluster", "default=" + none])
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        # Answered once there is a leader.
        wait_until(lambda: "header" in self.call("kv/range", {"key": text("x")}))

    def restart(self):
        self.process.terminate()
        self.process.wait()
        self.start()

    def version(self):
        said = subprocess.run([self.program, "--version"], capture_output=True, text=True).stdout
        return said.split()[2]

    def call(self, method, request):
        self.connection.request("POST", "/v3/" + method, json.dumps(request))
        return json.load(self.connection.getresponse())

    def watch(self, *requests):
        """The messages of a watch, as they come."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        connection.request("POST", "/v3/watch", "".join(map(json.dumps, requests)))
        answer = connection.getresponse()
        try:
            while line := answer.readline():
                yield json.loads(line)["result"]
        except TimeoutError:
            pass
        finally:
            connection.close()
