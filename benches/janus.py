"""Janus' video room (the Debian package) as the server for `darasa load --lines`: started with a configuration of its own on
loopback, signalled over its HTTP interface, ended again."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import urllib.request

HTTP, MEDIA = 18088, "21000-21999"
VIDEO, AUDIO = 96, 111
CONTROL = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"


def available():
    return shutil.which("janus") is not None and os.geteuid() == 0


# Its sockets send by the device that their address is of: the participants' addresses are put on one device with it.
NETWORK = "198.18"
COMMANDS = ["ip link set lo up", "ip link add media0 type veth peer name media1", "ip link set media1 up",
            "ip link set media0 up", "ip addr add 198.51.100.1/24 dev media0",
            f"ip route add local {NETWORK}.0.0/16 dev media0"]


def own_network(script, *arguments):
    """Runs a part of the bench in a network namespace that ends with it."""
    command = "; ".join([*COMMANDS, 'exec "$0" "$@"'])
    return subprocess.run(["unshare", "--net", "sh", "-ec", command, script, *arguments]).returncode


class Janus:
    def __init__(self, core, priority, loops=0):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="darasa-janus-", dir="/var/tmp"))
        loop = f"event_loops = {loops}\n" if loops else ""
        (self.folder / "janus.jcfg").write_text(
            f'general: {{\n debug_level = 3\n admin_secret = "none"\n{loop}}}\nmedia: {{\n rtp_port_range = "{MEDIA}"\n}}\n'
            'nat: {\n}\nplugins: {\n disable = "'
            + ",".join(f"libjanus_{n}.so" for n in ("audiobridge", "duktape", "echotest", "lua", "nosip", "recordplay", "sip",
                                                    "streaming", "textroom", "videocall", "voicemail"))
            + '"\n}\ntransports: {\n disable = "'
            + ",".join(f"libjanus_{n}.so" for n in ("mqtt", "nanomsg", "pfunix", "rabbitmq", "websockets"))
            + '"\n}\nevents: {\n broadcast = false\n}\n')
        (self.folder / "janus.transport.http.jcfg").write_text(
            f'general: {{\n json = "compact"\n http = true\n port = {HTTP}\n interface = "lo"\n}}\nadmin: {{\n admin_http = false\n}}\n')
        (self.folder / "janus.plugin.videoroom.jcfg").write_text("general: {\n}\n")
        self.process = subprocess.Popen(["taskset", "-c", core, "janus", "-F", self.folder, "-o"], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        end = time.monotonic() + 15
        while True:
            try:
                self.session = self.ask("", {"janus": "create"})["data"]["id"]
                break
            except OSError:
                if time.monotonic() > end or self.process.poll() is not None:
                    self.stop()
                    raise RuntimeError("Janus did not start") from None
                time.sleep(0.1)
        if priority:
            for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
                os.sched_setscheduler(int(task.name), os.SCHED_FIFO, os.sched_param(5))
        self.room = None

    def pids(self):
        return ["--process", f"bridge={self.process.pid}"]

    def ask(self, path, body):
        body = {**body, "transaction": "t"}
        request = urllib.request.Request(f"http://127.0.0.1:{HTTP}/janus{path}", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            result = json.load(answer)
        if result.get("janus") == "error":
            raise RuntimeError(result["error"]["reason"])
        return result

    def event(self, handle):
        """The next event of a handle that is not an acknowledgement or news about others."""
        while True:
            with urllib.request.urlopen(f"http://127.0.0.1:{HTTP}/janus/{self.session}?maxev=1", timeout=40) as answer:
                news = json.load(answer)
            for one in news if isinstance(news, list) else [news]:
                if one.get("janus") == "event" and one["sender"] == handle:
                    data = one["plugindata"]["data"]
                    if "error" in data:
                        raise RuntimeError(data["error"])
                    return one

    def attach(self):
        return self.ask(f"/{self.session}", {"janus": "attach", "plugin": "janus.plugin.videoroom"})["data"]["id"]

    def message(self, handle, body, sdp=None, kind=None):
        request = {"janus": "message", "body": body}
        if sdp:
            request["jsep"] = {"type": kind, "sdp": sdp}
        return self.ask(f"/{self.session}/{handle}", request)

    def open_room(self, publishers):
        handle = self.attach()
        answer = self.message(handle, {"request": "create", "publishers": publishers, "audiocodec": "opus", "videocodec": "vp8",
                                       "bitrate": 0, "fir_freq": 0, "notify_joining": False})
        self.room = answer["plugindata"]["data"]["room"]

    def publish(self, guest):
        """Returns the feed and how the server is reached."""
        handle = self.attach()
        self.message(handle, {"request": "join", "ptype": "publisher", "room": self.room})
        feed = self.event(handle)["plugindata"]["data"]["id"]
        media = (["audio"] if guest["audio"] else []) + (["video"] if guest["video"] else [])
        self.message(handle, {"request": "publish"}, describe(guest, media, "sendonly"), "offer")
        return feed, reached(guest, self.event(handle)["jsep"]["sdp"])

    def wait_for(self, feeds):
        handle, end = self.attach(), time.monotonic() + 15
        while time.monotonic() < end:
            answer = self.message(handle, {"request": "listparticipants", "room": self.room})
            if sum(p.get("publisher", False) for p in answer["plugindata"]["data"]["participants"]) >= len(feeds):
                return
            time.sleep(0.1)
        raise RuntimeError("Janus' publishers were not connected")

    def subscribe(self, guest, feeds):
        handle = self.attach()
        self.message(handle, {"request": "join", "ptype": "subscriber", "room": self.room,
                              "streams": [{"feed": feed} for feed in feeds]})
        offer = self.event(handle)["jsep"]["sdp"]
        media = [line[2:].split()[0] for line in offer.splitlines() if line.startswith("m=")]
        self.message(handle, {"request": "start"}, describe(guest, media, "recvonly"), "answer")
        self.event(handle)
        return reached(guest, offer)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)


def describe(guest, media, direction):
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE " + " ".join(map(str, range(len(media)))),
             "a=msid-semantic: WMS *"]
    for mid, kind in enumerate(media):
        number = AUDIO if kind == "audio" else VIDEO
        lines += [f"m={kind} 9 UDP/TLS/RTP/SAVPF {number}", "c=IN IP4 127.0.0.1", f"a=mid:{mid}", f"a={direction}",
                  "a=rtcp-mux", f"a=ice-ufrag:{guest['ufrag']}", f"a=ice-pwd:{guest['pwd']}",
                  f"a=fingerprint:sha-256 {guest['fingerprint']}", "a=setup:active",
                  f"a=rtpmap:{number} " + ("opus/48000/2" if kind == "audio" else "VP8/90000"), f"a=extmap:5 {CONTROL}"]
        if kind == "audio":
            lines.append("a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level")
        else:
            lines += [f"a=rtcp-fb:{number} {feedback}" for feedback in ("nack", "nack pli", "ccm fir", "transport-cc")]
        if direction == "sendonly":
            ssrcs = [guest["audio"]] if kind == "audio" else guest["video"]
            if len(ssrcs) > 1:
                lines.append("a=ssrc-group:SIM " + " ".join(map(str, ssrcs)))
            lines += [f"a=ssrc:{ssrc} cname:load" for ssrc in ssrcs]
        ip, port = guest["address"].split(":")
        lines += [f"a=candidate:1 1 udp 2130706431 {ip} {port} typ host", "a=end-of-candidates"]
    return "\r\n".join(lines) + "\r\n"


def reached(guest, sdp):
    found = {"guest": guest["guest"]}
    for line in sdp.splitlines():
        key, _, value = line.removeprefix("a=").partition(":")
        if key == "ice-ufrag":
            found["ufrag"] = value
        elif key == "ice-pwd":
            found["pwd"] = value
        elif key == "fingerprint":
            found["hash"], found["fingerprint"] = value.split()
        elif key == "candidate" and "port" not in found:
            part = value.split()
            if part[2].lower() == "udp" and ":" not in part[4]:
                found["ip"], found["port"] = part[4], int(part[5])
    return found


def connect_all(janus, load, publishers, participants):
    """Plays signalling for a running `darasa load --lines`: the first guests publish, the others see all of them."""
    guests = [json.loads(load.stdout.readline()) for _ in range(participants)]
    janus.open_room(publishers)
    feeds = []
    for guest in guests[:publishers]:
        feed, way = janus.publish(guest)
        feeds.append(feed)
        load.stdin.write(json.dumps(way) + "\n")
        load.stdin.flush()
    janus.wait_for(feeds)
    for guest in guests[publishers:]:
        load.stdin.write(json.dumps(janus.subscribe(guest, feeds)) + "\n")
        load.stdin.flush()
