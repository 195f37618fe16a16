"""A server of the release build and `darasa load` against it, each on a core of its own, for the benches."""
import asyncio
import http.cookiejar
import json
import os
import pathlib
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.request

top = pathlib.Path(__file__).resolve().parent.parent
build = top / "build/release"
raw = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
SERVER_CORE, LOAD_CORE = "0", "1"
HTTP, HTTPS, RELAY, ADMIN, MEDIA = 18080, 18443, 18081, 19090, 20000
FIRST = ["chrt", "-f", "5"] if os.geteuid() == 0 and shutil.which("chrt") else []


def prepare(*targets):
    """Builds the server, and what of the bench itself is to be built."""
    (top / "build").mkdir(exist_ok=True)
    log = top / "build/bench-build.log"
    with log.open("w") as out:
        for command in (["./run", "--build-only", "--no-install"], ["ninja", "-C", "build/release", "programs", *targets]):
            if subprocess.run(command, cwd=top, stdout=out, stderr=out).returncode:
                sys.exit(f"the build failed; all of it is in {log}")


class Relay:
    """TLS for a generator that speaks none: connections to HTTP go on to HTTPS, both on loopback."""
    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.context = ssl.create_default_context()
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE  # the server made its certificate itself
        self.context.set_alpn_protocols(["http/1.1"])
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self.accept, "127.0.0.1", RELAY, backlog=512), self.loop).result(10)

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.server.close()

    async def accept(self, reader, writer):
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", HTTPS, ssl=self.context)
        await asyncio.gather(self.pass_on(reader, far_writer), self.pass_on(far_reader, writer))

    async def pass_on(self, reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass  # an end went away without a word, as generators do
        writer.close()


class Teacher:
    """The demonstration's teacher, by the web API (docs/api.md)."""
    def __init__(self, link):
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
        self.csrf = ""
        self.csrf = self.call("POST", "/api/enter", {"code": link.rpartition("#")[2]})["csrf"]

    def call(self, method, path, body=None):
        headers = {"Content-Type": "application/json", "Host": f"localhost:{HTTP}", "X-CSRF-Token": self.csrf}
        request = urllib.request.Request(f"http://127.0.0.1:{HTTP}{path}", json.dumps(body or {}).encode(), headers, method=method)
        with self.opener.open(request, timeout=10) as answer:
            return json.load(answer)

    def open_class(self, title):
        """A class that is open, with all rights; what the teacher enters it with."""
        made = self.call("POST", "/api/classes", {"title": title, "policy": {"record": True}})
        self.call("POST", f"/api/classes/{made['id']}/open")
        return self.call("POST", f"/api/classes/{made['id']}/join")


class Server:
    def __init__(self, batching=True, demo=False, **more):
        self.data = tempfile.mkdtemp(prefix="darasa-bench-", dir="/var/tmp")
        os.chmod(self.data, 0o755)
        settings = {"listen.http": f"127.0.0.1:{HTTP}", "listen.admin": f"127.0.0.1:{ADMIN}", "media.port": MEDIA,
                    "media.workers": 1, "rooms.open": "yes", "media.batching": "yes" if batching else "no",
                    "log.level": "error", "limits.participants": 1000,
                    **{key.replace("_", "."): value for key, value in more.items()}}
        sets = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        # Signalling shares the generator's core: the server's is the bridge's alone.
        self.process = subprocess.Popen(["taskset", "-c", LOAD_CORE, build / "src/programs/darasa", "serve", "--data", self.data,
                                         *(["--demo"] if demo else []), *sets], stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            if line.startswith("Darasa is ready"):
                break
        else:
            sys.exit("the server did not start")
        self.teacher = None
        for line in self.process.stdout if demo else []:
            if "(teacher):" in line:
                self.teacher = Teacher(line.split()[-1])
                break
        bridge = int(self.children()["bridge"])
        os.sched_setaffinity(bridge, {int(SERVER_CORE)})
        if FIRST:
            os.sched_setscheduler(bridge, os.SCHED_FIFO, os.sched_param(5))

    def children(self):
        found = {}
        for line in subprocess.run(["ps", "-o", "pid=,comm=", "--ppid", str(self.process.pid)], stdout=subprocess.PIPE,
                                   text=True, check=True).stdout.splitlines():
            pid, name = line.split()
            found[name.removeprefix("darasa-")] = pid
        return found

    def pids(self):
        found = self.children()
        return [part for name in ("bridge", "edge", "signal") for part in ("--process", f"{name}={found[name]}")]

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        shutil.rmtree(self.data, ignore_errors=True)


def processor(pid):
    """Seconds of processor time that a process has taken so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def load(server, name, *options, tls=False):
    """One run; what the generator prints."""
    command = [*FIRST, "taskset", "-c", LOAD_CORE, build / "src/programs/darasa", "load", "--server", f"127.0.0.1:{RELAY if tls else HTTP}",
               "--joining", "32", *server.pids(), *options]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    result = json.loads(run.stdout or "{}")
    (raw / f"{name}.json").write_text(run.stdout)
    bridge = result.get("processes", {}).get("bridge", {})
    print(f"{name}: valid {result.get('valid')} ({result.get('why') or 'all well'}), "
          f"{result.get('delivered_per_second', 0):.0f}/s, bridge {bridge.get('cpu', 0):.2f}, "
          f"{bridge.get('cpu_us_per_packet', 0):.2f} us, lost {result.get('lost')}, generator {result.get('generator_cpu', 0):.2f}",
          file=sys.stderr)
    return result


def row(what, value, unit, must, ok, why=None):
    print(json.dumps({"what": what, "value": value, "unit": unit, "must": must, "ok": bool(ok), "why": why},
                     ensure_ascii=False), flush=True)
