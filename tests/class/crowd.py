#!/usr/bin/env python3
"""Many people of one class in one process, with an ICE and DTLS of others' make (aiortc): each enters as a guest by Jitsi's
protocol and sends real VP8 and Opus, made once. Somebody always speaks, leaves, comes, writes, raises a hand.

usage: crowd.py BASE_URL CA ROOM PEOPLE SECONDS MEDIA_FOLDER     (needs aiortc and websockets from PyPI)
Prints one JSON object: how often what happened, and how many packets were sent."""
import asyncio, json, random, re, ssl, struct, sys, time, urllib.request
from xml.sax.saxutils import escape

import av, websockets
from aiortc import RTCCertificate, RTCDtlsTransport, RTCIceCandidate, RTCIceGatherer, RTCIceTransport
from aiortc.rtcdtlstransport import RTCDtlsFingerprint, RTCDtlsParameters
from aiortc.rtcicetransport import RTCIceParameters

BASE, CA, ROOM, PEOPLE, SECONDS, MEDIA = sys.argv[1:4] + [int(n) for n in sys.argv[4:6]] + sys.argv[6:7]
TICK = 0.02                  # an Opus packet
FRAME_TICKS = 10             # five pictures a second
SPEAKERS = 2
PACKET = 1100                # bytes of a picture in a packet
PT_VP8, PT_OPUS, LEVEL_EXTENSION = 100, 111, 1
FEATURES = ["http://jitsi.org/ssrc-rewriting-1", "http://jitsi.org/json-encoded-sources", "http://jitsi.org/receive-multiple-video-streams",
            "http://jitsi.org/source-name", "urn:xmpp:jingle:1", "urn:xmpp:jingle:apps:dtls:0", "urn:xmpp:jingle:apps:rtp:audio",
            "urn:xmpp:jingle:apps:rtp:video", "urn:xmpp:jingle:transports:ice-udp:1"]
SSL = ssl.create_default_context(cafile=CA)
counts = {what: 0 for what in ("entered", "left", "said", "hands", "turns", "failed", "key_frames", "packets")}


def packets_of(name):
    with av.open(f"{MEDIA}/{name}") as file:
        return [(bytes(p), p.is_keyframe) for p in file.demux() if p.size]


PICTURES, SOUND = packets_of("picture.ivf"), packets_of("sound.ogg")


def ticket(name):
    request = urllib.request.Request(f"{BASE}/api/guest/{ROOM}", json.dumps({"name": name}).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, context=SSL) as answer:
        return json.load(answer)


class Transport(RTCDtlsTransport):
    """What comes in is not looked at, but for the wish for a whole picture."""
    key_wanted = True

    async def _handle_rtp_data(self, data, arrival_time_ms):
        pass

    async def _handle_rtcp_data(self, data):
        while len(data) >= 4:
            if data[1] == 206 and data[0] & 31 in (1, 4):
                self.key_wanted = True
            data = data[4 + 4 * struct.unpack(">H", data[2:4])[0]:]


