"""Prosody (the Debian package) as a server of rooms: started with a configuration of its own on loopback, joined by many clients
at once, ended again."""
import asyncio
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

from serving import processor

PORT, DOMAIN, ROOM = 15280, "bench.test", "room@rooms.bench.test"
UPGRADE = (f"GET /xmpp-websocket HTTP/1.1\r\nHost: {DOMAIN}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: xmpp\r\n\r\n")
OPEN = f"<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='{DOMAIN}' version='1.0'/>"
# What a participant of a class says of itself, as long as a Jitsi client does.
SELF = ("<x xmlns='http://jabber.org/protocol/muc'/><nick xmlns='http://jabber.org/protocol/nick'>Participant {n}</nick>"
        "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://bench.test/load' ver='2jmj7l5rSw0yVb/vlWAYkK/YBwk='/>"
        "<stats-id>Load-{n}</stats-id><SourceInfo>{{\"{n:08x}-a0\":{{\"muted\":false}},\"{n:08x}-v0\":{{\"muted\":true}}}}</SourceInfo>")


def available():
    return shutil.which("prosody") is not None


class Client:
    def __init__(self, number):
        self.number = number
        self.seen = 0
        self.tail = b""

    async def connect(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", PORT, limit=1 << 22)
        self.writer.write(UPGRADE.encode())
        await self.hear(b"\r\n\r\n")
        for text, end in ((OPEN, b"features>"), ("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>", b"<success"),
                          (OPEN, b"features>"),
                          ("<iq xmlns='jabber:client' type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", b"</iq>")):
            self.say(text)
            await self.hear(end)

    def say(self, text):
        """One frame, under a mask of zeros (RFC 6455 5.2)."""
        data = text.encode()
        size = bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0x80 | 126]) + len(data).to_bytes(2, "big")
        self.writer.write(b"\x81" + size + bytes(4) + data)

    async def hear(self, end):
        heard = b""
        while end not in heard:
            more = await self.reader.read(65536)
            if not more:
                raise RuntimeError(f"Prosody closed: {heard[-200:]}")
            heard += more

    async def join(self, people):
        """Until the presence of every one of `people` came."""
        self.say(f"<presence xmlns='jabber:client' to='{ROOM}/{self.number:08x}'>{SELF.format(n=self.number)}</presence>")
        while self.seen < people:
            more = await self.reader.read(1 << 18)
            if not more:
                raise RuntimeError("Prosody closed")
            data = self.tail + more
            self.seen += data.count(b"<presence ")
            self.tail = data[-9:]


class Prosody:
    def __init__(self, core):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="darasa-prosody-", dir="/var/tmp"))
        config = self.folder / "prosody.cfg.lua"
        config.write_text(f"""
            run_as_root = true
            data_path = "{self.folder}"
            pidfile = "{self.folder}/pid"
            http_interfaces = {{ "127.0.0.1" }}
            http_ports = {{ {PORT} }}
            https_ports = {{ }}
            modules_enabled = {{ "saslauth", "disco", "http", "websocket" }}
            modules_disabled = {{ "s2s", "tls", "offline" }}
            c2s_ports = {{ }}
            consider_websocket_secure = true
            limits = {{ }}
            log = {{ error = "*console" }}
            VirtualHost "{DOMAIN}"
                authentication = "anonymous"
            Component "rooms.{DOMAIN}" "muc"
                muc_room_locking = false
                muc_room_default_history_length = 0
            """)
        self.process = subprocess.Popen(["taskset", "-c", core, "prosody", "--config", config, "-F"], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)

    async def wait(self):
        for _ in range(150):
            try:
                (await asyncio.open_connection("127.0.0.1", PORT))[1].close()
                return
            except OSError:
                await asyncio.sleep(0.1)
        raise RuntimeError("Prosody did not start")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def join_all(core, people, patience):
    """That many join one room at once. Seconds of Prosody's processor, and seconds until all had seen all."""

    async def run(server):
        await server.wait()
        clients = [Client(n) for n in range(people)]
        for client in clients:
            await client.connect()
        cpu, begun = processor(server.process.pid), time.monotonic()
        await asyncio.wait_for(asyncio.gather(*[client.join(people) for client in clients]), patience)
        return processor(server.process.pid) - cpu, time.monotonic() - begun

    server = Prosody(core)
    try:
        return asyncio.run(run(server))
    finally:
        server.stop()
