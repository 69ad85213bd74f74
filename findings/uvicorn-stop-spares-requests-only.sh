#!/usr/bin/env bash
# uvicorn 0.54.0 with websockets 17.4 (PyPI): the graceful stop on SIGTERM is for requests only. A
# request in progress is answered in full, while every WebSocket gets a close frame at once, and
# with code 1012 ("service restart") instead of 1001 ("going away"). The client library of the same
# package counts 1001 as an orderly end: its loop over messages ends without an exception. With
# 1012 the loop raises ConnectionClosedError. A good guess is that sessions are left alone until
# the requests are done, or are closed with 1001.
#
# Expected after SIGTERM: the WebSocket is closed with 1012 within 1.5 s, the client's loop raises
# ConnectionClosedError; a request that takes 3 s is answered "done" afterwards.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m pip install -q --no-deps --disable-pip-version-check --root-user-action=ignore \
    --target site uvicorn==0.54.0 websockets==17.4 click==8.1.8 h11==0.16.0 \
    typing_extensions==4.12.2

cat >app.py <<'END'
import asyncio

async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            await send({"type": "websocket.send", "text": "echo"})
    elif scope["type"] == "http":
        await asyncio.sleep(3)
        await send({"type": "http.response.start", "status": 200,
                    "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"done"})
END

PYTHONPATH=$folder/site:$folder python3 - <<'END'
import asyncio, importlib.metadata, socket, subprocess, sys, threading, time, urllib.request
import websockets

with socket.create_server(("127.0.0.1", 0)) as unused:
    port = unused.getsockname()[1]
uvicorn = subprocess.Popen([sys.executable, "-m", "uvicorn", "app:app", "--port", str(port),
                            "--log-level", "warning", "--ws", "websockets-sansio"])

async def session():
    """Ends uvicorn, and returns how the session ended and after how many seconds."""
    async with websockets.connect(f"ws://127.0.0.1:{port}/", proxy=None) as client:
        await client.send("hello")
        assert await client.recv() == "echo"
        began = time.monotonic()
        uvicorn.terminate()
        try:
            async for message in client:
                pass
            raised = None
        except websockets.ConnectionClosed as error:
            raised = type(error).__name__
        return client.close_code, raised, time.monotonic() - began

answers = []
def request():
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    answers.append(opener.open(f"http://127.0.0.1:{port}/", timeout=20).read())

try:
    for attempt in range(100):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            time.sleep(0.1)
    asking = threading.Thread(target=request)
    asking.start()
    time.sleep(0.5)
    code, raised, seconds = asyncio.run(session())
    in_time = not answers
    asking.join()
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("uvicorn", "websockets")]
    print(f"{', '.join(versions)}: closed with {code} after {seconds:.1f} s, the loop raises "
          f"{raised}; the request: {answers}")
    assert answers == [b"done"], "the request is not spared"
    assert in_time and seconds < 1.5, "the session is spared now"
    assert (code, raised) == (1012, "ConnectionClosedError"), "it is closed otherwise now"
finally:
    uvicorn.terminate()
    uvicorn.wait()
END