class Guest:
    def __init__(self, join):
        self.join, self.hand, self.speaking, self.endpoint = join, False, False, None
        self.handled, self.transport, self.tasks = 0, None, []
        self.ssrc = {kind: random.getrandbits(31) + 1 for kind in "av"}
        self.sequence = {kind: random.getrandbits(16) for kind in "av"}
        self.start = {kind: random.getrandbits(31) for kind in "av"}
        self.picture, self.picture_id, self.sound = 0, 0, random.randrange(len(SOUND))

    async def enter(self):
        j = self.join
        self.certificate = RTCCertificate.generateCertificate()
        self.entered = asyncio.get_running_loop().create_future()
        self.socket = await websockets.connect(f"{j['websocket']}?room={j['room']}&token={j['token']}", ssl=SSL, subprotocols=["xmpp"],
                                               ping_interval=None, max_size=None, compression=None)
        opening = f'<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" to="{j["domain"]}" version="1.0"/>'
        for text in (opening, '<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="ANONYMOUS"/>', opening,
                     '<iq xmlns="jabber:client" type="set" id="bind"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/></iq>',
                     '<enable xmlns="urn:xmpp:sm:3" resume="true"/>'):
            await self.socket.send(text)
        self.tasks.append(asyncio.create_task(self.read()))
        await asyncio.wait_for(asyncio.shield(self.entered), 30)
        counts["entered"] += 1

    async def leave(self):
        counts["left"] += 1
        transport, self.transport = self.transport, None
        await self.socket.send(f'<presence xmlns="jabber:client" type="unavailable"/>')
        await self.socket.close()
        for task in self.tasks:
            task.cancel()
        if transport:
            await transport.stop()
            await transport.transport.stop()

    async def read(self):
        try:
            async for text in self.socket:
                if re.match(r"<(iq|presence|message)\b", text):
                    self.handled += 1
                await self.heard(text)
        except Exception as error:
            if not self.entered.done():
                self.entered.set_exception(error)
            elif not isinstance(error, asyncio.CancelledError):
                counts["failed"] += 1
                print(f"{self.endpoint}: {error!r}", file=sys.stderr)

    async def heard(self, text):
        identity = re.match(r"""<iq[^>]*\bid=["']([^"']*)""", text)
        if text.startswith("<r "):
            await self.socket.send(f'<a xmlns="urn:xmpp:sm:3" h="{self.handled}"/>')
        elif not text.startswith("<iq"):
            return
        elif jid := re.search("<jid[^>]*>([^<]*)</jid>", text):
            await self.bound(jid[1])
        elif "disco#info" in text:
            features = "".join(f'<feature var="{f}"/>' for f in FEATURES)
            await self.answer(text, f'<query xmlns="http://jabber.org/protocol/disco#info">{features}</query>')
        elif re.search(r"""type=["']set""", text):
            await self.answer(text)
            if "session-initiate" in text:
                self.tasks.append(asyncio.create_task(self.offered(text)))
        elif identity and identity[1] == "accept" and not self.entered.done():
            self.entered.set_result(None)

    async def answer(self, text, body=""):
        values = {name: re.search(rf"""<iq[^>]*\b{name}=["']([^"']*)""", text)[1] for name in ("id", "from")}
        await self.socket.send(f'<iq xmlns="jabber:client" type="result" id="{values["id"]}" to="{values["from"]}">{body}</iq>')

    async def bound(self, jid):
        self.endpoint, self.handled = jid[:8], 0
        self.room = f"{self.join['room']}@{self.join['muc']}"
        await self.socket.send(f'<iq xmlns="jabber:client" type="set" id="conference" to="{self.join["focus"]}">'
                               f'<conference xmlns="http://jitsi.org/protocol/focus" room="{self.room}" machine-uid="{self.endpoint}"/></iq>')
        await self.tell('<x xmlns="http://jabber.org/protocol/muc"/>')

    async def tell(self, more=""):
        sources = json.dumps({f"{self.endpoint}-a0": {"muted": not self.speaking}, f"{self.endpoint}-v0": {"muted": False}})
        hand = f"<jitsi_participant_raisedHand>{int(time.time() * 1000)}</jitsi_participant_raisedHand>" if self.hand else ""
        await self.socket.send(f'<presence xmlns="jabber:client" to="{self.room}/{self.endpoint}">{more}<c xmlns="http://jabber.org/protocol/caps" '
                               f'hash="sha-1" node="urn:darasa:crowd" ver="crowd"/><nick xmlns="http://jabber.org/protocol/nick">'
                               f'{escape(self.join["me"]["name"])}</nick>{hand}<SourceInfo>{escape(sources)}</SourceInfo></presence>')

    async def say(self, words):
        counts["said"] += 1
        await self.socket.send(f'<message xmlns="jabber:client" to="{self.room}" type="groupchat" id="{random.getrandbits(48):x}">'
                               f"<body>{escape(words)}</body></message>")

    async def offered(self, text):
        gatherer = RTCIceGatherer([])
        await gatherer.gather()
        ice = RTCIceTransport(gatherer)
        ice._connection.ice_controlling = True
        transport = Transport(ice, [self.certificate])
        transport._set_role("client")
        await self.accept(text, gatherer, transport)
        attribute = lambda element, name: re.search(rf"""<{element}\b[^>]*\b{name}=["']([^"']*)""", text)[1]
        candidate = re.search("<candidate[^>]*>", text)[0]
        port, address = (re.search(rf"""\b{name}=["']([^"']*)""", candidate)[1] for name in ("port", "ip"))
        await ice.addRemoteCandidate(RTCIceCandidate(1, "1", address, int(port), 2130706431, "udp", "host"))
        await ice.addRemoteCandidate(None)
        await ice.start(RTCIceParameters(attribute("transport", "ufrag"), attribute("transport", "pwd")))
        fingerprint = re.search(r"<fingerprint[^>]*>\s*([0-9A-Fa-f:]+)", text)[1]
        await transport.start(RTCDtlsParameters([RTCDtlsFingerprint("sha-256", fingerprint)]))
        self.transport = transport
        url = attribute("web-socket", "url").replace("&amp;", "&")
        async with websockets.connect(url, ssl=SSL, ping_interval=None, max_size=None, compression=None) as channel:
            await channel.send(json.dumps({"colibriClass": "ReceiverVideoConstraints", "lastN": 0, "defaultConstraints": {"maxHeight": 0}}))
            async for _ in channel:
                pass

    async def accept(self, text, gatherer, transport):
        own, sid = gatherer.getLocalParameters(), re.search(r"""\bsid=["']([^"']*)""", text)[1]
        prints = transport.getLocalParameters().fingerprints
        value = next(f.value for f in prints if f.algorithm == "sha-256")
        carrier = (f'<transport xmlns="urn:xmpp:jingle:transports:ice-udp:1" ufrag="{own.usernameFragment}" pwd="{own.password}">'
                   f'<fingerprint xmlns="urn:xmpp:jingle:apps:dtls:0" hash="sha-256" setup="active">{value}</fingerprint></transport>')
        contents = ""
        for name, kind in (("audio", "a"), ("video", "v")):
            contents += (f'<content name="{name}" creator="responder"><description xmlns="urn:xmpp:jingle:apps:rtp:1" media="{name}">'
                         f'<source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="{self.ssrc[kind]}" name="{self.endpoint}-{kind}0">'
                         f'<parameter xmlns="urn:xmpp:jingle:apps:rtp:1" name="msid" value="{self.endpoint} {self.endpoint}-{kind}0"/></source>'
                         f"</description>{carrier}</content>")
        await self.socket.send(f'<iq xmlns="jabber:client" type="set" id="accept" to="{self.room}/focus">'
                               f'<jingle xmlns="urn:xmpp:jingle:1" action="session-accept" sid="{sid}">{contents}</jingle></iq>')

    async def send(self, kind, payload_type, timestamp, marker, payload, extension=b""):
        self.sequence[kind] = (self.sequence[kind] + 1) & 0xffff
        head = struct.pack(">BBHII", 0x90 if extension else 0x80, marker << 7 | payload_type, self.sequence[kind],
                           (self.start[kind] + timestamp) & 0xffffffff, self.ssrc[kind])
        counts["packets"] += 1
        await self.transport._send_rtp(head + extension + payload)

    async def tick(self, number):
        """Whatever is due of sound and picture."""
        if self.transport is None:
            return
        try:
            if self.speaking:
                self.sound = (self.sound + 1) % len(SOUND)
                level = struct.pack(">HHBBH", 0xbede, 1, LEVEL_EXTENSION << 4, 0x80 | 20, 0)
                await self.send("a", PT_OPUS, number * 960, 0, SOUND[self.sound][0], level)
            if number % FRAME_TICKS == int(self.ssrc["v"]) % FRAME_TICKS:
                await self.show(int(number * TICK * 90000))
        except ConnectionError:
            pass  # it is just leaving

    async def show(self, timestamp):
        if self.transport.key_wanted:
            self.picture, self.transport.key_wanted = 0, False
            counts["key_frames"] += 1
        frame, _ = PICTURES[self.picture]
        self.picture = (self.picture + 1) % len(PICTURES)
        self.picture_id = (self.picture_id + 1) & 0x7fff
        parts = [frame[at:at + PACKET] for at in range(0, len(frame), PACKET)]
        for i, part in enumerate(parts):
            descriptor = struct.pack(">BBH", 0x90 if i == 0 else 0x80, 0x80, 0x8000 | self.picture_id)
            await self.send("v", PT_VP8, timestamp, i == len(parts) - 1, descriptor + part)


