"""The real darasa-edge with real sockets: HTTP/1.1, HTTP/2, WebSocket, TLS, files, and those who misbehave.

edge_test.py BINARY [name ...]: prints "ok NAME" or "not ok NAME"; the exit status says whether all passed.
"""
import gzip
import json
import os
import random
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

from edge_harness import (HTTP_GONE, HTTP_REQUEST, WS_ACCEPT, WS_CLOSE, WS_OPEN, WS_REFUSE, WS_TEXT, WS_TEXT_MANY, Edge,
                          Response, Socket, certificate)

BINARY = sys.argv[1]
TESTS = []


def test(**options):
    def add(function):
        TESTS.append((function, options))
        return function
    return add


def until(condition, what, timeout=10):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"not in time: {what}"
        time.sleep(0.02)


def both(edge):
    edge.link("signal")
    edge.link("web")
    until(lambda: edge.get("/readyz", which="admin").status == 200, "both links up")


def curl(*args):
    out = subprocess.run(["curl", "-s", "-k", "--max-time", "20", *args], capture_output=True)
    assert out.returncode == 0, (args, out.returncode, out.stderr)
    return out.stdout


def gone(sock):
    """The server closed or reset the connection."""
    sock.settimeout(10)
    try:
        while sock.recv(65536):
            pass
    except ConnectionError:
        pass
    return True


# HTTP/1.1 and files

@test()
def static_files(edge):
    page = "<!doctype html><title>Darasa</title>"
    edge.write("client", "index.html", page)
    script = "console.log('x');" * 100
    edge.write("client", "assets/app-1a2b.js", script)
    edge.write("client", "assets/app-1a2b.js.gz", gzip.compress(script.encode()))
    edge.write("client", "assets/app-1a2b.js.br", b"not really brotli")
    edge.write("client", ".hidden", "no")
    for path in ("/", "/class/7", "/enter", "/guest/room-1", "/recordings", "/recordings/0a", "/no/such/page"):
        answer = edge.get(path)
        assert answer.status == 200 and answer.body.decode() == page, path
        assert answer.headers["cache-control"] == "no-cache"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy and "ws://school.test" in policy and "unsafe" not in policy
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "camera=(self)" in answer.headers["permissions-policy"]
        assert "strict-transport-security" not in answer.headers
    assert "script-src 'self';" in policy
    for stated, meant in (("sha256-aB0+/=\n", "'self' 'sha256-aB0+/=';"), ("sha256-a' *", "'self';"), ("*", "'self';"), ("sha256-" + "a" * 60, "'self';")):
        edge.write("client", "index.html.hash", stated)
        assert "script-src " + meant in edge.get("/class/7").headers["content-security-policy"], stated
        assert "script-src 'self';" in edge.get("/assets/app-1a2b.js").headers["content-security-policy"]
    answer = edge.get("/assets/app-1a2b.js")
    assert answer.body.decode() == script and "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "content-encoding" not in answer.headers and answer.headers["vary"] == "accept-encoding"
    plain = answer.headers["etag"]
    answer = edge.get("/assets/app-1a2b.js", "Accept-Encoding: gzip\r\n")
    assert answer.headers["content-encoding"] == "gzip" and gzip.decompress(answer.body).decode() == script
    assert answer.headers["etag"] != plain
    answer = edge.get("/assets/app-1a2b.js", "Accept-Encoding: gzip, br\r\n")
    assert answer.headers["content-encoding"] == "br"
    answer = edge.get("/assets/app-1a2b.js", f"If-None-Match: \"x\", {plain}\r\n")
    assert answer.status == 304 and answer.headers["etag"] == plain and "content-length" not in answer.headers
    answer = edge.get("/assets/app-1a2b.js", method="HEAD")
    assert answer.status == 200 and answer.headers["content-length"] == str(len(script)) and not answer.rest
    assert edge.get("/assets/missing.js").status == 404
    assert edge.get("/.hidden").status == 404
    answer = edge.get("/", method="POST")
    assert answer.status == 405 and answer.headers["allow"] == "GET, HEAD"


@test()
def paths_stay_inside(edge):
    edge.write("client", "index.html", "page")
    secret = os.path.join(edge.folder, "secret.txt")
    with open(secret, "w") as file:
        file.write("SECRET")
    os.symlink(secret, os.path.join(edge.roots["client"], "link.txt"))
    os.symlink(edge.folder, os.path.join(edge.roots["client"], "up"))
    os.mkfifo(os.path.join(edge.roots["client"], "pipe.txt"))
    for path in ("/link.txt", "/up/secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/a/../../secret.txt",
                 "/../secret.txt", "//etc/passwd.txt", "/%00.txt", "/pipe.txt", "/a%5c..%5csecret.txt"):
        answer = edge.get(path)
        assert answer.status in (400, 404) and b"SECRET" not in answer.body, path
    assert edge.metric('darasa_edge_refused_total{reason="path"}') >= 3


@test()
def ranges(edge):
    data = bytes(range(256)) * 4096
    edge.write("client", "sound.opus", data)
    answer = edge.get("/sound.opus", "Range: bytes=100-199\r\n")
    assert answer.status == 206 and answer.body == data[100:200]
    assert answer.headers["content-range"] == f"bytes 100-199/{len(data)}"
    etag = answer.headers["etag"]
    assert edge.get("/sound.opus", "Range: bytes=-5\r\n").body == data[-5:]
    assert edge.get("/sound.opus", f"Range: bytes=5-9\r\nIf-Range: {etag}\r\n").status == 206
    assert edge.get("/sound.opus", "Range: bytes=5-9\r\nIf-Range: \"other\"\r\n").body == data
    answer = edge.get("/sound.opus", f"Range: bytes={len(data)}-\r\n")
    assert answer.status == 416 and answer.headers["content-range"] == f"bytes */{len(data)}"
    assert edge.get("/sound.opus", "Range: bytes=0-1,4-5\r\n").body == data
    assert edge.get("/sound.opus", "Range: nonsense\r\n").body == data


