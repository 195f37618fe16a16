#!/usr/bin/env python3
"""A WebRTC stack that shares no code with browsers or with us (aiortc: own ICE, OpenSSL DTLS, libsrtp) talks through
the real darasa-bridge: sound and pictures arrive and are those that were sent, on one worker and across two.

usage: aiortc_test.py DARASA_BRIDGE     (needs aiortc and numpy from PyPI)"""
import asyncio, sys

import numpy

from bridge_under_test import *
from participant import Participant, until

BINARY = sys.argv[1]


def check_media(listener, speaker):
    assert abs(listener.pitch() - speaker.hertz) < 8, (listener.pitch(), speaker.hertz)
    assert numpy.abs(listener.hue() - speaker.colour).max() < 40, (listener.hue(), speaker.colour)


async def two_talk(bridges):
    """`bridges[0]` owns the conference; with several, the kernel spreads the sockets' datagrams over all."""
    bridge = bridges[0]
    for b in bridges:
        b.connect()
    hello = await bridge.wait_for(HELLO)
    await bridge.wait_for(SYNC_DONE)
    bridge.say(CONFERENCE, {"conference": "c1", "record": None})
    bridge.say(SYNC_DONE, {})
    anna = Participant(bridge, "a0000001", 440, (200, 30, 30))
    ben = Participant(bridge, "b0000002", 1000, (30, 30, 200))
    await asyncio.gather(anna.join(hello), ben.join(hello, late=1.0))
    for p in (anna, ben):
        await bridge.wait_for(ENDPOINT_STATE, lambda m: m["endpoint"] == p.name and m["state"] == "connected")
    await until("media both ways", lambda: all(len(p.heard) > 120 and len(p.seen) > 30 for p in (anna, ben)))
    check_media(anna, ben)
    check_media(ben, anna)

    # Signal comes back: everything again, nothing lost.
    at = len(bridge.notices)
    bridge.connect()
    assert (await bridge.wait_for(HELLO, since=at))["boot"] == hello["boot"]
    for p in (anna, ben):
        await bridge.wait_for(ENDPOINT_STATE, lambda m: m["endpoint"] == p.name and m["state"] == "connected", since=at)
    bridge.say(CONFERENCE, {"conference": "c1", "record": None})
    for p in (anna, ben):
        bridge.say(ENDPOINT, p.state())
    bridge.say(SYNC_DONE, {})
    count = len(anna.seen)
    await until("pictures go on", lambda: len(anna.seen) > count + 30)

    # Muted by the server's knowledge: the sound ends, the picture does not.
    bridge.say(ENDPOINT, ben.state(muted=True))
    await asyncio.sleep(0.5)
    count = len(anna.seen)
    await until("pictures of the muted", lambda: len(anna.seen) > count + 20)

    # Gone without a word: quiet after 3 s.
    at = len(bridge.notices)
    for transport in {s.transport.transport for s in ben.pc.getSenders()}:
        await transport._connection.close()
    await bridge.wait_for(ENDPOINT_STATE, lambda m: m["endpoint"] == ben.name and m["state"] == "quiet", since=at)
    bridge.say(ENDPOINT_GONE, {"conference": "c1", "endpoint": ben.name})
    # So is one who says farewell by DTLS: that is heard only until media came.
    await anna.leave()
    await bridge.wait_for(ENDPOINT_STATE, lambda m: m["endpoint"] == anna.name and m["state"] == "quiet", since=at)
    for task in ben.tasks:
        task.cancel()


async def one_worker():
    bridge = Bridge(BINARY, 0)
    await two_talk([bridge])
    # Nonsense from signal: the link is closed, the process stays.
    bridge.say(ENDPOINT, b'{"conference": 7}')
    await until("the link is closed", lambda: ("closed", None) in bridge.notices)
    assert bridge.counter("darasa_bridge_datagrams_sent_total") > 500
    assert bridge.counter("darasa_bridge_send_messages_total") <= bridge.counter("darasa_bridge_datagrams_sent_total")
    assert bridge.stop() == 0


async def two_workers():
    """Which socket gets a client's datagrams is the kernel's choice: again until it was the wrong one."""
    for _ in range(8):
        if await spread() > 100:
            return
    raise AssertionError("no datagram ever reached the other worker")


async def spread():
    first = Bridge(BINARY, 0, 0, 2)
    second = Bridge(BINARY, first.port, 1, 2)
    join_workers(first, second)
    await two_talk([first, second])
    passed, taken = second.counter("darasa_bridge_passed_to_workers_total"), first.counter("darasa_bridge_taken_from_workers_total")
    assert passed == taken, (passed, taken)
    assert first.stop() == 0
    assert second.stop() == 0
    return passed


def main():
    for test in (one_worker, two_workers):
        asyncio.run(test())
        print("ok", test.__name__, flush=True)


main()
