"""Options and what is in the way: wrong ones get one sentence, right ones do what they say."""
import json, os, re, shutil, socket, subprocess, time

from house import DARASA, HOST, TOP, Browser, House, Talk, name_host, root, run, until

name_host()
JINGLE_ICE = "{urn:xmpp:jingle:transports:ice-udp:1}candidate"


def sentence(status, pattern, *args, data="wrong", command=None, demo=False):
    """The house refuses with that status and one sentence."""
    house = House(*args, data=data, ready=False, demo=demo, command=command)
    assert house.process.wait(20) == status, (house.process.returncode, house.lines)
    for reader in house.readers:
        reader.join(5)
    said = [line for line in house.lines if line.startswith("darasa: ")]
    assert len(said) == 1 and re.search(pattern, said[0]) and said[0].endswith("."), house.lines


def test_wrong():
    """wrong options are refused with one sentence each"""
    sentence(2, "cannot understand --prot", "--prot", "1")
    sentence(2, "--port needs a value", "--port")
    sentence(2, "--set needs another value", "--set", "media.port")
    sentence(2, "listen.http must be a port", "--port", "99999")
    sentence(2, "host must be a name", "--host", "a b")
    sentence(2, "media.public_address must be an IPv4 or IPv6 address", "--host", HOST, "--public-address", "1.2.3")
    sentence(2, "tls must be one of: ", "--host", HOST, "--tls", "maybe")
    sentence(2, "tls = auto needs host", "--tls", "auto")
    sentence(1, "cannot read /nonexistent/a and /nonexistent/b", "--host", HOST, "--tls", "/nonexistent/a,/nonexistent/b")
    sentence(1, r"the directory /nonexistent \(jitsi_web\) is not there", "--jitsi-web", "/nonexistent")
    sentence(2, "/nonexistent: cannot be read", "--config", "/nonexistent")
    sentence(2, "unknown key 'media.prot'", "--set", "media.prot=1")


def test_in_the_way():
    """a port in use, a data directory that cannot be written or reached: a sentence that names it"""
    taken = socket.create_server(("127.0.0.1", 8081))
    sentence(1, r"cannot listen on 8081 \(listen.http\): another program uses it", "--port", "8081")
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("0.0.0.0", 10000))
    sentence(1, r"cannot open UDP port 10000 \(media.port\): another program uses it")
    udp.close()
    taken.close()
    file = os.path.join(root, "file")
    open(file, "w").close()
    sentence(1, "cannot make the data directory .*/file/data: ", data=file + "/data")
    frozen = os.path.join(root, "frozen")
    os.makedirs(frozen)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", frozen], check=True)
    sentence(1, "(cannot make the data directory|cannot write in the data directory) .*/frozen.*: Read-only", data=frozen)
    subprocess.run(["umount", frozen], check=True)
    hidden = os.path.join(root, "hidden")
    os.makedirs(hidden, mode=0o700)
    sentence(1, "the user darasa cannot reach .*/hidden/data", data=hidden + "/data")
    house = House(data="twice")
    sentence(1, "another darasa runs with the data directory", data="twice")
    assert house.stop() == 0


def candidates(house):
    """{(ip, type)} as the focus offers them to a client"""
    teacher = Talk(house, Browser(house).enter(house.people[0]).join()).enter()
    Talk(house, Browser(house).enter(house.people[1]).join()).enter()
    return {(c.get("ip"), c.get("type")) for c in teacher.offer().iter(JINGLE_ICE)}


def test_addresses():
    """several public addresses, v4 and v6, are offered beside the local ones"""
    subprocess.run(["ip", "link", "add", "wan", "type", "veth", "peer", "name", "far"], check=True)
    subprocess.run(["ip", "addr", "add", "192.0.2.7/24", "dev", "wan"], check=True)
    subprocess.run(["ip", "addr", "add", "2001:db8::7/64", "dev", "wan", "nodad"], check=True)
    for name in ("wan", "far"):
        subprocess.run(["ip", "link", "set", name, "up"], check=True)
    house = House("--host", HOST, "--public-address", "198.51.100.9", "--public-address", "203.0.113.9", "--public-address", "2001:db8:1::9", data="addresses")
    found = candidates(house)
    assert found == {("192.0.2.7", "host"), ("2001:db8::7", "host"), ("198.51.100.9", "srflx"), ("203.0.113.9", "srflx"), ("2001:db8:1::9", "srflx")}, found
    assert house.stop() == 0
    house = House(data="alone")
    assert house.url == "http://localhost:8080"
    with socket.socket() as probe:
        assert probe.connect_ex(("192.0.2.7", 8080)) != 0, "without a name it listens on loopback only"
    assert house.stop() == 0


