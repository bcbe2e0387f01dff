"""Starts an emulator of AWS on the loopback address, and ends with whoever started it.

    python start.py localstack|moto|ministack STATE_FOLDER

Prints one line, `ready http://127.0.0.1:PORT`, once every service answers; what the emulator itself has to say goes to
standard error. It lives as long as standard input stays open. The starter holds the other end, and the kernel closes
that end however the starter dies; the emulator runs in this very process, so nothing can be left behind.
"""

import fcntl
import http.client
import os
import pathlib
import shutil
import socket
import sys
import tempfile
import threading
import time

SERVICES = "secretsmanager,kms,iam,sts,logs,cloudwatch"
# For machines that are busy with something else: seconds otherwise.
READY_WITHIN_SECONDS = 300


def localstack(listener):
    # Its server takes the port from the configuration and drops the host; an adopted socket leaves it no choice.
    os.environ.update(
        GATEWAY_LISTEN=address(listener),
        LOCALSTACK_HOST=address(listener),
        OVERRIDE_IN_DOCKER="0",
        DNS_ADDRESS="0",
        DISABLE_EVENTS="1",
        SKIP_SSL_CERT_DOWNLOAD="1",
        FILESYSTEM_ROOT=os.environ["HOME"],
        SERVICES=SERVICES,
        EAGER_SERVICE_LOADING="1",
    )
    from twisted.internet import endpoints

    def adopted(reactor, *_, **__):
        return endpoints.AdoptedStreamServerEndpoint(reactor, os.dup(listener.fileno()), socket.AF_INET)

    endpoints.TCP4ServerEndpoint = adopted
    from localstack.runtime.main import main

    main()


def moto(listener):
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    application, turn = DomainDispatcherApplication(create_backend_app), threading.Lock()

    def one_at_a_time(environ, start_response):
        # Its threads look whether there is a version and add it in two steps, which AWS does in one: now and then two win.
        with turn:
            return application(environ, start_response)

    make_server("127.0.0.1", 0, one_at_a_time, threaded=True, fd=listener.fileno()).serve_forever()


def ministack(listener):
    import asyncio

    os.environ.update(GATEWAY_PORT=str(listener.getsockname()[1]), BIND_HOST="127.0.0.1")
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack.app import app

    configuration = Config()
    configuration.bind = [f"fd://{os.dup(listener.fileno())}"]
    asyncio.run(serve(app, configuration))


# What each runs, and what answers with success once it is up.
EMULATORS = {
    "localstack": (localstack, "/_localstack/health"),
    "moto": (moto, "/moto-api/data.json"),
    "ministack": (ministack, "/_ministack/health"),
}


def address(listener):
    return "{}:{}".format(*listener.getsockname())


def own_folder(place):
    """A folder for this process alone; those whose owner was killed are removed."""
    place.mkdir(parents=True, exist_ok=True)
    with open(place / "lock", "w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        for left in (entry for entry in place.iterdir() if entry.is_dir()):
            if held(left) is not None:
                shutil.rmtree(left, ignore_errors=True)
        folder = pathlib.Path(tempfile.mkdtemp(dir=place))
        # Held until this process ends.
        own_folder.held = held(folder)
    return folder


def held(folder):
    """The lock on a folder, or None where somebody else holds it."""
    lock = open(folder / "alive", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    return lock


def end_with_standard_input(folder):
    while os.read(0, 4096):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def say_when_ready(listener, path, out, folder):
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while time.monotonic() < deadline:
        if answers(listener, path):
            out.write(f"ready http://{address(listener)}\n")
            out.flush()
            return
        time.sleep(0.1)
    print(f"nothing answered at {path} within {READY_WITHIN_SECONDS} s", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def answers(listener, path):
    connection = http.client.HTTPConnection(*listener.getsockname(), timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def environment_of_its_own(folder):
    """Nothing of the person's AWS or emulator settings reaches it, and nothing it writes leaves the folder."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "LOCALSTACK_", "MOTO_", "MINISTACK_")):
            del os.environ[name]
    os.environ.update(
        HOME=str(folder),
        TMPDIR=str(folder),
        XDG_CACHE_HOME=str(folder),
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        AWS_DEFAULT_REGION="us-east-1",
    )
    tempfile.tempdir = None
    os.chdir(folder)


def main():
    name, place = sys.argv[1:]
    run, health = EMULATORS[name]
    # One line is all that standard output is for.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    folder = own_folder(pathlib.Path(place).resolve())
    threading.Thread(target=end_with_standard_input, args=[folder], daemon=True).start()
    environment_of_its_own(folder)
    # Bound before anything else runs: no other process can take the port, and no other interface is listened on.
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    threading.Thread(target=say_when_ready, args=[listener, health, out, folder], daemon=True).start()
    try:
        run(listener)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