@test()
def media_elements_get_pieces(edge):
    data = bytes(range(256)) * 4096
    piece = 256 * 1024
    edge.write("client", "sound.opus", data)
    for kind in ("audio", "video"):
        fields = f"Sec-Fetch-Dest: {kind}\r\n"
        answer = edge.get("/sound.opus", fields + "Range: bytes=100-\r\n")
        assert answer.status == 206 and answer.body == data[100:100 + piece]
        assert answer.headers["content-range"] == f"bytes 100-{100 + piece - 1}/{len(data)}"
        # The rest, an end that was named, and all of it come as they were asked for.
        assert edge.get("/sound.opus", fields + f"Range: bytes={len(data) - 9}-\r\n").body == data[-9:]
        assert edge.get("/sound.opus", fields + "Range: bytes=5-999999\r\n").body == data[5:1000000]
        assert edge.get("/sound.opus", fields).body == data
    assert edge.get("/sound.opus", "Sec-Fetch-Dest: empty\r\nRange: bytes=5-\r\n").body == data[5:]


@test()
def keep_alive_and_pipelining(edge):
    edge.write("client", "index.html", "page")
    both(edge)
    sock = edge.connect()
    sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" b"POST /api/x?y=z HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
                 b"GET /two HTTP/1.1\r\nHost: a\r\n\r\n")
    first = Response(sock)
    assert first.body == b"page" and first.headers["connection"] == "keep-alive"
    number, head, body = edge.web.request()
    assert (head["method"], head["path"], head["query"], body) == ("POST", "/api/x", "y=z", b"abc")
    edge.web.respond(number, 201, {"X-Answer": "yes"}, b"made")
    data = first.rest
    while b"page" not in data:
        data += sock.recv(65536)
    assert data.startswith(b"HTTP/1.1 201 Created") and b"x-answer: yes" in data and data.endswith(b"page")
    sock.close()
    # many in one write, torn anywhere
    stream = b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % i for i in range(200))
    sock = edge.connect()
    chance = random.Random(1)
    while stream:
        size = chance.randrange(1, 400)
        sock.sendall(stream[:size])
        stream = stream[size:]
    data = b""
    while data.count(b"HTTP/1.1 200 OK") < 200 or not data.endswith(b"page"):
        data += sock.recv(65536)
    sock.close()


@test()
def api_requests(edge):
    both(edge)
    with edge.connect() as sock:
        sock.sendall(b"PATCH /api/me?q=%20 HTTP/1.1\r\nHost: school.test:8080\r\nCookie: a=1\r\nCookie: b=2\r\nX-One: 1\r\n"
                     b"X-One: 2\r\nX-Forwarded-For: 9.9.9.9\r\nX-Bad: \xff\xfe\r\nConnection: keep-alive\r\n"
                     b"Transfer-Encoding: chunked\r\n\r\n4\r\n{\"a\"\r\n3\r\n:1}\r\n0\r\n\r\n")
        number, head, body = edge.web.request()
        assert body == b'{"a":1}' and head["https"] is False and head["address"] == "127.0.0.1"
        assert head["host"] == "school.test:8080"
        headers = head["headers"]
        assert headers["cookie"] == "a=1; b=2" and headers["x-one"] == "1, 2"
        for name in ("x-forwarded-for", "connection", "transfer-encoding", "x-bad"):
            assert name not in headers, name
        edge.web.respond(number, 200, {"Content-Type": "application/json", "Set-Cookie": ["a=1; HttpOnly", "b=2"],
                                       "Content-Length": "999", "Connection": "x"}, b"{}")
        answer = Response(sock)
        assert answer.body == b"{}" and answer.cookies == ["a=1; HttpOnly", "b=2"]
        assert answer.headers["cache-control"] == "no-store" and answer.headers["x-content-type-options"] == "nosniff"
    for path, peer in (("/config.js", "web"), ("/interface_config.js", "web"), ("/tenant/config.js", "web"),
                       ("/recordings/0a/b.json", "web"), ("/conference-request/v1", "signal"),
                       ("/xmpp-websocket?room=x", "signal")):
        with edge.connect() as sock:
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            number, head, _ = getattr(edge, peer).request()
            assert head["path"] == path.split("?")[0]
            getattr(edge, peer).respond(number, 204)
            answer = Response(sock)
            assert answer.status == 204 and "content-length" not in answer.headers
    with edge.connect() as sock:
        sock.sendall(b"HEAD /api/me HTTP/1.1\r\nHost: a\r\n\r\n")
        number, head, _ = edge.web.request()
        edge.web.respond(number, 200, {}, b"body")
        answer = Response(sock, "HEAD")
        assert answer.headers["content-length"] == "4" and answer.rest == b""
    assert edge.get("/colibri-ws/a/b/c").status == 426


