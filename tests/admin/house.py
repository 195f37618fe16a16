"""The release house as its administrator meets it: started, asked over HTTP, joined over XMPP, stopped.

Each test file runs in network and mount namespaces of its own (tests/suites/admin), so that every port is free and what
it does to /etc is seen by nobody else.
"""
import base64, http.client, json, os, re, select, shutil, signal, socket, ssl, struct, subprocess, sys, tempfile, threading, time
import traceback, xml.etree.ElementTree as ElementTree

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
PROGRAMS = os.path.join(TOP, "build/release/src/programs")
DARASA, CTL = os.path.join(PROGRAMS, "darasa"), os.path.join(PROGRAMS, "darasactl")
HOST = "school.test"
try:  # before any socket takes that number
    RESULTS = os.dup(4)
except OSError:
    RESULTS = os.open("/dev/null", os.O_WRONLY)
root = tempfile.mkdtemp(prefix="darasa-admin-")
os.chmod(root, 0o755)  # the children are a user of their own


def until(what, condition, seconds=10):
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def name_host():
    """HOST is this machine, for everybody in our mount namespace."""
    path = os.path.join(root, "hosts")
    with open(path, "w") as f:
        f.write(f"127.0.0.1 localhost {HOST}\n::1 localhost\n")
    subprocess.run(["mount", "--bind", path, "/etc/hosts"], check=True)


