#!/usr/bin/env python3
"""
The batch script of everything the portal starts at a Slurm site. Constant: no value is ever written into it; they come by the
environment, which the site's submit program hands to the scheduler by a file descriptor.

Its first act is a file made exclusively, named by the launch id: a launch that was submitted twice runs once. Then it finds a
port, starts what was ordered, tells the hub the port meanwhile, and waits for the end. Standard library of any Python 3.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time

RAN_BEFORE, HOME_FAILED, HUB_SILENT, HUB_REFUSED = 0, 75, 76, 77
ASK_EVERY_S, END_S = 0.5, 5.0
OURS = ("CALLBACK", "CALLBACK_SECRET", "CALLBACK_S", "BIND")  # of our words in the environment: not the server's to see


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
    return run(id)


def run(id):
    """Start what was ordered, tell the hub its port while it boots, and wait for its end."""
    argv = json.loads(os.environ.pop("COMMONS_ARGV"))
    callback, secret, seconds, bind = [os.environ.pop("COMMONS_" + name, "") for name in OURS]
    port = 0
    if callback:
        port = port_choose(bind)
        os.environ["JUPYTERHUB_SERVICE_URL"] = "http://%s:%d%s" % (bind, port, os.environ["JUPYTERHUB_SERVICE_PREFIX"])
    os.umask(0o007)  # the home is its owner's alone; in `shared/` the team may read and write
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL)

    def ask_to_end(*_):
        child.send_signal(signal.SIGTERM)

    # Slurm signals a minute and a half before its own limit, and when a job is cancelled: either way the server may save.
    signal.signal(signal.SIGUSR1, ask_to_end)
    signal.signal(signal.SIGTERM, ask_to_end)
    if callback:
        refused = port_tell(callback + "/" + id, secret, port, child, float(seconds or 120))
        if refused:
            end(child)
            return refused
    code = child.wait()
    return code if code >= 0 else 128 - code


def port_choose(bind):
    with socket.socket() as probe:
        probe.bind((bind, 0))
        return probe.getsockname()[1]


def port_tell(url, secret, port, child, seconds):
    """Tell the hub where the server listens, while that lives. 0, or why there is no use for it."""
    import urllib.error  # only now: reading these would keep the server waiting
    import urllib.request

    headers = {"Authorization": "Bearer " + secret, "Content-Type": "application/json"}
    request = urllib.request.Request(url, data=json.dumps({"port": port}).encode(), headers=headers, method="POST")
    limit = time.monotonic() + seconds
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while child.poll() is None:
        try:
            with opener.open(request, timeout=5):
                return 0
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
    return 0


def end(child):
    child.terminate()
    try:
        child.wait(END_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


if __name__ == "__main__":
    sys.exit(main())
