"""Starts the real darasa-edge under a tiny supervisor of its own, and plays signal and web for it."""
import array
import base64
import hashlib
import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time
import zlib

WS_OPEN, WS_ACCEPT, WS_REFUSE, WS_TEXT, WS_CLOSE, WS_TEXT_MANY = 1, 2, 3, 4, 5, 6
HTTP_REQUEST, HTTP_RESPONSE, HTTP_GONE = 10, 11, 12


class Peer:
    """One end of a link as in src/os/link.h."""

    def __init__(self):
        self.ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.ours.settimeout(10)

    def send(self, kind, number, payload=b""):
        self.ours.sendall(struct.pack("<IHHQ", len(payload), kind, 0, number) + payload)

    def exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.ours.recv(count - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def receive(self, timeout=10):
        self.ours.settimeout(timeout)
        length, kind, _, number = struct.unpack("<IHHQ", self.exactly(16))
        return kind, number, self.exactly(length)

    def expect(self, kind, timeout=10):
        got, number, payload = self.receive(timeout)
        assert got == kind, f"frame {got}, expected {kind}: {payload[:200]}"
        return number, payload

    def request(self, timeout=10):
        number, payload = self.expect(HTTP_REQUEST, timeout)
        length = struct.unpack("<I", payload[:4])[0]
        return number, json.loads(payload[4:4 + length]), payload[4 + length:]

    def respond(self, number, status=200, headers=None, body=b"", **more):
        head = json.dumps({"status": status, "headers": headers or {}, **more}).encode()
        self.send(HTTP_RESPONSE, number, struct.pack("<I", len(head)) + head + body)

    def close(self):
        self.ours.close()


def listener(host="127.0.0.1"):
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, 0))
    sock.listen(1024)
    sock.setblocking(False)
    return sock


def certificate(folder, name):
    """A self-signed certificate; returns the paths of chain and key."""
    chain, key = os.path.join(folder, name + ".pem"), os.path.join(folder, name + ".key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", key, "-out", chain, "-days", "2", "-subj", f"/CN={name}",
                    "-addext", f"subjectAltName=DNS:{name},DNS:localhost,IP:127.0.0.1"],
                   check=True, capture_output=True)
    return chain, key


def metrics_page(program):
    """An empty page as metrics_create of src/os/metrics.c makes it."""
    fd = os.memfd_create("metrics")
    os.ftruncate(fd, 224 * (72 + 8) + 64)
    os.pwrite(fd, program.encode(), 0)
    return fd