class House:
    """A running house; `ready=False` for one that is expected to refuse."""
    def __init__(self, *args, data="data", ready=True, demo=True, command=None):
        self.data = data if data.startswith("/") else os.path.join(root, data)
        self.lines, self.out, self.changed = [], [], threading.Condition()
        self.args = [*(command or [DARASA, "serve"]), "--data", self.data, *(["--demo"] if demo else []), *args]
        if not command:
            self.args += ["--client", os.path.join(TOP, "client/dist")]
        self.process = subprocess.Popen(self.args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.readers = [threading.Thread(target=self.read, args=pair, daemon=True)
                        for pair in ((self.process.stderr, self.lines), (self.process.stdout, self.out))]
        for reader in self.readers:
            reader.start()
        if ready:
            self.wait(lambda: any("Darasa is ready" in line for line in self.out), "the ready line")
            self.url = re.search(r"https?://\S+", next(l for l in self.out if "ready" in l))[0]
        if ready and demo:
            self.wait(lambda: any("Guests" in line for line in self.out) or self.process.poll(), "links")
            self.codes = dict(re.findall(r"^  ([\w ]+?)(?: \(\w+\))?: \S+/enter#(\w+)$", "\n".join(self.out), re.M))
            self.people = [name for name in self.codes if name != "Administrator"]  # the teacher first

    def read(self, stream, into):
        for line in stream:
            with self.changed:
                into.append(line.rstrip("\n"))
                self.changed.notify_all()

    def wait(self, condition, what, seconds=15):
        end = time.monotonic() + seconds
        with self.changed:
            while not (found := condition()):
                if time.monotonic() > end or (self.process.poll() is not None and not self.readers[0].is_alive()):
                    print("\n".join(self.lines[-60:]), file=sys.stderr)
                    raise AssertionError(f"waited for {what}")
                self.changed.wait(0.1)
            return found

    def line(self, pattern, since=0, seconds=15):
        return self.wait(lambda: next((m for m in (re.search(pattern, l) for l in self.lines[since:]) if m), None), pattern, seconds)

    def pids(self):
        """{(program, number): pid} of the children that live now."""
        found = {}
        for line in self.lines:
            if m := re.search(r"supervisor started program=(\w+) number=(\d+) pid=(\d+)", line):
                found[m[1], int(m[2])] = int(m[3])
            if m := re.search(r"supervisor ended program=(\w+) number=(\d+) pid=(\d+)", line):
                if found.get((m[1], int(m[2]))) == int(m[3]):
                    del found[m[1], int(m[2])]
        return found

    def memory(self):
        """Private kB of each child."""
        sizes = {}
        for child, pid in self.pids().items():
            text = open(f"/proc/{pid}/smaps_rollup").read()
            sizes[child] = sum(int(n) for n in re.findall(r"^Private_\w+:\s+(\d+) kB", text, re.M))
        return sizes

    def stop(self, number=signal.SIGTERM):
        pids = list(self.pids().values())
        self.process.send_signal(number)
        status = self.process.wait(20)
        for reader in self.readers:
            reader.join(5)
        left = [pid for pid in pids if os.path.exists(f"/proc/{pid}")]
        assert not left, f"children left: {left}"
        return status

    def metrics(self):
        connection = http.client.HTTPConnection("127.0.0.1", 9090, timeout=10)
        connection.request("GET", "/metrics")
        found = {}
        for name, labels, value in re.findall(r"^(\w+)(\{.*\})? (\S+)$", connection.getresponse().read().decode(), re.M):
            reason = re.search(r'(?:reason|class|result)="([^"]*)"', labels)
            key = f"{name}:{reason[1]}" if reason else name
            found[key] = found.get(key, 0) + float(value)
        return found

    def connect(self, plain=False):
        """A connection as clients make it."""
        tls = self.url.startswith("https") and not plain
        port = int(m[1]) if (m := re.search(r":(\d+)$", self.url)) else 443 if tls else 80
        sock = socket.create_connection(("127.0.0.1", port if not plain or not self.url.startswith("https") else 80), 10)
        if tls:
            context = ssl.create_default_context(cafile=os.path.join(self.data, "tls/ca.crt"))
            sock = context.wrap_socket(sock, server_hostname=HOST)
        return sock

    def raw(self, data, plain=False):
        """All that is answered to these bytes."""
        with self.connect(plain) as sock:
            try:
                sock.sendall(data)
                out = b""
                while more := sock.recv(65536):
                    out += more
                    if b"\r\n\r\n" in out and b"connection: keep-alive" in out.lower():
                        break
            except (ConnectionError, ssl.SSLError):
                pass
            return out


class Browser:
    """Cookies and the CSRF token of one device."""
    def __init__(self, house):
        self.house, self.cookies, self.csrf = house, {}, None

    def call(self, method, path, body=None, csrf=True, headers=None, raw=None):
        """(status, JSON or bytes)"""
        connection = http.client.HTTPConnection("unused", timeout=20)
        connection.sock = self.house.connect()
        lines = {"Host": self.house.url.split("//")[1], "Origin": self.house.url}
        data = raw if raw is not None else json.dumps(body).encode() if body is not None else None
        if data is not None:
            lines["Content-Type"] = "application/json"
        if self.cookies:
            lines["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        if csrf and self.csrf:
            lines["X-CSRF-Token"] = self.csrf
        lines.update(headers or {})
        connection.request(method, path, data, {k: v for k, v in lines.items() if v is not None})
        answer = connection.getresponse()
        text = answer.read()
        for line in answer.headers.get_all("set-cookie") or []:
            name, value = line.split(";")[0].split("=", 1)
            self.cookies[name] = value
        connection.close()
        try:
            value = json.loads(text)
        except ValueError:
            return answer.status, text
        if isinstance(value, dict) and "csrf" in value:
            self.csrf = value["csrf"]
        return answer.status, value

    def good(self, method, path, body=None):
        status, value = self.call(method, path, body)
        assert status in (200, 201, 204), (method, path, status, value)
        return value

    def enter(self, name):
        self.good("POST", "/api/enter", {"code": self.house.codes[name]})
        return self

    def join(self):
        """A place in the class that is open."""
        kind = next(c for c in self.good("GET", "/api/classes")["classes"] if c["state"] == "open")
        return self.good("POST", f"/api/classes/{kind['id']}/join", {})


class Socket:
    """A WebSocket client (RFC 6455) that does as it is told."""
    def __init__(self, house, path, protocol="xmpp", extra=""):
        self.sock = house.connect()
        self.data = b""
        self.sock.sendall((f"GET {path} HTTP/1.1\r\nHost: {house.url.split('//')[1]}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                           f"Origin: {house.url}\r\nSec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n"
                           f"Sec-WebSocket-Version: 13\r\n{extra}" +
                           (f"Sec-WebSocket-Protocol: {protocol}\r\n" if protocol else "") + "\r\n").encode())
        while b"\r\n\r\n" not in self.data:
            self.more()
        head, self.data = self.data.split(b"\r\n\r\n", 1)
        self.status = int(head.split()[1])

    def more(self):
        got = self.sock.recv(65536)
        if not got:
            raise EOFError("closed")
        self.data += got

    @staticmethod
    def frame(opcode, payload, fin=True, reserved=0, mask=True, length=None):
        size = len(payload) if length is None else length
        head = bytes([(0x80 if fin else 0) | reserved | opcode])
        flag = 0x80 if mask else 0
        head += bytes([flag | size]) if size < 126 else struct.pack(">BH", flag | 126, size) if size < 65536 else \
            struct.pack(">BQ", flag | 127, size)
        if not mask:
            return head + payload
        key = b"\x11\x22\x33\x44"
        wide = (int.from_bytes(payload, "big") ^ int.from_bytes((key * (len(payload) // 4 + 1))[:len(payload)], "big"))
        return head + key + wide.to_bytes(len(payload), "big")

    def put(self, data):
        self.sock.sendall(data)

    def send(self, text):
        self.put(self.frame(1, text.encode()))

    def receive(self):
        """(opcode, payload) of the next frame; pings are answered."""
        while True:
            while len(self.data) < 2 or len(self.data) < self.need():
                self.more()
            size, start = self.size()
            opcode, payload = self.data[0] & 15, self.data[start:start + size]
            self.data = self.data[start + size:]
            if opcode != 9:
                return opcode, payload
            self.put(self.frame(10, payload))

    def size(self):
        size = self.data[1] & 127
        if size == 126:
            return (struct.unpack(">H", self.data[2:4])[0], 4) if len(self.data) >= 4 else (0, 4)
        if size == 127:
            return (struct.unpack(">Q", self.data[2:10])[0], 10) if len(self.data) >= 10 else (0, 10)
        return size, 2

    def need(self):
        size, start = self.size()
        return start if len(self.data) < start else start + size

    def ends(self):
        """Reads to the end; the code of the close frame, or 1006."""
        try:
            while True:
                opcode, payload = self.receive()
                if opcode == 8:
                    return struct.unpack(">H", payload[:2])[0] if len(payload) >= 2 else 1005
        except (EOFError, OSError):
            return 1006

    def close(self):
        self.sock.close()


class Talk(Socket):
    """One client's XMPP stream, signed in with the token of `join`; a thread of its own hears it."""
    def __init__(self, house, join, token=None, bind=True, extra=""):
        token = join["token"] if token is None else token
        self.using, self.closing, self.thread = threading.RLock(), False, None  # a TLS connection is one thread's at a time
        super().__init__(house, f"/xmpp-websocket?room={join['room']}&token={token}", extra=extra)
        self.place, self.house, self.next = join, house, 0
        self.muc = f"{join['room']}@{join['muc']}"
        self.stanzas, self.changed, self.code = [], threading.Condition(), None
        if self.status == 101:
            self.sock.setblocking(False)
            self.thread = threading.Thread(target=self.hear, daemon=True)
            self.thread.start()
        if bind:
            self.sign_in()

    def hear(self):
        code = 1006
        try:
            while True:
                opcode, payload = self.receive()
                if opcode == 8:
                    code = struct.unpack(">H", payload[:2])[0]
                    break
                stanza = ElementTree.fromstring(payload.decode())
                with self.changed:
                    self.stanzas = [*self.stanzas[-500:], stanza]
                    self.changed.notify_all()
        except (EOFError, OSError, ValueError):
            pass
        with self.changed:
            self.code = code
            self.changed.notify_all()

    def more(self):
        if not self.thread:
            return super().more()
        while not self.closing:
            try:
                with self.using:
                    return super().more()
            except (ssl.SSLWantReadError, BlockingIOError):
                select.select([self.sock], [], [], 0.1)
        raise EOFError("closed by us")

    def put(self, data):
        while data:
            try:
                with self.using:
                    data = data[self.sock.send(data[:16384]):]
            except (ssl.SSLWantWriteError, BlockingIOError):
                select.select([], [self.sock], [], 1)

    def close(self):
        self.closing = True
        if self.thread:
            self.thread.join()
        self.sock.close()

    def ends(self, seconds=10):
        """The code the connection was closed with, 1006 without a close frame."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.code, seconds), "still open"
            return self.code

    def open(self):
        self.send(f"<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='{self.place['domain']}' version='1.0'/>")
        self.get(lambda e: e.tag.endswith("}features"))

    def sign_in(self):
        self.open()
        self.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>")
        answer = self.get(lambda e: e.tag.endswith("}success") or e.tag.endswith("}failure"))
        assert answer.tag.endswith("}success"), ElementTree.tostring(answer)
        self.open()
        self.jid = next(self.ask("set", None, "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>").iter("{urn:ietf:params:xml:ns:xmpp-bind}jid")).text

    def get(self, wanted, seconds=10):
        """The first stanza that `wanted` says yes to; the others wait."""
        end = time.monotonic() + seconds
        with self.changed:
            while True:
                for i, stanza in enumerate(self.stanzas):
                    if wanted(stanza):
                        return self.stanzas.pop(i)
                if self.code:
                    raise EOFError(f"closed with {self.code}")
                assert time.monotonic() < end, f"not heard among {[ElementTree.tostring(s)[:200] for s in self.stanzas[-5:]]}"
                self.changed.wait(0.2)

    def ask(self, kind, to, content):
        """The answer to an IQ."""
        self.next += 1
        number = f"q{self.next}"
        self.send(f"<iq xmlns='jabber:client' type='{kind}' id='{number}'" + (f" to='{to}'" if to else "") + f">{content}</iq>")
        return self.get(lambda e: e.tag.endswith("}iq") and e.get("id") == number and e.get("type") in ("result", "error"))

    def ping(self):
        begin = time.monotonic()
        assert self.ask("get", self.place["domain"], "<ping xmlns='urn:xmpp:ping'/>").get("type") == "result"
        return time.monotonic() - begin

    def enter(self, name="Somebody"):
        """Asks the focus, then enters the room; heard by everybody in it."""
        self.nick = nick = self.jid[:8]
        answer = self.ask("set", self.place["focus"], f"<conference xmlns='http://jitsi.org/protocol/focus' room='{self.muc}' machine-uid='{nick}'/>")
        assert answer.get("type") == "result", ElementTree.tostring(answer)
        self.send(f"<presence xmlns='jabber:client' to='{self.muc}/{nick}'><x xmlns='http://jabber.org/protocol/muc'/>"
                  f"<nick xmlns='http://jabber.org/protocol/nick'>{name}</nick></presence>")
        self.get(lambda e: e.tag.endswith("}presence") and any(s.get("code") == "110" for s in e.iter("{http://jabber.org/protocol/muc#user}status")))
        return self

    def say(self, text):
        self.send(f"<message xmlns='jabber:client' to='{self.muc}' type='groupchat'><body>{text}</body></message>")

    def hears(self, text, seconds=10):
        return self.get(lambda e: e.tag.endswith("}message") and any(b.text == text for b in e.iter("{jabber:client}body")), seconds)

    def offer(self):
        """The focus's session-initiate."""
        return self.get(lambda e: e.tag.endswith("}iq") and any(j.get("action") == "session-initiate" for j in e.iter("{urn:xmpp:jingle:1}jingle")))


def run(tests):
    """Runs all of them, or those that are named; a result line for each."""
    failed = 0
    for test in tests:
        if len(sys.argv) > 1 and test.__name__ not in sys.argv[1:]:
            continue
        begin = time.monotonic()
        name = f"{os.path.basename(sys.argv[0]).removesuffix('_test.py')}: {test.__doc__}"
        try:
            test()
            print(f"{name} ({time.monotonic() - begin:.1f} s)", flush=True)
            result = f"ok admin {name}\n"
        except Exception:
            traceback.print_exc()
            failed += 1
            print(f"NOT OK {name}", flush=True)
            result = f"not ok admin {name}\n"
        os.write(RESULTS, result.encode())
    shutil.rmtree(root, ignore_errors=True)
    sys.exit(1 if failed else 0)
