#!/usr/bin/env python3
"""Two people (aiortc) talk through the real darasa-bridge while somebody attacks it: they miss nothing, it does not grow.

usage: siege_test.py DARASA_BRIDGE SIEGE     (needs aiortc and numpy from PyPI)"""
import asyncio, json, os, re, secrets, sys

from bridge_under_test import *
from participant import Participant

BINARY, SIEGE = sys.argv[1:]
RATE, SECONDS, HALF_OPEN = 60000, 4, 1000


def memory(pid):
    """Private kB."""
    text = open(f"/proc/{pid}/smaps_rollup").read()
    return sum(int(n) for n in re.findall(r"^Private_\w+:\s+(\d+) kB", text, re.M))


def processor(pid):
    fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def dropped(port):
    """Datagrams that the bridge's socket had no room for."""
    rows = [line.split() for line in open("/proc/net/udp").readlines()[1:]]
    return sum(int(row[12]) for row in rows if row[1].endswith(f":{port:04X}") and row[2].endswith(":0000"))


class Class:
    async def open(self):
        self.bridge = Bridge(BINARY, 0, log="info")
        self.bridge.connect()
        self.hello = await self.bridge.wait_for(HELLO)
        await self.bridge.wait_for(SYNC_DONE)
        self.bridge.say(CONFERENCE, {"conference": "c1", "record": None})
        self.bridge.say(SYNC_DONE, {})
        self.people = [Participant(self.bridge, "a0000001", 440, (200, 30, 30)), Participant(self.bridge, "b0000002", 1000, (30, 30, 200))]
        await asyncio.gather(*(p.join(self.hello) for p in self.people))
        for p in self.people:
            await self.bridge.wait_for(ENDPOINT_STATE, lambda m: m["endpoint"] == p.name and m["state"] == "connected")

    async def counts(self):
        """Of both: packets of sound that came, that were lost, and frames seen."""
        found = []
        for p in self.people:
            stats = next(s for s in (await p.pc.getStats()).values() if s.type == "inbound-rtp" and s.kind == "audio")
            found.append((stats.packetsReceived, stats.packetsLost, len(p.seen)))
        return found

    async def close(self):
        for p in self.people:
            await p.leave()
        assert self.bridge.stop() == 0


class Besieger:
    """`clients` are put into other classes, each with one voice: one receiver of aiortc takes all voices for one."""
    def __init__(self, school, kind, clients=0, **announced):
        self.school, self.kind = school, kind
        self.clients = [{"name": f"{0xbad00000 + i:08x}", "class": f"bad{i // 40}", "ice": credentials(0), "ssrc": 70000 + i}
                        for i in range(clients)]
        for c in self.clients:
            c["ice"] |= {"remote_ufrag": secrets.token_hex(4), "remote_pwd": secrets.token_hex(12)}
        self.wrong = announced.get("wrong")

    async def begin(self):
        bridge = self.school.bridge
        self.process = await asyncio.create_subprocess_exec(SIEGE, str(bridge.port), self.kind, str(RATE), str(SECONDS),
                                                            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
        value = (await self.process.stdout.readline()).decode().strip()
        for c in self.clients:
            await asyncio.sleep(0)  # the class talks on
            bridge.say(CONFERENCE, {"conference": c["class"], "record": None})
            bridge.say(ENDPOINT, {"conference": c["class"], "endpoint": c["name"], "ice": c["ice"], "rewriting": False, "staff": False, "person": None,
                                  "fingerprint": {"hash": "sha-256", "value": value}, "constraints": {"lastN": 0, "defaultMaxHeight": 180},
                                  "sources": [{"name": c["name"] + "-a0", "kind": "audio", "muted": False, "blocked": False,
                                               "ssrcs": [c["ssrc"]], "rtx": []}]})
            ice = c["ice"]
            line = f"{ice['ufrag']} {self.wrong or ice['pwd']} {ice['remote_ufrag']} {ice['remote_pwd']} {c['ssrc']}\n"
            self.process.stdin.write(line.encode())
        self.process.stdin.write((self.school.hello["fingerprint"]["value"] + "\n").encode())
        self.process.stdin.write_eof()
        line = await asyncio.wait_for(self.process.stdout.readline(), 60)
        assert line == b"begins\n", line

    async def end(self):
        result = json.loads(await asyncio.wait_for(self.process.stdout.readline(), 30))
        assert await self.process.wait() == 0
        for c in self.clients:
            self.school.bridge.say(ENDPOINT_GONE, {"conference": c["class"], "endpoint": c["name"]})
        return result


async def besiege(school, kind, counter, clients=0, growth=8192, passes=0, **announced):
    """One attack; `counter` must show it, but for so many packets a second that may pass, and what still is on its way."""
    bridge, pid = school.bridge, school.bridge.process.pid
    besieger = Besieger(school, kind, clients, **announced)
    before = memory(pid)
    await besieger.begin()
    start, counted, cpu, full = await school.counts(), bridge.counter(counter), processor(pid), dropped(bridge.port)
    await asyncio.sleep(SECONDS)
    stop, grown, cpu = await school.counts(), memory(pid) - before, processor(pid) - cpu
    result = await besieger.end()
    counted, full = bridge.counter(counter) - counted, dropped(bridge.port) - full
    print(f"{kind}: {result['sent']} sent, {counted} counted, {cpu / SECONDS:.0%} of a core, grown by {grown} kB; "
          f"{[tuple(b - a for a, b in zip(*pair)) for pair in zip(start, stop)]} came, lost, seen", flush=True)
    for (came, lost, seen), (came_then, lost_then, seen_then) in zip(start, stop):
        assert lost_then - lost <= 0.02 * 50 * SECONDS, "sound was lost"
        assert came_then - came > 0.25 * 50 * SECONDS and seen_then - seen > 2 * SECONDS  # a busy machine sends less
    assert full <= 0.001 * result["sent"], f"{full} found no room"
    assert grown < growth, f"{grown} kB"
    assert result["sent"] >= 0.3 * RATE * SECONDS or kind == "hello", result
    assert counted >= 0.95 * result["sent"] - passes * (SECONDS + 1), (counted, result)
    assert bridge.process.poll() is None


async def siege():
    school = Class()
    await school.open()
    await asyncio.sleep(3)  # aiortc's first second is full of key frames
    refused = 'darasa_bridge_refused_total{reason="%s"}'
    await besiege(school, "noise", "darasa_bridge_datagrams_received_total")
    await besiege(school, "checks", refused % "limit", 1, wrong="a-password-not-of-ours-at-all")
    await besiege(school, "media", refused % "limit", 1, passes=5000)
    await besiege(school, "replay", refused % "exists", 1)
    # A half-open handshake holds what its session needs until its endpoint is gone, and no more.
    await besiege(school, "hello", "darasa_bridge_datagrams_sent_total", HALF_OPEN, growth=HALF_OPEN * 200)
    await school.close()


asyncio.run(siege())
print("ok siege")