class Crowd:
    def __init__(self):
        self.tickets = [ticket(f"Pupil {i + 1}") for i in range(PEOPLE)]
        self.inside = []

    async def add(self, join):
        guest = Guest(join)
        await guest.enter()
        self.inside.append(guest)

    async def media(self, end):
        began, number = time.monotonic(), 0
        while time.monotonic() < end:
            number += 1
            for guest in list(self.inside):
                await guest.tick(number)
            await asyncio.sleep(max(0, began + number * TICK - time.monotonic()))

    async def speak(self):
        for guest in self.inside:
            if guest.speaking:
                guest.speaking = False
                await guest.tell()
        for guest in random.sample(self.inside, SPEAKERS):
            guest.speaking = True
            counts["turns"] += 1
            await guest.tell()

    async def change(self):
        guest = random.choice(self.inside)
        self.inside.remove(guest)
        await guest.leave()
        await self.add(guest.join)

    async def write(self):
        await random.choice(self.inside).say(f"I have written {counts['said']} lines. " * 3)

    async def raise_hand(self):
        guest = random.choice(self.inside)
        guest.hand = not guest.hand
        counts["hands"] += 1
        await guest.tell()

    async def often(self, what, seconds, end):
        while True:
            await asyncio.sleep(seconds * random.uniform(0.5, 1.5))
            if time.monotonic() > end:
                return
            await what()

    async def run(self):
        for at in range(0, PEOPLE, 5):  # nobody is invited to a conference alone
            await asyncio.gather(*(self.add(join) for join in self.tickets[at:at + 5]))
        print("inside", flush=True)
        end = time.monotonic() + SECONDS
        await asyncio.gather(self.media(end), self.often(self.speak, 8, end), self.often(self.change, 12, end),
                             self.often(self.write, 3, end), self.often(self.raise_hand, 6, end))
        for guest in self.inside:
            await guest.leave()
        print(json.dumps(counts), flush=True)


random.seed(1)
asyncio.run(Crowd().run())
