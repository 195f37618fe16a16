"""A participant by aiortc: one tone, one coloured moving picture."""
import asyncio, fractions, re, time

import numpy
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
from av import AudioFrame, VideoFrame

from bridge_under_test import ENDPOINT, credentials


class Tone(AudioStreamTrack):
    def __init__(self, hertz):
        super().__init__()
        self.hertz, self.at, self.began = hertz, 0, time.time()

    async def recv(self):
        n = 960
        await asyncio.sleep(max(0, self.began + self.at / 48000 - time.time()))
        wave = (numpy.sin(2 * numpy.pi * self.hertz * (self.at + numpy.arange(n)) / 48000) * 8000).astype(numpy.int16)
        frame = AudioFrame.from_ndarray(wave.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, self.at, fractions.Fraction(1, 48000)
        self.at += n
        return frame


class Picture(VideoStreamTrack):
    def __init__(self, colour):
        super().__init__()
        self.colour, self.n = colour, 0

    async def recv(self):
        pts, base = await self.next_timestamp()
        image = numpy.zeros((180, 320, 3), numpy.uint8)
        image[:] = self.colour
        image[:, (self.n * 4) % 300:(self.n * 4) % 300 + 20] = 255
        self.n += 1
        frame = VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts, frame.time_base = pts, base
        return frame


class Participant:
    def __init__(self, bridge, name, hertz, colour):
        self.bridge, self.name, self.hertz, self.colour = bridge, name, hertz, colour
        self.ice = credentials(bridge.number)
        self.pc, self.heard, self.seen, self.tasks = RTCPeerConnection(), [], [], []

        @self.pc.on("track")
        def on_track(track):
            self.tasks.append(asyncio.ensure_future(self.consume(track)))

    async def consume(self, track):
        while True:
            frame = await track.recv()
            if track.kind == "audio":
                self.heard.append(frame.to_ndarray().reshape(-1, 2)[:, 0].astype(float))
            else:
                self.seen.append(frame.to_ndarray(format="rgb24"))

    def offer(self, fingerprint):
        transport = (f"c=IN IP4 127.0.0.1\r\na=ice-ufrag:{self.ice['ufrag']}\r\na=ice-pwd:{self.ice['pwd']}\r\n"
                     f"a=fingerprint:sha-256 {fingerprint}\r\na=setup:actpass\r\na=rtcp-mux\r\n"
                     f"a=candidate:1 1 udp 2130706431 127.0.0.1 {self.bridge.port} typ host\r\na=sendrecv\r\n")
        return ("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"
                "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=rtpmap:111 opus/48000/2\r\n"
                "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n" + transport +
                "m=video 9 UDP/TLS/RTP/SAVPF 100 96\r\na=mid:1\r\na=rtpmap:100 VP8/90000\r\na=rtcp-fb:100 nack\r\n"
                "a=rtcp-fb:100 nack pli\r\na=rtpmap:96 rtx/90000\r\na=fmtp:96 apt=100\r\n" + transport)

    def state(self, muted=False):
        senders = {s.track.kind: s for s in self.pc.getSenders() if s.track}
        return {"conference": "c1", "endpoint": self.name, "ice": self.ice, "fingerprint": self.fingerprint,
                "rewriting": False, "staff": False, "person": None,
                "sources": [{"name": self.name + "-a0", "kind": "audio", "muted": muted, "blocked": False,
                             "ssrcs": [senders["audio"]._ssrc], "rtx": []},
                            {"name": self.name + "-v0", "kind": "video", "videoType": "camera", "muted": False,
                             "blocked": False, "ssrcs": [senders["video"]._ssrc],
                             "rtx": [senders["video"]._rtx_ssrc]}],
                "constraints": {"lastN": -1, "defaultMaxHeight": 720}}

    async def join(self, hello, late=0.0):
        self.fingerprint = None
        self.pc.addTrack(Tone(self.hertz))
        self.pc.addTrack(Picture(self.colour))
        self.bridge.say(ENDPOINT, self.state())
        await self.pc.setRemoteDescription(RTCSessionDescription(self.offer(hello["fingerprint"]["value"]), "offer"))
        await self.pc.setLocalDescription(await self.pc.createAnswer())
        sdp = self.pc.localDescription.sdp
        await asyncio.sleep(late)
        self.ice["remote_ufrag"] = re.search(r"a=ice-ufrag:(\S+)", sdp).group(1)
        self.ice["remote_pwd"] = re.search(r"a=ice-pwd:(\S+)", sdp).group(1)
        value = re.search(r"a=fingerprint:sha-256 (\S+)", sdp).group(1)
        self.fingerprint = {"hash": "sha-256", "value": value}
        self.bridge.say(ENDPOINT, self.state())

    async def leave(self):
        for task in self.tasks:
            task.cancel()
        await self.pc.close()

    def pitch(self):
        """The loudest frequency of the last second."""
        wave = numpy.concatenate(self.heard[-50:])
        return numpy.argmax(numpy.abs(numpy.fft.rfft(wave * numpy.hanning(len(wave))))) * 48000 / len(wave)

    def hue(self):
        return numpy.median(self.seen[-1].reshape(-1, 3), axis=0)


async def until(what, test, timeout=15):
    end = time.time() + timeout
    while not test():
        assert time.time() < end, what
        await asyncio.sleep(0.05)
