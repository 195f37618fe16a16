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

PORT, DOMAIN, ROOM = 15222, "bench.test", "room@rooms.bench.test"
STREAM = f"<?xml version='1.0'?><stream:stream to='{DOMAIN}' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
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
        await self.ask(STREAM, b"</stream:features>")
        await self.ask("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>", b"<success")
        await self.ask(STREAM, b"</stream:features>")
        await self.ask("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", b"</iq>")

    async def ask(self, text, end):
        self.writer.write(text.encode())
        heard = b""
        while end not in heard:
            more = await self.reader.read(65536)
            if not more:
                raise RuntimeError(f"Prosody closed: {heard[-200:]}")
            heard += more

    async def join(self, people):
        """Until the presence of every one of `people` came."""
        self.writer.write(f"<presence to='{ROOM}/{self.number:08x}'>{SELF.format(n=self.number)}</presence>".encode())
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
            interfaces = {{ "127.0.0.1" }}
            c2s_ports = {{ {PORT} }}
            modules_enabled = {{ "saslauth", "disco" }}
            modules_disabled = {{ "s2s", "tls", "offline" }}
            c2s_require_encryption = false
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
