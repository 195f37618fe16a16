"""darasa-bridge processes with the supervisor's and signal's part played here (docs/bus.md)."""
import asyncio, json, os, secrets, socket, struct, subprocess

SOL_UDP, UDP_GRO, IP_PKTINFO, SO_SNDBUFFORCE, SO_RCVBUFFORCE = 17, 104, 8, 32, 33
METRICS_SIZE = 224 * 80 + 64  # os/metrics.h
HELLO, CONFERENCE, ENDPOINT, ENDPOINT_GONE, CONFERENCE_GONE, SYNC_DONE, EVENT = range(1, 8)
ENDPOINT_STATE, SOURCE_MAPS, FORWARDED, SPEAKER, SENDER_CONSTRAINTS, CONNECTION_STATS, FEED_STATE = range(20, 27)


def udp_socket(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    s.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    s.setsockopt(SOL_UDP, UDP_GRO, 1)
    for option in (SO_RCVBUFFORCE, SO_SNDBUFFORCE):  # as the supervisor opens it
        s.setsockopt(socket.SOL_SOCKET, option, 8 << 20)
    s.bind(("127.0.0.1", port))
    return s


class Bridge:
    """One worker. `notices` collects (type, body) of what it says; `wait_for` waits for one."""

    def __init__(self, binary, port, number=0, workers=1, log="debug"):
        self.number, self.notices, self.buffer, self.news = number, [], b"", asyncio.Event()
        self.udp = udp_socket(port)
        self.port = self.udp.getsockname()[1]
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        keep = theirs.fileno()

        def prepare():
            os.dup2(keep, 3)
            os.set_inheritable(3, True)

        self.process = subprocess.Popen([binary], preexec_fn=prepare, close_fds=False)
        theirs.close()
        self.metrics = os.memfd_create("metrics")
        os.ftruncate(self.metrics, METRICS_SIZE)
        candidate = {"ip": "127.0.0.1", "port": self.port, "type": "host", "priority": 2130706431, "foundation": "1"}
        self.tell({"type": "start", "program": "bridge", "number": number, "log": log, "fds": ["udp", "metrics"],
                   "settings": {"workers": workers, "candidates": [candidate]}}, [self.udp.fileno(), self.metrics])
        self.link = None

    def tell(self, message, fds=()):
        socket.send_fds(self.control, [json.dumps(message).encode()], list(fds))

    def connect(self):
        """The link to signal, as after a (re)start of signal."""
        if self.link:
            asyncio.get_running_loop().remove_reader(self.link)
            self.link.close()
        self.link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.tell({"type": "link", "peer": "signal", "number": 0}, [theirs.fileno()])
        theirs.close()
        self.link.setblocking(False)
        self.buffer = b""
        asyncio.get_running_loop().add_reader(self.link, self._read)

    def _read(self):
        try:
            data = self.link.recv(1 << 20)
        except BlockingIOError:
            return
        if not data:
            asyncio.get_running_loop().remove_reader(self.link)
            self.notices.append(("closed", None))
        self.buffer += data
        while len(self.buffer) >= 16:
            size, kind, _, _ = struct.unpack("<IHHQ", self.buffer[:16])
            if len(self.buffer) < 16 + size:
                break
            self.notices.append((kind, json.loads(self.buffer[16:16 + size])))
            self.buffer = self.buffer[16 + size:]
        self.news.set()

    def say(self, kind, body):
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.link.setblocking(True)
        self.link.sendall(struct.pack("<IHHQ", len(payload), kind, 0, 0) + payload)
        self.link.setblocking(False)

    async def wait_for(self, kind, test=lambda body: True, timeout=10, since=0):
        async def look():
            at = since
            while True:
                while at < len(self.notices):
                    if self.notices[at][0] == kind and test(self.notices[at][1]):
                        return self.notices[at][1]
                    at += 1
                self.news.clear()
                await self.news.wait()
        return await asyncio.wait_for(look(), timeout)

    def counter(self, name):
        page = os.pread(self.metrics, METRICS_SIZE, 0)
        for at in range(64, METRICS_SIZE, 80):
            if page[at:at + 72].rstrip(b"\0") == name.encode():
                return struct.unpack_from("<Q", page, at + 72)[0]
        return None

    def stop(self):
        self.tell({"type": "stop"})
        status = self.process.wait(10)
        self.control.close()
        self.udp.close()
        os.close(self.metrics)
        return status


def join_workers(a, b):
    one, two = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    a.tell({"type": "link", "peer": "bridge", "number": b.number}, [one.fileno()])
    b.tell({"type": "link", "peer": "bridge", "number": a.number}, [two.fileno()])
    one.close()
    two.close()


def credentials(number):
    return {"ufrag": "%x" % number + secrets.token_hex(4), "pwd": secrets.token_hex(12),
            "remote_ufrag": None, "remote_pwd": None}
