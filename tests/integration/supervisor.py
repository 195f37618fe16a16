#!/usr/bin/env python3
"""The supervisor with fake children behind real walls, and the real recorder: every child killed, recordings,
renders, hangs, reload, stop, and what a person reads when something is in the way."""
import json, os, re, shutil, signal, socket, ssl, subprocess, sys, tempfile, threading, time

DARASA, FAKE, RECORDER = (os.path.abspath(p) for p in sys.argv[1:4])
RECORDING = "11111111-2222-4333-8444-555555555555"
root = tempfile.mkdtemp(prefix="darasa-supervisor-")
os.chmod(root, 0o755)
programs = os.path.join(root, "programs")
os.mkdir(programs)
for name in ("edge", "signal", "web", "bridge", "render"):
    os.symlink(FAKE, os.path.join(programs, "darasa-" + name))
os.symlink(RECORDER, os.path.join(programs, "darasa-recorder"))
os.mkdir(os.path.join(root, "client"))
SLOW = 4 if os.environ.get("ASAN_OPTIONS") or b"__asan" in open(DARASA, "rb").read() else 1


class House:
    def __init__(self, data, *args, ready=True):
        self.lines, self.out = [], []
        self.changed = threading.Condition()
        base = ["serve", "--data", os.path.join(root, data), "--set", f"programs={programs}", "--client",
                os.path.join(root, "client"), "--set", "listen.admin=127.0.0.1:0", "--set", "media.port=0",
                "--set", "media.workers=2", "--set", "recordings.reserve=1"]
        if not any(a == "--port" for a in args):
            base += ["--port", "0"]
        self.process = subprocess.Popen([DARASA, *base, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for stream, into in ((self.process.stderr, self.lines), (self.process.stdout, self.out)):
            threading.Thread(target=self.read, args=(stream, into), daemon=True).start()
        if ready:
            self.wait(lambda: any("Darasa is ready" in line for line in self.out), "the ready line")

    def read(self, stream, into):
        for line in stream:
            with self.changed:
                into.append(line.rstrip("\n"))
                self.changed.notify_all()

    def wait(self, condition, what, seconds=10):
        end = time.monotonic() + seconds * SLOW
        with self.changed:
            while True:
                found = condition()
                if found:
                    return found
                left = end - time.monotonic()
                if left <= 0:
                    print("\n".join(self.lines[-80:]), file=sys.stderr)
                    raise AssertionError(f"waited for {what}")
                self.changed.wait(min(left, 0.2))

    def line(self, pattern, since=0, seconds=10):
        return self.wait(lambda: next((m for m in (re.search(pattern, l) for l in self.lines[since:]) if m), None), pattern,
                         seconds)

    def mark(self):
        return len(self.lines)

    def pids(self):
        found = {}
        for line in self.lines:
            if m := re.search(r"supervisor started program=(\w+) number=(\d+) pid=(\d+)", line):
                found[m[1], int(m[2])] = int(m[3])
        return found

    def kill(self, program, number=0, how=signal.SIGKILL):
        """Kills a child; returns its successor's pid and the seconds until it was started."""
        old, mark, start = self.pids()[program, number], self.mark(), time.monotonic()
        os.kill(old, how)
        new = int(self.line(rf"supervisor started program={program} number={number} pid=(\d+)", mark, 15)[1])
        return new, time.monotonic() - start, mark

    def act(self, program, number=0):
        os.kill(self.pids()[program, number], signal.SIGUSR1)
        time.sleep(0.1)

    def stop(self, number=signal.SIGTERM):
        pids, start = list(self.pids().values()), time.monotonic()
        self.process.send_signal(number)
        status = self.process.wait(20)
        took = time.monotonic() - start
        for pid in pids:
            assert not os.path.exists(f"/proc/{pid}") or "darasa" not in open(f"/proc/{pid}/cmdline").read(), pid
        return status, took


def spool(data):
    path = os.path.join(root, data, "recordings", RECORDING, "spool")
    out = b""
    for name in sorted(os.listdir(path)):
        assert int(name.removesuffix(".feed"), 16) == len(out)
        out += open(os.path.join(path, name), "rb").read()
    return out


def pattern(size):
    return bytes((n * 7 + (n >> 8)) & 255 for n in range(size))


PEERS = {("edge", 0): [("signal", 0), ("web", 0)], ("web", 0): [("edge", 0), ("signal", 0)],
         ("signal", 0): [("edge", 0), ("web", 0), ("bridge", 0), ("bridge", 1)],
         ("bridge", 0): [("signal", 0), ("bridge", 1)], ("bridge", 1): [("signal", 0), ("bridge", 0)]}


def check_links(house, child, since=0):
    """The peers of `child`, and nobody else, heard its pid; it heard theirs."""
    pids = house.pids()
    for peer in PEERS[child]:
        house.line(rf"info {peer[0]} heard peer={child[0]} number={child[1]} from={pids[child]}$", since)
        house.line(rf"info {child[0]} heard peer={peer[0]} number={peer[1]} from={pids[peer]}$", since)
    heard = {re.search(r"info (\w+) heard", l)[1] for l in house.lines if l.endswith(f"from={pids[child]}")}
    assert heard == {p for p, _ in PEERS[child]}, (child, heard)


def test_start_and_kills():
    house = House("kills")
    assert re.fullmatch(r"Darasa is ready: http://localhost:\d+", house.out[0]), house.out
    house.wait(lambda: len(house.out) > 1, "links")
    assert re.fullmatch(r"  First sign-in: http://localhost:\d+/enter#abc", house.out[1]), house.out
    for child in PEERS:
        check_links(house, child)
    for name, count in (("http", 2), ("admin", 1), ("udp", 2), ("client", 1), ("recordings", 1)):
        house.line(rf"descriptors name={name} count={count}")
    settings = json.loads(house.line(r"info bridge settings (.*)")[1])
    assert {"127.0.0.1", "::1"} <= {c["ip"] for c in settings["candidates"]} and settings["workers"] == 2
    assert all(c["port"] == settings["candidates"][0]["port"] > 0 for c in settings["candidates"])
    secret = open(os.path.join(root, "kills/secrets/token")).read()
    assert re.fullmatch("[0-9a-f]{64}", secret)
    assert os.stat(os.path.join(root, "kills/secrets/token")).st_mode & 0o777 == 0o600
    assert not any(secret in l for l in house.lines if "settings" not in l)
    house.line(r'info edge message fds=1 .*"program":"bridge","type":"metrics"')
    before = house.pids()
    for child in PEERS:
        others = {k: v for k, v in house.pids().items() if k != child}
        _, seconds, mark = house.kill(*child)
        assert seconds < 1 * SLOW, (child, seconds)
        check_links(house, child, mark)
        assert {k: v for k, v in house.pids().items() if k != child} == others
    assert not set(before.values()) & set(house.pids().values())
    house.line(r"info signal journal lives=2")
    # It becomes slower when it dies again and again by its own fault, and not when somebody else kills it.
    pauses = []
    for _ in range(5):
        time.sleep(0.2)
        pauses.append(house.kill("web")[1])
    assert max(pauses) < 0.5 * SLOW, pauses
    pauses = [house.kill("web", how=signal.SIGABRT)[1] for _ in range(6)]
    assert pauses[5] > 0.7 and pauses[5] > pauses[0] * 2, pauses
    status, took = house.stop()
    assert status == 0 and took < 5, (status, took)


def test_poisoned_journal():
    """A journal on which signal dies at once, again and again, is thrown away; not one that somebody else's kill interrupts."""
    house = House("poison")
    for lives in (2, 3, 4, 5, 6):
        _, _, mark = house.kill("signal")
        house.line(rf"info signal journal lives={lives}$", mark)
    for lives in (7, 8, 9):
        _, _, mark = house.kill("signal", how=signal.SIGABRT)
        house.line(rf"info signal journal lives={lives}$", mark)
    _, _, mark = house.kill("signal", how=signal.SIGABRT)
    house.line(r"journal is thrown away", mark)
    house.line(r"info signal journal lives=1$", mark)
    house.stop()


def test_recording():
    data = "recording"
    house = House(data)
    house.act("signal")
    house.line(r'info signal message .*"recording":"%s","state":"running","type":"recorder"' % RECORDING)
    assert house.line(r"info bridge feed from=(\d+)")[1] == "0"
    time.sleep(0.6)
    house.act("signal")  # once per life: this one is the stop, so use a fresh signal for it below
    house.line(r'"state":"finished","type":"recorder"', 0, 15)
    size = len(spool(data))
    assert size > 20000 and spool(data) == pattern(size)
    assert os.path.exists(os.path.join(root, data, "recordings", RECORDING, "finished"))
    house.line(r'info web message .*"finished":true,"recording":"%s"' % RECORDING)
    # Renders: one at a time, a crash tried twice, a hang ended.
    mark = house.mark()
    for _ in range(2):
        house.act("web")
    house.line(r'info web message .*"job":"tracks","progress":0.5,.*"state":"running"', mark)
    house.line(r'info web message .*"job":"tracks","progress":1.0,.*"state":"done"', mark)
    house.line(r'info web message .*"job":"audio","progress":0.0,"reason":"crashed",.*"state":"failed"', mark)
    assert sum("started program=render" in l for l in house.lines[mark:]) == 3
    house.stop()
    house = House(data, "--set", "render.limit=1")
    house.line(r'info web message .*"finished":true,"recording":"%s"' % RECORDING)
    for _ in range(4):
        house.act("web")
    mark = house.mark()
    house.line(r'info web message fds=0 \{"list":\[\],"more":false,"type":"recordings"\}')
    assert os.listdir(os.path.join(root, data, "recordings")) == []
    house.stop()


def test_render_hangs():
    data = "hangs"
    os.makedirs(os.path.join(root, data, "recordings", RECORDING, "spool"))
    os.makedirs(os.path.join(root, data, "recordings", RECORDING, "out"))
    house = House(data, "--set", "render.limit=1")
    # Left behind unfinished: finished at the start.
    house.line(r'info web message .*"finished":true,"recording":"%s"' % RECORDING)
    assert os.path.exists(os.path.join(root, data, "recordings", RECORDING, "finished"))
    for _ in range(3):
        house.act("web")
    house.line(r'"job":"mp4","progress":0.0,"reason":"timeout",.*"state":"failed"', 0, 15)
    house.stop()


def test_recorder_and_bridge_killed():
    data = "torn"
    house = House(data)
    house.act("signal")
    house.line(r"info bridge feed from=0")
    time.sleep(0.5)
    _, seconds, mark = house.kill("recorder")
    assert seconds < 1 * SLOW
    house.line(r'info signal message .*"state":"lost"', mark)
    first = int(house.line(r"info bridge feed from=(\d+)", mark)[1])
    assert first > 0
    time.sleep(0.3)
    _, _, mark = house.kill("bridge", 0)
    assert int(house.line(r"info bridge feed from=(\d+)", mark)[1]) > first
    _, _, mark = house.kill("signal")
    house.line(r'info signal message .*"state":"running"', mark)
    time.sleep(0.3)
    status, took = house.stop()
    assert status == 0 and took < 5
    size = len(spool(data))
    assert size > first and spool(data) == pattern(size)
    assert not os.path.exists(os.path.join(root, data, "recordings", RECORDING, "finished"))
    house = House(data)
    assert os.path.exists(os.path.join(root, data, "recordings", RECORDING, "finished"))
    house.stop()


def test_condemned_and_hanging():
    house = House("bad", "--set", "watchdog=2")
    pids, mark = house.pids(), house.mark()
    house.act("edge")
    house.line(r"supervisor condemned by=edge program=web number=0 reason=format", mark)
    house.line(r"supervisor started program=web", mark)
    house.act("edge")
    time.sleep(0.3)
    assert house.pids()["bridge", 0] == pids["bridge", 0]
    mark = house.mark()
    house.act("edge")
    house.line(r'supervisor killed program=edge number=0 .*why="hangs"', mark, 15)
    house.line(r"supervisor started program=edge", mark)
    # Somebody who does not stop when asked: all is over within five seconds all the same.
    for _ in range(5):
        house.act("web")
    status, took = house.stop(signal.SIGINT)
    assert status == 0 and 2.5 < took < 5.5, (status, took)


def test_crash_by_somebody():
    """A worker that dies of somebody's bytes: signal hears whose. Somebody else's kill names nobody."""
    house = House("crash")
    _, _, mark = house.kill("bridge", 1)
    for _ in range(2):
        check_links(house, ("bridge", 1), mark)  # only then it listens
        mark = house.mark()
        house.act("bridge", 1)
        house.line(r'info signal message fds=0 \{"conference":"conference-1","endpoint":"0badcafe","type":"crash","worker":1\}', mark)
        house.line(r"supervisor started program=bridge number=1", mark)
        house.line(r"supervisor crashed by worker=1 conference=conference-1 endpoint=0badcafe", mark)
    assert sum('"type":"crash"' in l for l in house.lines) == 2
    house.stop()


def test_reload():
    path = os.path.join(root, "darasa.conf")

    def write(text):
        with open(path, "w") as f:
            f.write(text)

    write("limits.rooms = 7\n")
    house = House("reload", "--config", path)
    assert json.loads(house.line(r"info signal settings (.*)")[1])["limits.rooms"] == 7
    write("limits.rooms = 8\nlimits.connections = 50\n")
    mark = house.mark()
    house.process.send_signal(signal.SIGHUP)
    house.line(r'info signal message fds=0 .*"limits.rooms":8.*"type":"config"', mark)
    house.line(r'info edge message fds=0 .*"limits.connections":50.*"type":"config"', mark)
    house.wait(lambda: sum('"type":"config"' in l for l in house.lines[mark:]) == len(PEERS), "all of them")
    write("limits.rooms = 9\nlimits.romos = 8\n")
    mark = house.mark()
    house.process.send_signal(signal.SIGHUP)
    house.line(r"darasa.conf: line 2: unknown key 'limits.romos'", mark)
    house.line(r"configuration not reloaded", mark)
    time.sleep(0.2)
    assert not any('"type":"config"' in l for l in house.lines[mark:])
    assert house.stop()[0] == 0


def test_tls():
    house = House("tls", "--host", "localhost", "--set", "listen.http=off")
    assert re.fullmatch(r"Darasa is ready: https://localhost:\d+", house.out[0]), house.out
    house.line(r'info edge message fds=2 \{"type":"tls"\}')
    chain = os.path.join(root, "tls/tls/server.crt")
    context = ssl.create_default_context(cafile=os.path.join(root, "tls/tls/ca.crt"))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain, os.path.join(root, "tls/tls/server.key"))
    a, b = socket.socketpair()
    thread = threading.Thread(target=lambda: server.wrap_socket(a, server_side=True).close())
    thread.start()
    context.wrap_socket(b, server_hostname="localhost").close()
    thread.join()
    mark = house.mark()
    house.process.send_signal(signal.SIGHUP)
    house.line(r'info edge message fds=2 \{"type":"tls"\}', mark)
    assert house.stop()[0] == 0


def test_tcp():
    """A host name brings ICE over TCP at the number of the UDP port, unless it is switched off or taken."""
    house = House("tcp", "--host", "localhost", "--set", "listen.http=off")
    house.line(r"bridge descriptors name=tcp count=2")
    candidates = json.loads(house.line(r"info bridge settings (.*)")[1])["candidates"]
    kinds = {(c["protocol"], c.get("tcptype"), c["port"]) for c in candidates}
    port = candidates[0]["port"]
    assert kinds == {("udp", None, port), ("tcp", "passive", port)}, candidates
    udp, tcp = ([c["priority"] for c in candidates if c["protocol"] == p] for p in ("udp", "tcp"))
    assert min(udp) > max(tcp) and len({c["foundation"] for c in candidates}) == len(candidates)
    socket.create_connection(("127.0.0.1", port)).close()
    assert house.stop()[0] == 0
    house = House("tcp", "--host", "localhost", "--set", "listen.http=off", "--set", "media.tcp=off")
    assert all(c["protocol"] == "udp" for c in json.loads(house.line(r"info bridge settings (.*)")[1])["candidates"])
    assert house.stop()[0] == 0
    with socket.create_server(("", 0)) as taken:
        house = House("tcp", "--host", "localhost", "--set", "listen.http=off", "--set", f"media.port={taken.getsockname()[1]}")
        house.line("warn supervisor no ice over tcp .*another program uses it")
        assert all(c["protocol"] == "udp" for c in json.loads(house.line(r"info bridge settings (.*)")[1])["candidates"])
        assert house.stop()[0] == 0


def test_turn():
    """coturn lives as somebody else, is started again, and knows the secret that signal makes credentials with."""
    port = free_port()
    house = House("turn", "--host", "localhost", "--set", "listen.http=off", "--turn", "--set", f"turn.port={port}")
    pid = int(house.line(r"started program=turnserver pid=(\d+)")[1])
    folder = os.path.join(root, "turn/turn")
    with open(os.path.join(folder, "turnserver.conf")) as file:
        config = dict(line.partition("=")[::2] for line in file.read().splitlines())
    with open(os.path.join(root, "turn/secrets/turn")) as file:
        secret = file.read().strip()
    assert config["static-auth-secret"] == secret and os.stat(folder).st_mode & 0o777 == 0o750
    assert os.stat(os.path.join(root, "turn/secrets/turn")).st_mode & 0o777 == 0o600
    # lines of the log are cut: the first relay is there
    house.line(rf'info signal settings .*"host":"localhost","lifetime":43200,"port":{port},"secret":"{secret}","transport":"udp"')
    with open(f"/proc/{pid}/status") as file:
        status = file.read()
    assert os.getuid() != 0 or (re.search(r"NoNewPrivs:\s1", status) and not re.search(r"Uid:\s0", status)), status
    mark = house.mark()
    os.kill(pid, signal.SIGKILL)
    again = int(house.line(r"started program=turnserver pid=(\d+)", mark)[1])
    assert house.stop()[0] == 0 and not os.path.exists(f"/proc/{again}")
    with socket.create_server(("", 0)) as taken:
        sentence(1, "cannot listen on port .* another program uses it", "--host", "localhost", "--set", "listen.http=off", "--turn",
                 "--set", f"turn.port={taken.getsockname()[1]}", data="turn")


def free_port():
    with socket.create_server(("", 0)) as server:
        return server.getsockname()[1]


def sentence(status, pattern, *args, data="complaints"):
    house = House(data, *args, ready=False)
    assert house.process.wait(10 * SLOW) == status, house.lines
    time.sleep(0.1)
    complaints = [l for l in house.lines if l.startswith("darasa: ")]
    assert len(complaints) == 1 and re.search(pattern, complaints[0]), house.lines


def test_complaints():
    taken = socket.create_server(("127.0.0.1", 0))
    port = str(taken.getsockname()[1])
    sentence(1, rf"cannot listen on {port} \(listen.http\): another program uses it", "--port", port)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("0.0.0.0", 0))
    port = str(udp.getsockname()[1])
    sentence(1, rf"cannot open UDP port {port} \(media.port\): another program uses it", "--set", f"media.port={port}")
    open(os.path.join(root, "file"), "w").close()
    sentence(1, "cannot make the data directory .*/file/x: ", data="file/x")
    empty = os.path.join(root, "empty")
    os.mkdir(empty)
    sentence(1, "the program darasa-edge is missing in .*/empty", "--set", f"programs={empty}")
    sentence(1, "the web client's directory /nonexistent is not there", "--client", "/nonexistent")
    sentence(2, "unknown key 'x.y'", "--set", "x.y=1")
    sentence(2, "media.port must be a number", "--set", "media.port=1x")
    sentence(2, "turn needs host", "--turn")
    sentence(2, "media.tcp is a port", "--set", "media.tcp=127.0.0.1:1")
    sentence(2, "cannot understand --prot", "--prot", "1")
    sentence(1, "cannot read /nonexistent/a and /nonexistent/b", "--tls", "/nonexistent/a,/nonexistent/b")
    house = House("twice")
    sentence(1, "another darasa runs with the data directory", data="twice")
    house.stop()
    broken = os.path.join(root, "broken")
    shutil.copytree(programs, broken, symlinks=True)
    os.unlink(os.path.join(broken, "darasa-web"))
    os.symlink("/bin/false", os.path.join(broken, "darasa-web"))
    sentence(1, "darasa-web cannot start; the lines above say why", "--set", f"programs={broken}")


TESTS = [test_start_and_kills, test_poisoned_journal, test_recording, test_render_hangs, test_recorder_and_bridge_killed, test_condemned_and_hanging,
         test_crash_by_somebody,
         test_reload, test_tls, test_tcp, test_turn, test_complaints]
try:
    for test in TESTS:
        if len(sys.argv) > 4 and test.__name__ not in sys.argv[4:]:
            continue
        begun = time.monotonic()
        test()
        print(f"{test.__name__}: fine in {time.monotonic() - begun:.1f} s", flush=True)
finally:
    shutil.rmtree(root, ignore_errors=True)