def test_port():
    """--port, --data and --config are obeyed; options win over the file"""
    config = os.path.join(root, "some.conf")
    with open(config, "w") as f:
        f.write('[listen]\nhttp = 8099\nadmin = 127.0.0.1:9099\n')
    house = House("--config", config, data="obeyed")
    assert house.url == "http://localhost:8099" and os.path.exists(os.path.join(house.data, "school/darasa.db"))
    with socket.create_connection(("127.0.0.1", 9099)) as probe:
        probe.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert b" 200 " in probe.recv(4096)
    assert house.stop() == 0
    house = House("--config", config, "--port", "8098", data="obeyed", demo=False)
    assert house.url == "http://localhost:8098"
    assert house.stop() == 0


def test_health():
    """/healthz, /readyz and /metrics are on their own listener only, and readiness follows the house"""
    house = House(data="health")

    def admin(path):
        with socket.create_connection(("127.0.0.1", 9090), 5) as probe:
            probe.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            data = b""
            while more := probe.recv(65536):
                data += more
        return int(data.split()[1]), data.split(b"\r\n\r\n", 1)[1].decode()
    assert admin("/healthz")[0] == 200 and admin("/readyz")[0] == 200 and "# TYPE darasa_edge_connections gauge" in admin("/metrics")[1]
    assert admin("/api/me")[0] == 404 and admin("/")[0] == 404
    for path in ("/healthz", "/readyz", "/metrics"):
        answer = house.raw(f"GET {path} HTTP/1.1\r\nHost: localhost:8080\r\n\r\n".encode())
        assert b"darasa_edge" not in answer and b"signal up" not in answer
    os.kill(house.pids()["web", 0], 19)  # it hangs: stopped
    os.kill(house.pids()["signal", 0], 9)
    assert until("not ready or ready again", lambda: admin("/readyz")[0] in (200, 503)) and admin("/healthz")[0] == 200
    os.kill(house.pids()["web", 0], 18)
    until("ready again", lambda: admin("/readyz")[0] == 200)
    assert house.stop() == 0


def test_jitsi():
    """--jitsi-web serves a stock build below /jitsi/, unchanged"""
    build = os.path.join(root, "jitsi")
    os.makedirs(os.path.join(build, "libs"))
    os.chmod(build, 0o755)
    with open(os.path.join(build, "index.html"), "w") as f:
        f.write('<html><head><!--#include virtual="base.html" --><script><!--#include virtual="/config.js" --></script></head></html>')
    with open(os.path.join(build, "base.html"), "w") as f:
        f.write('<base href="/" />')
    with open(os.path.join(build, "libs/app.js"), "w") as f:
        f.write("stock")
    house = House("--jitsi-web", build, data="jitsi-data")
    browser = Browser(house)
    status, page = browser.call("GET", "/jitsi/some-room")
    assert status == 200 and b"var config" in page and b"/jitsi/" in page, page[:300]
    assert browser.call("GET", "/jitsi/libs/app.js") == (200, b"stock")
    assert house.stop() == 0


def test_no_install():
    """./run --no-install names the packages that are missing"""
    folder = os.path.join(root, "packages")
    with open(folder, "w") as f:
        f.write("# some\nbash\nno-such-package-here  # really\n")
    done = subprocess.run([os.path.join(TOP, "tools/packages"), "--check", folder], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr == "missing packages: no-such-package-here\n", done


run([test_wrong, test_in_the_way, test_addresses, test_port, test_health, test_jitsi, test_no_install])
