#!/usr/bin/env python3
"""
The batch script of everything the portal starts at a Slurm site. Constant: no value is ever written into it; they come by the
environment, which the site's submit program hands to the scheduler by a file descriptor.

Its first act is a file made exclusively, named by the launch id: a launch that was submitted twice runs once. Then it finds a
port, tells the hub, and runs what was ordered until that ends. Standard library of any Python 3.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

RAN_BEFORE, HOME_FAILED, HUB_SILENT, HUB_REFUSED = 0, 75, 76, 77
ASK_EVERY_S = 0.5


def main():
    os.umask(0o077)
    id = os.environ["COMMONS_PROCESS"]
    folder = os.path.join(os.environ["HOME"], ".local/share/commons/launches")
    try:
        if not os.path.isdir(folder):
            os.makedirs(folder, exist_ok=True)
    except OSError as error:
        print("home_unwritable:", error, file=sys.stderr, flush=True)
        return HOME_FAILED
    try:
        mark = os.open(os.path.join(folder, id), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        os.write(mark, os.environ.get("SLURM_JOB_ID", "?").encode())
        os.close(mark)
    except FileExistsError:
        return RAN_BEFORE
    except OSError as error:
        print("home_unwritable:", error, file=sys.stderr, flush=True)
        return HOME_FAILED
    if os.environ.get("COMMONS_CALLBACK"):
        code = tell_port(id)
        if code:
            return code
    return run()


def tell_port(id):
    """Choose a port, tell the hub, and set it in the server's own address."""
    bind = os.environ["COMMONS_BIND"]
    with socket.socket() as probe:
        probe.bind((bind, 0))
        port = probe.getsockname()[1]
    request = urllib.request.Request(
        os.environ["COMMONS_CALLBACK"] + "/" + id,
        data=json.dumps({"port": port}).encode(),
        headers={"Authorization": "Bearer " + os.environ.pop("COMMONS_CALLBACK_SECRET"), "Content-Type": "application/json"},
        method="POST",
    )
    limit = time.monotonic() + float(os.environ.get("COMMONS_CALLBACK_S", "120"))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while True:
        try:
            with opener.open(request, timeout=5):
                break
        except urllib.error.HTTPError as error:
            if error.code in (400, 403, 404, 409, 410):
                print("hub refused the port:", error.code, file=sys.stderr, flush=True)
                return HUB_REFUSED
        except OSError:
            pass
        if time.monotonic() >= limit:
            print("the hub did not answer", file=sys.stderr, flush=True)
            return HUB_SILENT
        time.sleep(ASK_EVERY_S)
    os.environ["JUPYTERHUB_SERVICE_URL"] = "http://%s:%d%s" % (bind, port, os.environ["JUPYTERHUB_SERVICE_PREFIX"])
    return 0


def run():
    argv = json.loads(os.environ.pop("COMMONS_ARGV"))
    for name in ("COMMONS_CALLBACK", "COMMONS_CALLBACK_S", "COMMONS_CALLBACK_SECRET", "COMMONS_BIND"):
        os.environ.pop(name, None)
    os.umask(0o007)  # the home is its owner's alone; in `shared/` the team may read and write
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL)

    def ask_to_end(*_):
        child.send_signal(signal.SIGTERM)

    # Slurm signals a minute and a half before its own limit, and when a job is cancelled: either way the server may save.
    signal.signal(signal.SIGUSR1, ask_to_end)
    signal.signal(signal.SIGTERM, ask_to_end)
    code = child.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
