"""What the tests of recordings share: making media and spools, running the real darasa-render, looking at results."""
import array
import json
import math
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import time

COLORS = {"red": (1, 0, 0), "lime": (0, 1, 0), "blue": (0, 0, 1), "white": (1, 1, 1), "yellow": (1, 1, 0), "black": (0, 0, 0)}


def ffmpeg(*args):
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *args], check=True)


def probe(path, *what):
    out = subprocess.run(["ffprobe", "-v", "error", *what, "-of", "json", str(path)], check=True, capture_output=True)
    return json.loads(out.stdout)


ENCODERS = {
    "vp8": ["libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "400k"],
    "vp9": ["libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-row-mt", "0", "-lag-in-frames", "0", "-b:v", "400k"],
    "h264": ["libx264", "-preset", "veryfast", "-tune", "zerolatency", "-profile:v", "baseline", "-sc_threshold", "0", "-b:v", "400k"],
    "av1": ["libaom-av1", "-usage", "realtime", "-cpu-used", "8", "-lag-in-frames", "0", "-b:v", "400k"],
}


def make_picture(path, color, seconds, size="320x180", rate=25, gop=50, flash=(), codec="vp8"):
    """One colour with a moving bar; white from each time of `flash` on for 0.2 s."""
    white = "".join(f",drawbox=c=white:t=fill:enable='between(t,{t},{t + 0.199})'" for t in flash)
    ffmpeg("-f", "lavfi", "-i", f"color={color}:s={size}:r={rate}:d={seconds}", "-vf",
           f"drawbox=x='mod(t*60,iw)':y=0:w=8:h=ih/8:c=black:t=fill{white},format=yuv420p", "-c:v", *ENCODERS[codec],
           "-g", str(gop), "-keyint_min", str(gop), "-threads", "1", str(path))


def make_tone(path, hertz, seconds, beeps=None):
    """Opus of one tone; with `beeps` only for 0.2 s from each of these times on."""
    when = "1" if beeps is None else "+".join(f"between(t,{t},{t + 0.2})" for t in beeps) or "0"
    ffmpeg("-f", "lavfi", "-i", f"aevalsrc='0.4*sin(2*PI*{hertz}*t)*({when})':s=48000:d={seconds}", "-c:a", "libopus",
           "-b:a", "32k", "-frame_duration", "20", "-application", "voip", str(path))


def give_to_sandbox(path):
    """Started by root, the program becomes this user, as in an installation."""
    if os.geteuid() == 0 and "darasa" in [user.pw_name for user in pwd.getpwall()]:
        shutil.chown(path, "darasa", "darasa")


def make_spool(gen, scene, root):
    root = pathlib.Path(root)
    spool = root / "spool"
    spool.mkdir(parents=True)
    (root / "out").mkdir()
    give_to_sandbox(root / "out")
    (root / "scene.json").write_text(json.dumps(scene))
    subprocess.run([gen, str(root / "scene.json"), str(spool)], check=True)
    return spool


class Render:
    """darasa-render on its supervisor's line."""

    def __init__(self, binary, root, job, options=None):
        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        root = pathlib.Path(root)
        start = {"type": "start", "program": "render", "number": 0, "log": "info", "fds": ["spool", "out"],
                 "settings": {"recording": "r1", "job": job, "options": options or {},
                              "directories": {"spool": str(root / "spool"), "out": str(root / "out")}}}

        def on_descriptor_3():
            os.dup2(theirs.fileno(), 3)

        # The sandbox forbids what the leak sanitizer needs, a look at the own threads.
        environment = os.environ | {"ASAN_OPTIONS": "detect_leaks=0"}
        self.process = subprocess.Popen([binary], env=environment, preexec_fn=on_descriptor_3, close_fds=False, stderr=subprocess.PIPE)
        theirs.close()
        fds = [os.open(root / name, os.O_RDONLY | os.O_DIRECTORY) for name in ("spool", "out")]
        socket.send_fds(self.ours, [json.dumps(start).encode()], fds)
        for fd in fds:
            os.close(fd)
        self.messages = []
        self.log = ""

    def read(self, timeout):
        self.ours.settimeout(timeout)
        try:
            data = self.ours.recv(65536)
        except TimeoutError:
            return None
        message = json.loads(data) if data else None
        if message:
            self.messages.append(message)
        return message

    def wait(self, timeout=300):
        end = time.monotonic() + timeout
        while self.process.poll() is None and time.monotonic() < end:
            if self.read(0.2) is None:
                time.sleep(0.02)
        self.process.wait(1)
        self.log = self.process.stderr.read().decode()
        self.process.stderr.close()
        self.ours.close()
        return self.process.returncode

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stderr.close()
        self.ours.close()


def run(binary, root, job, options=None, timeout=300):
    render = Render(binary, root, job, options)
    status = render.wait(timeout)
    assert status == 0, f"{job} ended with {status}: {render.log}"
    return render


def manifest(root):
    return json.loads((pathlib.Path(root) / "out" / "manifest.json").read_text())


def decode_audio(path):
    """Samples at 48 kHz, mono, from the file's time 0 on."""
    out = subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-i", str(path), "-f", "s16le", "-ac", "1", "-ar", "48000", "-"],
                         check=True, capture_output=True)
    samples = array.array("h")
    samples.frombytes(out.stdout[: len(out.stdout) // 2 * 2])
    return samples


def level(samples, hertz, start, seconds):
    """Amplitude (0..1) of one frequency, by Goertzel."""
    part = samples[int(start * 48000): int((start + seconds) * 48000)]
    if not part:
        return 0.0
    k = 2 * math.cos(2 * math.pi * hertz / 48000)
    a = b = 0.0
    for x in part:
        a, b = x + k * a - b, a
    return math.sqrt(max(0.0, a * a + b * b - k * a * b)) * 2 / len(part) / 32768


def first_sound(samples, start, threshold=2000):
    """The first time at or after `start` that is loud."""
    for i in range(max(0, int(start * 48000)), len(samples)):
        if abs(samples[i]) > threshold:
            return i / 48000
    return None


def decode_pictures(path, width=32, height=18):
    """(time, bytes of RGB) of every frame, scaled down."""
    times = [float(f["pts_time"]) for f in probe(path, "-select_streams", "v", "-show_entries", "frame=pts_time")["frames"]]
    out = subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-i", str(path), "-vf", f"scale={width}:{height}",
                          "-f", "rawvideo", "-pix_fmt", "rgb24", "-fps_mode", "passthrough", "-"],
                         check=True, capture_output=True).stdout
    size = width * height * 3
    assert len(out) // size == len(times), (len(out) // size, len(times))
    return [(t, out[i * size: (i + 1) * size]) for i, t in enumerate(times)]


def pixel(picture, x, y, width=32):
    at = (y * width + x) * 3
    return tuple(picture[at: at + 3])


def is_color(rgb, name):
    return all((value > 150) if want else (value < 110) for value, want in zip(rgb, COLORS[name]))