@test()
def big_body_and_big_answer(edge):
    both(edge)
    body = os.urandom(1 << 20)
    with edge.connect() as sock:
        sock.sendall(b"POST /api/up HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
        assert sock.recv(1000).startswith(b"HTTP/1.1 100 Continue")
        sock.sendall(body)
        number, _, got = edge.web.request()
        assert got == body
        big = os.urandom(4 * 1024 * 1024 - 1000)
        edge.web.respond(number, 200, {}, big)
        assert Response(sock).body == big
    with edge.connect() as sock:
        sock.sendall(b"POST /api/up HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n" + body)
        assert Response(sock).status == 413


@test()
def broken_requests(edge):
    edge.write("client", "index.html", "page")
    cases = {
        b"\x00\x01\x02\r\n\r\n": (400, 501), b"GET / HTTP/1.1\r\n\r\n": (400,), b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n": (501,),
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n": (400,), b"GET / HTTP/3.0\r\nHost: a\r\n\r\n": (505,),
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 40000 + b"\r\n\r\n": (431,),
        b"GET /" + b"y" * 20000 + b" HTTP/1.1\r\nHost: a\r\n\r\n": (414,),
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * 200 + b"\r\n": (431,),
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": (400,),
        b"GET /../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n": (400,), b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n": (405,),
        b"POST /api/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n": (400,),
    }
    for data, statuses in cases.items():
        with edge.connect() as sock:
            sock.sendall(data)
            answer = Response(sock)
            assert answer.status in statuses, (data[:60], answer.status)
            assert answer.headers["connection"] == "close"
            assert gone(sock)
    chance = random.Random(7)
    for _ in range(100):
        with edge.connect() as sock:
            good = bytearray(b"GET /path?query HTTP/1.1\r\nHost: school.test\r\nAccept: */*\r\n\r\n")
            for _ in range(chance.randrange(1, 4)):
                good[chance.randrange(len(good))] = chance.randrange(256)
            sock.sendall(good)
            if chance.random() < 0.5:
                sock.shutdown(socket.SHUT_WR)
    assert edge.get("/").status == 200
    assert edge.metric('darasa_edge_refused_total{reason="request"}') >= len(cases)


@test(settings={"edge.head_ms": 300, "edge.body_ms": 600, "edge.idle_ms": 400, "edge.tick_ms": 50,
                "edge.answer_ms": 500})
def deadlines(edge):
    both(edge)
    with edge.connect() as sock:  # a head that trickles
        for byte in b"GET / HTTP/1.1\r\nX-Slow: ":
            try:
                sock.sendall(bytes([byte]))
            except ConnectionError:
                break
            time.sleep(0.03)
        assert Response(sock).status == 408
    with edge.connect() as sock:
        sock.sendall(b"POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        assert Response(sock).status == 408
    with edge.connect() as sock:
        begun = time.monotonic()
        assert gone(sock) and 0.2 < time.monotonic() - begun < 5
    with edge.connect() as sock:  # web says nothing
        sock.sendall(b"GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n")
        number, _, _ = edge.web.request()
        assert Response(sock).status == 504
        assert edge.web.receive()[:2] == (HTTP_GONE, number)
        edge.web.respond(number, 200, {}, b"too late")
        sock.sendall(b"GET /api/y HTTP/1.1\r\nHost: a\r\n\r\n")
        number, _, _ = edge.web.request()
        edge.web.respond(number, 200, {}, b"in time")
        assert Response(sock).body == b"in time"
    assert edge.metric('darasa_edge_refused_total{reason="late"}') == 1
    assert edge.metric('darasa_edge_refused_total{reason="timeout"}') == 2
    pending = Socket(edge, accept=False)  # signal says nothing
    number, _ = edge.signal.expect(WS_OPEN)
    assert Response(pending.sock).status == 504
    assert edge.signal.expect(WS_CLOSE)[0] == number


@test()
def links_missing_and_lost(edge):
    edge.write("client", "index.html", "page")
    assert edge.get("/healthz", which="admin").status == 200
    answer = edge.get("/readyz", which="admin")
    assert answer.status == 503 and b"signal missing" in answer.body and b"web missing" in answer.body
    answer = edge.get("/api/me")
    assert answer.status == 503 and int(answer.headers["retry-after"]) > 0
    assert edge.get("/").status == 200
    refused = Socket(edge, accept=False)
    assert Response(refused.sock).status == 503
    both(edge)
    sockets = [Socket(edge) for _ in range(5)]
    opening = Socket(edge, accept=False)
    edge.signal.expect(WS_OPEN)
    waiting = edge.connect()
    waiting.sendall(b"GET /api/me HTTP/1.1\r\nHost: a\r\n\r\n")
    edge.web.request()
    edge.signal.close()
    for one in sockets:
        one.sock.settimeout(10)
        try:
            assert one.sock.recv(100) == b"", "dropped without a close frame"
        except ConnectionResetError:
            pass
    assert Response(opening.sock).status == 503
    edge.web.close()
    assert Response(waiting).status == 503
    both(edge)
    again = Socket(edge)
    edge.signal.send(WS_TEXT, again.number, b"back")
    assert again.receive_text() == "back"
    edge.link("signal")  # a new link takes the place of the old one
    assert gone(again.sock)
    Socket(edge)


@test()
def nonsense_from_a_peer(edge):
    both(edge)
    with edge.connect() as sock:
        sock.sendall(b"GET /api/me HTTP/1.1\r\nHost: a\r\n\r\n")
        number, _, _ = edge.web.request()
        edge.web.respond(number, 200, {"bad name": "x"}, b"")
        assert Response(sock).status == 503
    assert edge.wait_message("condemn")["peer"] == "web"
    try:
        assert edge.web.ours.recv(10) == b"", "the link is closed"
    except ConnectionResetError:
        pass
    edge.link("web")
    socket_ = Socket(edge)
    edge.signal.send(200, 5, b"{}")  # unknown types are ignored
    edge.signal.send(WS_TEXT, 12345, b"nobody")
    edge.signal.send(WS_TEXT_MANY, 0, struct.pack("<I", 99) + b"short")
    assert gone(socket_.sock)
    edge.messages.clear()
    assert edge.get("/healthz", which="admin").status == 200


@test()
def client_goes_away(edge):
    both(edge)
    sock = edge.connect()
    sock.sendall(b"GET /api/me HTTP/1.1\r\nHost: a\r\n\r\n")
    number, _, _ = edge.web.request()
    sock.close()
    assert edge.web.expect(HTTP_GONE)[0] == number
    edge.web.respond(number, 200, {}, b"nobody hears")
    one = Socket(edge)
    one.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.sock.close()  # a reset
    number, payload = edge.signal.expect(WS_CLOSE)
    assert number == one.number and json.loads(payload)["code"] == 1006
    two = Socket(edge, accept=False)
    number, _ = edge.signal.expect(WS_OPEN)
    two.sock.close()
    assert edge.signal.expect(WS_CLOSE)[0] == number
    edge.signal.send(WS_ACCEPT, number, b'{"protocol":"xmpp"}')
    assert edge.get("/healthz", which="admin").status == 200


@test()
def recordings(edge):
    both(edge)
    data = os.urandom(3_000_000)
    edge.write("recordings", "0a/out/video.mp4", data)
    os.symlink("/etc/passwd", os.path.join(edge.roots["recordings"], "0a/out/passwd"))

    def ask(headers="", file="0a/out/video.mp4", method="GET"):
        sock = edge.connect()
        sock.sendall(f"{method} /recordings/0a/video.mp4 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n".encode())
        number, head, _ = edge.web.request()
        assert head["path"] == "/recordings/0a/video.mp4"
        edge.web.respond(number, 200, {"Content-Disposition": "inline"}, b"", file=file)
        return Response(sock, method)

    answer = ask()
    assert answer.body == data and answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-disposition"] == "inline" and answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["cache-control"] == "no-store", "faces and voices stay on no disk"
    answer = ask("Range: bytes=1000000-1999999\r\n")
    assert answer.status == 206 and answer.body == data[1000000:2000000]
    assert ask(method="HEAD").headers["content-length"] == str(len(data))
    for file in ("../secret", "0a/out/passwd", "0a/out", "0a/out/none", "/etc/passwd", "0a/../0a/out/video.mp4"):
        assert ask(file=file).status == 404, file


@test()
def truncated_file(edge):
    path = edge.write("client", "large.bin", os.urandom(30_000_000))
    sock = edge.connect(receive_buffer=4096)
    sock.sendall(b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
    assert sock.recv(1000).startswith(b"HTTP/1.1 200")
    os.truncate(path, 100)
    assert gone(sock)  # the promise cannot be kept: the connection ends
    assert edge.get("/healthz", which="admin").status == 200


@test(settings={"edge.stall_ms": 500, "edge.tick_ms": 50})
def slow_readers(edge):
    edge.write("client", "large.bin", os.urandom(30_000_000))
    both(edge)
    sock = edge.connect(receive_buffer=4096)
    sock.sendall(b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
    until(lambda: edge.metric('darasa_edge_refused_total{reason="slow"}') == 1, "stalled download dropped")
    assert gone(sock)
    # a WebSocket that does not read, beside one that does
    slow, good = Socket(edge, receive_buffer=4096), Socket(edge)
    text = b"x" * 100_000
    for i in range(120):
        edge.signal.send(WS_TEXT_MANY, 0, struct.pack("<IQQ", 2, slow.number, good.number) + text)
        assert good.receive_text() == text.decode()
    number, payload = edge.signal.expect(WS_CLOSE)
    assert number == slow.number and json.loads(payload)["code"] == 1006
    assert edge.metric('darasa_edge_refused_total{reason="slow"}') == 2


@test(settings={"limits.connections": 20})
def too_many_connections(edge):
    edge.write("client", "index.html", "page")
    edge.link("signal")
    idle = [edge.connect() for _ in range(40)]
    assert edge.get("/").status == 200, "an idle one makes room"
    assert edge.metric('darasa_edge_refused_total{reason="evicted"}') >= 20
    for sock in idle:
        sock.close()
    until(lambda: edge.metric("darasa_edge_connections") < 3, "closed ones are forgotten")
    sockets = [Socket(edge) for _ in range(20)]
    with edge.connect() as sock:
        answer = Response(sock)
        assert answer.status == 503 and "retry-after" in answer.headers
    sockets[0].sock.close()
    edge.signal.expect(WS_CLOSE)
    assert edge.metric('darasa_edge_refused_total{reason="connections"}') >= 1


@test(settings={"listen.trusted_proxy": "127.0.0.0/8, 2001:db8::/32"})
def behind_a_proxy(edge):
    both(edge)
    with edge.connect() as sock:
        sock.sendall(b"GET /api/me HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1, 192.0.2.7\r\n"
                     b"X-Forwarded-Proto: https\r\n\r\n")
        number, head, _ = edge.web.request()
        assert head["address"] == "192.0.2.7" and head["https"] is True
        assert "x-forwarded-for" not in head["headers"]
        edge.web.respond(number)
        assert "strict-transport-security" in Response(sock).headers
    with edge.connect() as sock:
        sock.sendall(b"GET /api/me HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: <script>\r\n\r\n")
        assert edge.web.request()[1]["address"] == "127.0.0.1"


# Jitsi Meet's build

@test()
def jitsi_build(edge):
    both(edge)
    edge.write("jitsi", "index.html",
               '<html><head><!--#include virtual="head.html" --><!--#include virtual="base.html" -->\n'
               '<script><!--#include virtual="/config.js" --></script><!--#include virtual="missing.html" -->'
               '<script><!--#include virtual="/interface_config.js" --></script>'
               '<script><!--#include virtual="/logging_config.js" --></script>'
               '<!--#include virtual="title.html" --></head><!--# echo var="subdir" default="none" -->'
               '<!--# echo var="http_host" default="" --></html>')
    edge.write("jitsi", "base.html", '<base href="/" />\n')
    edge.write("jitsi", "title.html", '<title><!--#include virtual="static/name.html" --></title>')
    edge.write("jitsi", "static/name.html", "Meet")
    edge.write("jitsi", "logging_config.js", "var logging;")
    edge.write("jitsi", "libs/app.min.js", "app();")
    edge.write("jitsi", "loop.html", '<!--#include virtual="loop.html" -->x')

    def page(path):
        sock = edge.connect()
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: school.test\r\nConnection: close\r\n\r\n".encode())
        parts = {"/config.js": b"var config = {};", "/interface_config.js": b"var interfaceConfig = {};"}
        for _ in range(2):
            number, head, _ = edge.web.request()
            edge.web.respond(number, 200, {"Content-Type": "text/javascript"}, parts[head["path"]])
        return Response(sock)

    want = ('<html><head><base href="/jitsi/" />\n\n<script>var config = {};</script>'
            '<script>var interfaceConfig = {};</script><script>var logging;</script><title>Meet</title></head>'
            'noneschool.test</html>')
    for path in ("/jitsi/", "/jitsi/Room1", "/jitsi/some.room", "/jitsi/index.html"):
        answer = page(path)
        assert answer.status == 200 and answer.body.decode() == want, answer.body.decode()
        policy = answer.headers["content-security-policy"]
        assert "'unsafe-inline'" in policy and "http:" not in policy.replace("http://", "") and "https:" not in policy
    answer = edge.get("/jitsi")
    assert answer.status == 308 and answer.headers["location"] == "/jitsi/"
    answer = edge.get("/jitsi/libs/app.min.js?v=139")
    assert answer.body == b"app();" and "max-age" in answer.headers["cache-control"]
    assert edge.get("/jitsi/libs/missing.js").status == 404
    assert edge.get("/jitsi/loop.html").body == b"xxxxx"  # at most so deep
    with edge.connect() as sock:
        sock.sendall(b"GET /jitsi/Room HTTP/1.1\r\nHost: a\r\n\r\n")
        number, _, _ = edge.web.request()
        edge.web.respond(number, 500)
        assert Response(sock).status == 503
        assert edge.web.receive()[0] == HTTP_REQUEST  # the second include
        assert edge.web.receive()[0] == HTTP_GONE
    with edge.connect() as sock:
        sock.sendall(b"GET /jitsi/Room HTTP/1.1\r\nHost: a\r\n\r\n")
        edge.web.request()
        edge.web.close()
        assert Response(sock).status == 503


# WebSocket

@test()
def websocket_texts(edge):
    edge.link("signal")
    one = Socket(edge, deflate=True)
    assert one.open["path"] == "/xmpp-websocket" and one.open["query"] == "room=a&token=SECRET"
    assert one.open["protocols"] == ["xmpp"] and one.open["origin"] == "http://school.test" and one.open["deflate"]
    assert one.answer.headers["sec-websocket-protocol"] == "xmpp"
    assert "server_no_context_takeover" in one.answer.headers["sec-websocket-extensions"]
    for size in (0, 1, 125, 126, 65535, 65536, 1 << 20):
        text = "é" * (size // 2) + "x" * (size % 2)
        one.text(text)
        assert edge.signal.expect(WS_TEXT) == (one.number, text.encode())
        one.text(text, packed=True)
        assert edge.signal.expect(WS_TEXT) == (one.number, text.encode())
        edge.signal.send(WS_TEXT, one.number, text.encode())
        opcode, payload, packed = one.receive()
        assert opcode == 1 and payload == text.encode() and packed == (size >= 256)
    # fragments with a ping between them, byte by byte
    stream = (one.frame(1, b"frag", fin=False) + one.frame(9, b"hi") + one.frame(0, b"ment", fin=False)
              + one.frame(0, b"ed"))
    for byte in stream:
        one.sock.sendall(bytes([byte]))
    assert edge.signal.expect(WS_TEXT)[1] == b"fragmented"
    assert one.receive()[:2] == (10, b"hi")
    # the first text in the same write as the handshake
    two = Socket(edge, path="/tenant/xmpp-websocket", protocol=None, accept=False)
    two.text("early")
    number, payload = edge.signal.expect(WS_OPEN)
    assert json.loads(payload)["path"] == "/tenant/xmpp-websocket" and json.loads(payload)["protocols"] == []
    edge.signal.send(WS_ACCEPT, number, b'{"protocol":null}')
    two.finish()
    assert "sec-websocket-protocol" not in two.answer.headers
    assert edge.signal.expect(WS_TEXT) == (number, b"early")
    assert number != one.number
    three = Socket(edge, path="/colibri-ws/default/c/e?pwd=p", protocol=None, accept=False)
    number, payload = edge.signal.expect(WS_OPEN)
    edge.signal.send(WS_REFUSE, number, b'{"status":403}')
    assert Response(three.sock).status == 403
    three.sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")  # the connection goes on
    assert Response(three.sock).status == 404


@test()
def websocket_closing(edge):
    edge.link("signal")
    one = Socket(edge)
    one.sock.sendall(one.frame(8, struct.pack(">H", 4001) + b"bye"))
    number, payload = edge.signal.expect(WS_CLOSE)
    assert number == one.number and json.loads(payload) == {"code": 4001, "reason": "bye"}
    assert one.receive_close() == 4001 and gone(one.sock)
    two = Socket(edge)
    edge.signal.send(WS_TEXT, two.number, b"last words")
    edge.signal.send(WS_CLOSE, two.number, b'{"code":1000,"reason":"done"}')
    assert two.receive_text() == "last words"
    assert two.receive_close() == 1000
    two.sock.sendall(two.frame(8, struct.pack(">H", 1000)))
    assert gone(two.sock)
    three = Socket(edge)
    edge.signal.send(WS_CLOSE, three.number, b'{"code":1001}')
    assert three.receive_close() == 1001
    begun = time.monotonic()
    assert gone(three.sock) and time.monotonic() - begun < 9  # it need not answer
    until(lambda: edge.metric("darasa_edge_websockets") == 0, "all closed")


@test()
def websocket_misuse(edge):
    edge.link("signal")
    cases = {
        b"\x81\x02hi": 1002, Socket.frame(2, b"binary"): 1003, Socket.frame(3, b""): 1002,
        Socket.frame(1, b"\xff\xfe"): 1007, Socket.frame(0, b"x"): 1002, Socket.frame(9, b"x" * 126): 1002,
        Socket.frame(1, b"", length=(1 << 20) + 1): 1009, Socket.frame(1, b"x", rsv1=True): 1002,
        Socket.frame(8, b"\x03"): 1002,
    }
    for data, code in cases.items():
        one = Socket(edge)
        one.sock.sendall(data)
        number, payload = edge.signal.expect(WS_CLOSE)
        assert number == one.number and json.loads(payload)["code"] == code, data[:10]
        assert one.receive_close() == code and gone(one.sock)
    bomb = Socket(edge, deflate=True)
    bomb.text(" " * ((1 << 20) + 1), packed=True)
    assert bomb.receive_close() == 1009
    edge.signal.expect(WS_CLOSE)
    assert edge.metric('darasa_edge_refused_total{reason="websocket"}') == len(cases) + 1
    for bad in ("Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
                "Sec-WebSocket-Version: 13\r\n", "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n"):
        answer = edge.get("/xmpp-websocket", "Upgrade: websocket\r\nConnection: Upgrade\r\n" + bad)
        assert answer.status in (400, 426)
    chance = random.Random(3)
    for _ in range(30):
        one = Socket(edge)
        one.sock.sendall(bytes(chance.randrange(256) for _ in range(chance.randrange(1, 300))))
        one.sock.close()
        while edge.signal.receive()[0] != WS_CLOSE:
            pass


@test(settings={"edge.ping_ms": 200, "edge.silence_ms": 900, "edge.tick_ms": 50})
def websocket_pings(edge):
    edge.link("signal")
    alive, dead = Socket(edge), Socket(edge)
    end = time.monotonic() + 2
    pings = 0
    while time.monotonic() < end:
        if alive.receive()[0] == 9:
            pings += 1
            alive.sock.sendall(alive.frame(10, b""))
    assert pings >= 6, pings
    number, payload = edge.signal.expect(WS_CLOSE)
    assert number == dead.number and json.loads(payload)["code"] == 1006
    assert edge.metric('darasa_edge_refused_total{reason="websocket_idle"}') == 1


@test(settings={"edge.ping_ms": 2000, "edge.tick_ms": 50})
def who_speaks_is_not_pinged(edge):
    edge.link("signal")
    one = Socket(edge)
    end = time.monotonic() + 3
    while time.monotonic() < end:
        one.sock.sendall(one.frame(1, b"here"))
        time.sleep(0.1)
    edge.signal.send(WS_TEXT, one.number, b"you were heard")
    opcode, payload, _ = one.receive()
    assert (opcode, payload) == (1, b"you were heard"), opcode
    assert one.receive()[0] == 9


@test()
def fan_out_to_500(edge):
    edge.link("signal")
    sockets = [Socket(edge, deflate=i % 2 == 0) for i in range(500)]
    long = "<message>" + "hello " * 500 + "</message>"
    texts = [long, "short", "é" * 40000, "x" * 300_000]
    for text in texts:
        ids = [one.number for one in sockets]
        edge.signal.send(WS_TEXT_MANY, 0, struct.pack(f"<I{len(ids)}Q", len(ids), *ids) + text.encode())
        for one in sockets:
            opcode, payload, packed = one.receive()
            assert opcode == 1 and payload == text.encode()
            assert packed == (one.deflate and len(text.encode()) >= 256)
    # to some, with gone and unknown ones among them, in the order given
    for one in sockets[:50]:
        one.sock.close()
    for _ in range(50):
        edge.signal.expect(WS_CLOSE)
    ids = [one.number for one in sockets] + [1, 2, 3]
    edge.signal.send(WS_TEXT_MANY, 0, struct.pack(f"<I{len(ids)}Q", len(ids), *ids) + b"rest")
    for one in sockets[50:]:
        assert one.receive_text() == "rest"
    edge.signal.send(WS_TEXT_MANY, 0, struct.pack("<I", 0) + b"nobody")
    assert edge.metric("darasa_edge_websockets") == 450


@test()
def signal_falls_behind(edge):
    edge.link("signal")
    one = Socket(edge)
    other = Socket(edge)
    one.sock.settimeout(0.5)
    sent, frame = 0, one.frame(1, b"y" * 100_000)
    try:
        while sent < 400:
            one.sock.sendall(frame)
            sent += 1
    except socket.timeout:
        pass
    assert sent < 200, "a client is not read while signal is behind"
    assert edge.get("/healthz", which="admin").status == 200
    other.text("still here")
    got, found = 0, False
    while got < sent or not found:
        _, number, payload = edge.signal.receive()
        found = found or payload == b"still here"
        got += number == one.number and len(payload) == 100_000


# TLS and HTTP/2

@test(tls=True)
def tls_and_http2(edge):
    edge.write("client", "index.html", "page")
    data = os.urandom(5_000_000)
    edge.write("client", "large.bin", data)
    assert not any(m["type"] == "ready" for m in edge.messages)
    edge.set_tls(*certificate(edge.folder, "school.test"))
    edge.wait_message("ready")
    both(edge)
    url = f"https://localhost:{edge.port('https')}"
    for version in ("--http1.1", "--http2"):
        head = curl(version, "-D", "-", "-o", "/dev/null", url + "/").decode().lower()
        assert ("http/2 200" if version == "--http2" else "http/1.1 200") in head.split("\r\n")[0]
        assert "strict-transport-security" in head and "wss://localhost" in head
        assert curl(version, url + "/large.bin") == data
        assert curl(version, "-r", "1000-1999", url + "/large.bin") == data[1000:2000]
        assert curl(version, "-I", url + "/large.bin").decode().lower().count("content-length: 5000000") == 1
    assert curl("--http2", url + "/large.bin", "-o", "/dev/null", url + "/large.bin", "-o", "/dev/null",
                "-w", "%{num_connects}").decode()[-1] in "01"
    body = os.path.join(edge.folder, "body")
    with open(body, "wb") as file:
        file.write(os.urandom(900_000))
    process = subprocess.Popen(["curl", "-sk", "--http2", "--data-binary", "@" + body, "-H", "Cookie: a=1", "-w",
                                "%{http_code}", url + "/api/up?x=y"], stdout=subprocess.PIPE)
    number, head, got = edge.web.request()
    with open(body, "rb") as file:
        assert got == file.read()
    assert head["https"] and head["method"] == "POST" and head["query"] == "x=y" and head["headers"]["cookie"] == "a=1"
    assert head["host"] == f"localhost:{edge.port('https')}"
    edge.web.respond(number, 201, {"Set-Cookie": ["a=1", "b=2"]}, b"made")
    assert process.communicate(timeout=10)[0] == b"made201"
    with open(body, "wb") as file:
        file.write(bytes((1 << 20) + 1))
    assert curl("--http2", "--data-binary", "@" + body, "-o", "/dev/null", "-w", "%{http_code}", url + "/api/up") == b"413"
    assert curl("--http2", "-o", "/dev/null", "-w", "%{http_code}", "-H", "X: " + "y" * 40000, url + "/") in (b"431", b"000")
    assert curl("--http2", "-X", "POST", "-o", "/dev/null", "-w", "%{http_code}", url + "/") == b"405"
    process = subprocess.Popen(["curl", "-sk", "--http2", "--max-time", "1", url + "/api/me"], stdout=subprocess.PIPE)
    number, _, _ = edge.web.request()
    process.wait()
    assert edge.web.expect(HTTP_GONE)[0] == number
    # the plain listener sends everybody to the other one
    answer = edge.get("/class/7?a=b")
    assert answer.status == 308 and answer.headers["location"] == "https://school.test/class/7?a=b"


@test(tls=True, settings={"url": "https://school.test:8443"})
def acme_challenge(edge):
    edge.set_tls(*certificate(edge.folder, "school.test"))
    edge.wait_message("ready")
    edge.write("acme", "token_-1", "token.key")
    edge.write("acme", "x.y", "no")
    answer = edge.get("/.well-known/acme-challenge/token_-1")
    assert answer.status == 200 and answer.body == b"token.key"
    for token in ("none", "x.y", "", "..", "%2e%2e", "a/b"):
        assert edge.get("/.well-known/acme-challenge/" + token).status in (400, 404), token
    assert edge.get("/").headers["location"] == "https://school.test:8443/"


@test(tls=True)
def no_certificate_yet(edge):
    edge.write("acme", "token", "token.key")
    edge.wait_message("ready", timeout=8)
    assert edge.get("/.well-known/acme-challenge/token").body == b"token.key"
    assert edge.get("/").status == 308
    assert b"tls missing" in edge.get("/readyz", which="admin").body
    waiting = edge.connect("https")  # served as soon as there is one
    edge.set_tls(*certificate(edge.folder, "school.test"))
    until(lambda: b"tls up" in edge.get("/readyz", which="admin").body, "certificate")
    waiting.close()
    with edge.connect_tls() as sock:
        assert sock.version() in ("TLSv1.3", "TLSv1.2")


@test(tls=True)
def certificate_reload(edge):
    edge.set_tls(*certificate(edge.folder, "first.test"))
    edge.wait_message("ready")
    edge.link("signal")
    edge.write("client", "index.html", "page")

    def served():
        with edge.connect_tls() as sock:
            return b"second.test" in sock.getpeercert(binary_form=True)

    assert not served()
    one = Socket(edge, sock=edge.connect_tls(["http/1.1"]))
    half = edge.connect("https")  # in the middle of a handshake
    second = certificate(edge.folder, "second.test")
    other = certificate(edge.folder, "third.test")
    edge.set_tls(second[0], other[1])  # does not fit: the old one stays
    edge.set_tls(__file__, __file__)
    until(lambda: "certificate refused" in edge.text() and edge.text().count("certificate refused") == 2, "refused")
    assert not served()
    edge.set_tls(*second)
    until(served, "new certificate")
    one.text("still here")
    assert edge.signal.expect(WS_TEXT)[1] == b"still here"
    edge.signal.send(WS_TEXT, one.number, b"so am I" * 100)
    assert one.receive_text() == "so am I" * 100
    half.close()
    assert edge.metric("darasa_edge_tls_reloads_total") == 2
    assert edge.metric("darasa_edge_tls_reloads_failed_total") == 2


@test(tls=True, settings={"edge.handshake_ms": 300, "edge.tick_ms": 50})
def tls_misuse(edge):
    edge.write("client", "index.html", "page")
    edge.set_tls(*certificate(edge.folder, "school.test"))
    edge.wait_message("ready")
    with edge.connect("https") as sock:
        assert gone(sock)  # says nothing
    chance = random.Random(5)
    for _ in range(50):
        with edge.connect("https") as sock:
            sock.sendall(bytes(chance.randrange(256) for _ in range(chance.randrange(1, 600))))
    with edge.connect("https") as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert gone(sock)
    sock = edge.connect_tls(["h2"])
    assert sock.selected_alpn_protocol() == "h2"
    sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert gone(sock)
    sock = edge.connect_tls(["h2"])
    sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9) + bytes(chance.randrange(256) for _ in range(3000)))
    assert gone(sock)
    assert edge.metric('darasa_edge_refused_total{reason="tls"}') >= 2
    assert curl("--http2", f"https://localhost:{edge.port('https')}/") == b"page"


ALLOCATE = bytes.fromhex("000300002112a442") + bytes(12)


def relay(edge, count=1):
    """Answers the edge's wish for a connection to the relay with one end of a pair; returns the other."""
    until(lambda: sum(m["type"] == "relay" for m in edge.messages) >= count, "asked for the relay")
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    edge.tell({"type": "relay"}, [theirs.fileno()])
    theirs.close()
    ours.settimeout(10)
    return ours


@test(tls=True, settings={"turn": True, "turn.host": "turn.school.test", "edge.handshake_ms": 1000, "edge.tick_ms": 50})
def turn_by_name(edge):
    edge.write("client", "index.html", "page")
    edge.set_tls(*certificate(edge.folder, "school.test"))
    edge.wait_message("ready")
    asked = 0
    # under its name the relay and nothing else, whatever the version of TLS and the client's protocols
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        for name in ("turn.school.test", "TURN.School.Test"):
            sock = edge.connect_tls(["h2", "http/1.1"], name, version)
            sock.sendall(ALLOCATE)
            asked += 1
            ours = relay(edge, asked)
            assert ours.recv(100) == ALLOCATE
            ours.sendall(b"answer")
            assert sock.recv(100) == b"answer"
            ours.close()
            sock = edge.connect_tls(["http/1.1"], name, version)
            sock.sendall(b"GET / HTTP/1.1\r\nHost: turn.school.test\r\n\r\n")
            assert gone(sock)
    # under any other the page, and still TURN: who sends no name is told by what is inside
    for name in ("localhost", "turn.school.test.example", None):
        sock = edge.connect_tls(name=name)
        sock.sendall(b"GET / HTTP/1.1\r\nHost: school.test\r\nConnection: close\r\n\r\n")
        assert Response(sock).body == b"page", name
        sock = edge.connect_tls(name=name)
        sock.sendall(ALLOCATE)
        asked += 1
        ours = relay(edge, asked)
        assert ours.recv(100) == ALLOCATE
        ours.close()
    assert sum(m["type"] == "relay" for m in edge.messages) == asked


@test(tls=True, settings={"turn": True, "edge.handshake_ms": 1000, "edge.tick_ms": 50})
def turn_inside_tls(edge):
    edge.write("client", "index.html", "page")
    edge.set_tls(*certificate(edge.folder, "school.test"))
    edge.wait_message("ready")
    sock = edge.connect_tls()
    sock.sendall(ALLOCATE[:7])  # whole or in pieces
    time.sleep(0.1)
    assert not any(m["type"] == "relay" for m in edge.messages)
    sock.sendall(ALLOCATE[7:] + b"more")
    ours = relay(edge)
    assert ours.recv(100) == ALLOCATE + b"more"
    # both ways, more than all buffers hold
    there, back = os.urandom(3_000_000), os.urandom(3_000_000)

    def echo():
        left = len(there)
        while left:
            left -= len(ours.recv(65536))
        ours.sendall(back)

    thread = threading.Thread(target=echo)
    thread.start()
    sock.sendall(there)
    got = b""
    while len(got) < len(back):
        got += sock.recv(65536)
    thread.join()
    assert got == back
    # a client that does not read holds up the relay, not the edge
    ours.setblocking(False)
    sent = 0
    end = time.monotonic() + 1
    while time.monotonic() < end:
        try:
            sent += ours.send(bytes(65536))
        except BlockingIOError:
            time.sleep(0.01)
    assert sent < 16_000_000
    assert curl(f"https://localhost:{edge.port('https')}/") == b"page"
    ours.close()
    assert gone(sock)
    # the client goes first
    sock = edge.connect_tls()
    sock.sendall(ALLOCATE)
    ours = relay(edge, 2)
    assert ours.recv(100) == ALLOCATE
    sock.close()
    assert ours.recv(100) == b""
    # no relay, no answer, no TURN
    sock = edge.connect_tls()
    sock.sendall(ALLOCATE)
    until(lambda: sum(m["type"] == "relay" for m in edge.messages) >= 3, "asked")
    edge.tell({"type": "relay"})
    assert gone(sock)
    sock = edge.connect_tls()
    sock.sendall(ALLOCATE)
    assert gone(sock)
    relay(edge, 4).close()
    sock = edge.connect_tls()
    sock.sendall(bytes(40))
    assert gone(sock)
    # more that wait than may wait
    socks = [edge.connect_tls() for _ in range(70)]
    for sock in socks:
        sock.sendall(ALLOCATE)
    until(lambda: edge.metric('darasa_edge_refused_total{reason="upstream"}') >= 70, "all refused")
    assert sum(m["type"] == "relay" for m in edge.messages) <= 4 + 64
    for sock in socks:
        sock.close()


@test(tls=True)
def no_turn_where_it_is_off(edge):
    edge.write("client", "index.html", "page")
    edge.set_tls(*certificate(edge.folder, "school.test"))
    edge.wait_message("ready")
    sock = edge.connect_tls()
    sock.sendall(ALLOCATE)
    got = sock.recv(100)
    assert b" 501 " in got, got
    assert not any(m["type"] == "relay" for m in edge.messages)


@test(tls=True)
def http2_flood(edge):
    """Streams opened and reset at once: the connection ends, the house stands."""
    edge.write("client", "index.html", "page")
    edge.set_tls(*certificate(edge.folder, "school.test"))
    edge.wait_message("ready")
    edge.link("web")
    sock = edge.connect_tls(["h2"])

    def frame(kind, flags, stream, payload=b""):
        return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload

    head = bytes([0x82, 0x86, 0x04, 4]) + b"/api" + bytes([0x41, 1]) + b"a"
    sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0))
    try:
        for stream in range(1, 8001, 2):
            sock.sendall(frame(1, 5, stream, head) + frame(3, 0, stream, struct.pack(">I", 8)))
        gone(sock)
    except (ConnectionError, OSError):
        pass
    assert curl("--http2", f"https://localhost:{edge.port('https')}/") == b"page"


# administration

@test()
def metrics_and_logs(edge):
    both(edge)
    Socket(edge, path="/xmpp-websocket?room=geheim&token=TOKENSECRET").close()
    with edge.connect() as sock:
        sock.sendall(b"GET /api/people?name=Maria HTTP/1.1\r\nHost: a\r\n\r\n")
        edge.web.request()
    text = edge.get("/metrics", which="admin")
    assert text.headers["content-type"] == "text/plain; version=0.0.4"
    assert edge.get("/metrics").status == 404 and edge.get("/", which="admin").status == 404
    assert edge.get("/api/me", which="admin").status == 404
    assert edge.get("/healthz", which="admin", method="POST").status == 405
    edge.tell({"type": "config", "settings": {"limits.connections": -1}})
    edge.tell({"type": "config", "settings": {"limits.connections": 100}})
    edge.tell({"type": "nobody-knows"})
    until(lambda: "settings loaded" in edge.text(), "new settings")
    log = edge.text()
    assert "settings refused key=limits.connections" in log
    for secret in ("TOKENSECRET", "geheim", "Maria"):
        assert secret not in log, "logs carry no queries"


def run(function, options):
    # every process has its page of counters
    edge = Edge(BINARY, **options)
    try:
        if not options.get("tls"):
            edge.wait_message("ready")
        function(edge)
        failed = False
    except Exception:
        failed = True
        traceback.print_exc()
    status, log = edge.stop()
    if status != 0 or "ERROR:" in log or "runtime error" in log:
        failed = True
        print(f"exit status {status}", file=sys.stderr)
    if failed:
        print(log, file=sys.stderr)
    return not failed


def main():
    names = sys.argv[2:]
    failures = 0
    for function, options in TESTS:
        if names and function.__name__ not in names:
            continue
        good = run(function, options)
        print(("ok " if good else "not ok ") + "edge " + function.__name__, flush=True)
        failures += not good
    sys.exit(1 if failures else 0)


main()
