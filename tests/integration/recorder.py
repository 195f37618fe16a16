#!/usr/bin/env python3
"""The recorder with a supervisor and a feed made here: killed and re-attached, a full disk, byte for byte."""
import json, os, random, resource, shutil, signal, socket, struct, subprocess, sys, tempfile, threading, time

RECORDER = sys.argv[1]
root = tempfile.mkdtemp(prefix="darasa-recorder-")


class Recorder:
    def __init__(self, spool, file_limit=None):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        keep = theirs.fileno()

        def prepare():
            os.dup2(keep, 3)
            os.set_inheritable(3, True)
            if file_limit:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, resource.RLIM_INFINITY))

        self.process = subprocess.Popen([RECORDER], preexec_fn=prepare, close_fds=False)
        theirs.close()
        self.control = ours
        self.control.settimeout(10)
        fd = os.open(spool, os.O_RDONLY | os.O_DIRECTORY)
        self.send({"type": "start", "program": "recorder", "number": 0, "log": "error", "fds": ["spool"],
                   "settings": {"recording": "x", "directories": {"spool": spool}}}, [fd])
        os.close(fd)
        self.expect("ready")

    def send(self, message, fds=()):
        socket.send_fds(self.control, [json.dumps(message).encode()], list(fds))

    def expect(self, kind):
        message = json.loads(self.control.recv(65536))
        assert message["type"] == kind, message
        return message

    def feed(self):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.send({"type": "feed", "recording": "x"}, [theirs.fileno()])
        theirs.close()
        ours.settimeout(10)
        held = b""
        while len(held) < 8:
            more = ours.recv(8 - len(held))
            assert more
            held += more
        return ours, struct.unpack("<Q", held)[0]

    def finish(self):
        self.send({"type": "finish"})
        assert self.process.wait(20) == 0, self.process.returncode
        self.control.close()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.control.close()


def make(name):
    path = os.path.join(root, name)
    os.mkdir(path)
    return path


def content(spool):
    out = b""
    for name in sorted(os.listdir(spool)):
        assert int(name.removesuffix(".feed"), 16) == len(out), (name, len(out))
        with open(os.path.join(spool, name), "rb") as f:
            out += f.read()
    return out


def push(sock, data):
    try:
        sock.sendall(data)
        return True
    except OSError:
        return False


def test_killed():
    """kill -9 at random moments while the feed runs; the next one goes on at the byte it asks for."""
    spool, stream = make("killed"), random.randbytes(30_000_000)
    rounds, most = 12, 0
    for turn in range(rounds):
        recorder = Recorder(spool)
        sock, held = recorder.feed()
        assert held == len(content(spool)), (held, len(content(spool)))
        assert held >= most
        until = len(stream) if turn == rounds - 1 else held + (len(stream) - held) // (rounds - turn) * 2
        if turn == rounds - 1:
            assert push(sock, stream[held:])
            sock.close()
            recorder.finish()
            break
        timer = threading.Timer(random.uniform(0, 0.05), recorder.process.kill)
        timer.start()
        at = held
        while at < until and push(sock, stream[at:at + 50_000]):
            at += 50_000
        timer.join()
        recorder.kill()
        sock.close()
        most = held
    assert content(spool) == stream


def test_feed_again():
    """The feed breaks while the recorder lives: it says how much it has, and nothing is lost or doubled."""
    spool, stream = make("again"), random.randbytes(500_000)
    recorder = Recorder(spool)
    for cut in (0, 1, 100_000, 333_333, len(stream)):
        sock, held = recorder.feed()
        assert push(sock, stream[held:cut])
        sock.close()
        time.sleep(0.1)
    sock, held = recorder.feed()
    assert held == len(stream)
    sock.close()
    recorder.finish()
    assert content(spool) == stream


def test_written_soon():
    spool, stream = make("soon"), random.randbytes(3000)
    recorder = Recorder(spool)
    sock, _ = recorder.feed()
    for size in (1, 1000, 3000):
        sock.sendall(stream[len(content(spool)):size])
        time.sleep(0.2)
        assert content(spool) == stream[:size]
    recorder.finish()  # with the feed open: ends by itself within five seconds


def test_rotation():
    """Files of at most 64 MiB."""
    spool, stream = make("rotation"), random.randbytes(1_000_000) * 70
    recorder = Recorder(spool)
    sock, _ = recorder.feed()
    assert push(sock, stream)
    sock.close()
    recorder.finish()
    sizes = [os.path.getsize(os.path.join(spool, name)) for name in sorted(os.listdir(spool))]
    assert sizes[0] == 64 << 20 and len(sizes) == 2, sizes
    assert content(spool) == stream


def test_full_disk():
    """A disk that takes nothing: told once, memory bounded, the feed waits, and all arrives when there is room again."""
    spool = make("full")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", spool], check=True)
    try:
        os.chmod(spool, 0o777)
        stream = random.randbytes(40_000_000)
        recorder = Recorder(spool)
        sock, _ = recorder.feed()
        sender = threading.Thread(target=push, args=(sock, stream))
        sock.settimeout(None)
        sender.start()
        assert recorder.expect("trouble")["reason"] == "disk"
        time.sleep(2.5)
        assert sender.is_alive()
        with open(f"/proc/{recorder.process.pid}/statm") as f:
            assert int(f.read().split()[1]) * 4096 < 400_000_000
        subprocess.run(["mount", "-o", "remount,size=100m", spool], check=True)
        assert recorder.expect("trouble")["reason"] == "ok"
        sender.join(20)
        sock.close()
        recorder.finish()
        assert content(spool) == stream
    finally:
        subprocess.run(["umount", spool], check=True)


def in_own_mounts():
    try:
        os.unshare(os.CLONE_NEWNS)  # Python 3.12
    except AttributeError:
        if os.environ.get("DARASA_OWN_MOUNTS"):
            return True
        if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0:
            return False
        os.environ["DARASA_OWN_MOUNTS"] = "yes"
        shutil.rmtree(root)
        os.execvp("unshare", ["unshare", "-m", sys.executable, *sys.argv])
    except OSError:
        return False
    return True


mounts = in_own_mounts()
try:
    os.chmod(root, 0o777)
    os.umask(0)
    for test in (test_feed_again, test_written_soon, test_killed, test_rotation, test_full_disk):
        if test is test_full_disk and not mounts:
            print("test_full_disk: skipped, needs the right to mount")
            continue
        start = time.monotonic()
        test()
        print(f"{test.__name__}: fine in {time.monotonic() - start:.1f} s")
finally:
    shutil.rmtree(root, ignore_errors=True)