class Edge:
    def __init__(self, binary, tls=False, admin=True, jitsi=True, settings=None):
        self.folder = tempfile.mkdtemp(prefix="edge-test-")
        os.chmod(self.folder, 0o755)
        self.roots = {}
        for name in ("client", "recordings", "acme") + (("jitsi",) if jitsi else ()):
            self.roots[name] = os.path.join(self.folder, name)
            os.mkdir(self.roots[name])
        self.http = listener()
        self.https = listener() if tls else None
        self.admin = listener() if admin else None
        self.settings = {"host": "", "url": "", "directories": self.roots, **(settings or {})}
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control = ours
        self.control.settimeout(10)
        self.log = open(os.path.join(self.folder, "log"), "w+")
        high = 100 + theirs.fileno()
        os.dup2(theirs.fileno(), high, inheritable=False)
        env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0", UBSAN_OPTIONS="print_stacktrace=1")
        self.process = subprocess.Popen([binary], stderr=self.log, env=env, close_fds=False,
                                        preexec_fn=lambda: os.dup2(high, 3))
        os.close(high)
        theirs.close()
        self.messages = []
        self.reader = threading.Thread(target=self.listen, daemon=True)
        self.reader.start()
        names, fds = ["http"], [self.http.fileno()]
        if tls:
            names.append("https")
            fds.append(self.https.fileno())
        if admin:
            names.append("admin")
            fds.append(self.admin.fileno())
        opened = [metrics_page("edge")]
        names.append("metrics")
        for name in ("client", "jitsi", "recordings"):
            if name in self.roots:
                opened.append(os.open(self.roots[name], os.O_RDONLY | os.O_DIRECTORY))
                names.append(name)
        self.tell({"type": "start", "program": "edge", "number": 0, "log": "debug", "settings": self.settings,
                   "fds": names}, fds + opened)
        for fd in opened:
            os.close(fd)
        self.signal = self.web = None

    def write(self, root, name, data):
        path = os.path.join(self.roots[root], name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data if isinstance(data, bytes) else data.encode())
        return path

    def tell(self, message, fds=()):
        self.control.sendmsg([json.dumps(message).encode()],
                             [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [])

    def listen(self):
        while True:
            try:
                data = self.control.recv(65536)
            except socket.timeout:
                continue
            except OSError:
                return
            if not data:
                return
            self.messages.append(json.loads(data))

    def wait_message(self, kind, timeout=10):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if any(m["type"] == kind for m in self.messages):
                return next(m for m in self.messages if m["type"] == kind)
            time.sleep(0.01)
        raise AssertionError(f"no message {kind}; log:\n{self.text()}")

    def link(self, name):
        peer = Peer()
        self.tell({"type": "link", "peer": name, "number": 0}, [peer.theirs.fileno()])
        peer.theirs.close()
        setattr(self, name, peer)
        return peer

    def set_tls(self, chain, key):
        with open(chain, "rb") as a, open(key, "rb") as b:
            self.tell({"type": "tls"}, [a.fileno(), b.fileno()])

    def port(self, which="http"):
        return getattr(self, which).getsockname()[1]

    def connect(self, which="http", receive_buffer=None):
        sock = socket.socket()
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(10)
        sock.connect(("127.0.0.1", self.port(which)))
        return sock

    def connect_tls(self, protocols=None, name="localhost", version=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # the test reads the certificate itself
        if protocols:
            context.set_alpn_protocols(protocols)
        if version:
            context.maximum_version = version
        return context.wrap_socket(self.connect("https"), server_hostname=name)

    def get(self, target, headers="", method="GET", body=b"", which="http"):
        with self.connect(which) as sock:
            sock.sendall(f"{method} {target} HTTP/1.1\r\nHost: school.test\r\nConnection: close\r\n{headers}\r\n"
                         .encode() + body)
            return Response(sock, method)

    def metric(self, name):
        for line in self.get("/metrics", which="admin").body.decode().splitlines():
            base, _, label = name.partition("{")
            if line.startswith(base + "{") and (label or "}") in line:
                return int(line.rsplit(" ", 1)[1])
        return 0

    def text(self):
        self.log.flush()
        with open(self.log.name) as file:
            return file.read()

    def stop(self):
        """Clean stop; returns the exit status."""
        try:
            self.tell({"type": "stop"})
        except OSError:
            pass
        try:
            status = self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        text = self.text()
        for peer in (self.signal, self.web):
            if peer:
                peer.close()
        for sock in (self.http, self.https, self.admin, self.control):
            if sock:
                sock.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        return status, text


class Response:
    def __init__(self, sock, method="GET"):
        data = b""
        while b"\r\n\r\n" not in data:
            more = sock.recv(65536)
            if not more:
                raise EOFError(f"no response: {data[:100]}")
            data += more
        head, self.rest = data.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        self.status = int(lines[0].split()[1])
        self.headers = {}
        for line in lines[1:]:
            name, value = line.split(":", 1)
            self.headers.setdefault(name.lower(), value.strip())
        self.cookies = [line.split(":", 1)[1].strip() for line in lines[1:] if line.lower().startswith("set-cookie:")]
        length = int(self.headers.get("content-length", 0))
        if method == "HEAD" or self.status in (101, 204, 304):
            length = 0
        while len(self.rest) < length:
            more = sock.recv(65536)
            if not more:
                raise EOFError("body cut off")
            self.rest += more
        self.body, self.rest = self.rest[:length], self.rest[length:]


class Socket:
    """A WebSocket client that shows every bit."""

    def __init__(self, edge, path="/xmpp-websocket?room=a&token=SECRET", deflate=False, protocol="xmpp", sock=None,
                 accept=True, receive_buffer=None):
        self.sock = sock or edge.connect(receive_buffer=receive_buffer)
        self.key = base64.b64encode(os.urandom(16)).decode()
        extra = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" if deflate else ""
        if protocol:
            extra += f"Sec-WebSocket-Protocol: {protocol}\r\n"
        self.sock.sendall((f"GET {path} HTTP/1.1\r\nHost: school.test\r\nUpgrade: websocket\r\n"
                           f"Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: {self.key}\r\n"
                           f"Sec-WebSocket-Version: 13\r\nOrigin: http://school.test\r\n{extra}\r\n").encode())
        self.number, self.deflate, self.data = None, deflate, b""
        if accept:
            self.number, payload = edge.signal.expect(WS_OPEN)
            self.open = json.loads(payload)
            edge.signal.send(WS_ACCEPT, self.number, json.dumps({"protocol": protocol}).encode())
            self.finish()

    def finish(self):
        self.answer = Response(self.sock)
        self.data = self.answer.rest
        assert self.answer.status == 101, self.answer.status
        want = base64.b64encode(hashlib.sha1((self.key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        assert self.answer.headers["sec-websocket-accept"].encode() == want
        return self

    @staticmethod
    def frame(opcode, payload, fin=True, rsv1=False, mask=b"\x11\x22\x33\x44", length=None):
        first = (0x80 if fin else 0) | (0x40 if rsv1 else 0) | opcode
        size = len(payload) if length is None else length
        head = bytes([first])
        flag = 0x80 if mask else 0
        if size < 126:
            head += bytes([flag | size])
        elif size < 65536:
            head += bytes([flag | 126]) + struct.pack(">H", size)
        else:
            head += bytes([flag | 127]) + struct.pack(">Q", size)
        if mask:
            payload = bytes(b ^ mask[i & 3] for i, b in enumerate(payload)) if len(payload) < 70000 else (
                int.from_bytes(payload, "big") ^ int.from_bytes((mask * (len(payload) // 4 + 1))[:len(payload)], "big")
            ).to_bytes(len(payload), "big")
        return head + (mask or b"") + payload

    def text(self, text, packed=False):
        payload = text.encode()
        if packed:
            engine = zlib.compressobj(wbits=-15)
            payload = (engine.compress(payload) + engine.flush(zlib.Z_SYNC_FLUSH))[:-4]
        self.sock.sendall(self.frame(1, payload, rsv1=packed))

    def exactly(self, count):
        while len(self.data) < count:
            more = self.sock.recv(65536)
            if not more:
                raise EOFError
            self.data += more
        out, self.data = self.data[:count], self.data[count:]
        return out

    def receive(self):
        """(opcode, payload, whether it was compressed)"""
        first, second = self.exactly(2)
        assert not second & 0x80, "a server never masks"
        size = second & 0x7f
        if size == 126:
            size = struct.unpack(">H", self.exactly(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self.exactly(8))[0]
        payload = self.exactly(size)
        if first & 0x40:
            payload = zlib.decompressobj(wbits=-15).decompress(payload + b"\x00\x00\xff\xff")
        return first & 0x0f, payload, bool(first & 0x40)

    def receive_text(self):
        while True:
            opcode, payload, packed = self.receive()
            if opcode != 9:
                assert opcode == 1, (opcode, payload)
                return payload.decode()

    def receive_close(self):
        while True:
            opcode, payload, _ = self.receive()
            if opcode == 8:
                return struct.unpack(">H", payload[:2])[0] if payload else 1005

    def close(self):
        self.sock.close()
