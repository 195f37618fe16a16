"""Certificates: a made-up authority, own files, and ACME by Debian's uacme from pebble; renewed and reloaded while a class goes on."""
import json, os, shutil, signal, socket, ssl, subprocess, time

from house import HOST, Browser, House, Talk, name_host, root, run, until

name_host()


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=root)


def authority(name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-days", "30",
            "-keyout", f"{name}.key", "-out", f"{name}.crt")


def certificate(by, name, host):
    with open(os.path.join(root, f"{name}.ext"), "w") as f:
        f.write(f"subjectAltName=DNS:{host}\n")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={host}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
    openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{by}.crt", "-CAkey", f"{by}.key", "-CAcreateserial", "-days", "20",
            "-extfile", f"{name}.ext", "-out", f"{name}.crt")
    return os.path.join(root, f"{name}.crt"), os.path.join(root, f"{name}.key")


def served(ca, name=HOST):
    """The certificate that new connections get, checked for the name against `ca`; its serial number."""
    context = ssl.create_default_context(cafile=ca) if ca else ssl._create_unverified_context()
    with socket.create_connection((HOST, 443), 10) as sock, context.wrap_socket(sock, server_hostname=name) as tls:
        der = tls.getpeercert(True)
    return subprocess.run(["openssl", "x509", "-inform", "der", "-noout", "-serial", "-issuer"], input=der, capture_output=True, check=True).stdout.decode()


def trust(*files):
    """These authorities join the system's store, in our mount namespace."""
    path = os.path.join(root, "store.pem")
    with open(path, "w") as out:
        for name in ("/etc/ssl/certs/ca-certificates.crt", *files):
            if os.path.exists(name):
                out.write(open(name).read() + "\n")
    subprocess.run(["mount", "--bind", path, "/etc/ssl/certs/ca-certificates.crt"], check=True)


class Class:
    """A teacher and a pupil in the house's open class."""
    def __init__(self, house):
        self.talks = [Talk(house, Browser(house).enter(name).join()).enter() for name in house.people[:2]]

    def check(self):
        for i, talk in enumerate(self.talks):
            text = f"heard {time.monotonic()}"
            talk.say(text)
            self.talks[1 - i].hears(text)

    def close(self):
        for talk in self.talks:
            talk.close()


def test_local():
    """a generated authority vouches for the server and stays the same"""
    house = House("--host", HOST)
    ca = os.path.join(house.data, "tls/ca.crt")
    first = served(ca)
    assert os.stat(ca).st_mode & 0o777 == 0o644 and os.stat(os.path.join(house.data, "tls/ca.key")).st_mode & 0o777 == 0o600
    answer = house.raw(f"GET /x?y HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode(), plain=True).decode()
    assert " 308 " in answer.splitlines()[0] and f"location: https://{HOST}/x?y" in answer.lower(), answer
    assert house.stop() == 0
    house = House("--host", HOST)
    assert served(ca) == first
    assert house.stop() == 0


def test_files():
    """own certificates; SIGHUP brings new ones and a new configuration to a running class"""
    authority("own")
    chain, key = certificate("own", "server", HOST)
    ca = os.path.join(root, "own.crt")
    config = os.path.join(root, "darasa.conf")
    with open(config, "w") as f:
        f.write("limits.rooms = 9\n")
    house = House("--host", HOST, "--tls", f"{chain},{key}", "--config", config, data="files")
    os.makedirs(os.path.join(house.data, "tls"), exist_ok=True)
    shutil.copy(ca, os.path.join(house.data, "tls/ca.crt"))  # where our clients look
    group = Class(house)
    first, pids = served(ca), house.pids()
    certificate("own", "server", HOST)
    with open(config, "w") as f:
        f.write("limits.rooms = 10\n")
    house.process.send_signal(signal.SIGHUP)
    house.line("configuration reloaded")
    until("the new certificate", lambda: served(ca) != first)
    group.check()
    # A key that does not fit, and a configuration that is wrong, change nothing.
    second, mark = served(ca), len(house.lines)
    certificate("own", "other", HOST)
    shutil.copy(os.path.join(root, "other.key"), key)
    house.process.send_signal(signal.SIGHUP)
    house.line("configuration reloaded|certificate", mark)
    until("the refusal", lambda: house.metrics()["darasa_edge_tls_reloads_failed_total"] >= 1)
    assert served(ca) == second
    with open(config, "w") as f:
        f.write("limits.romos = 10\n")
    mark = len(house.lines)
    house.process.send_signal(signal.SIGHUP)
    house.line("line 1: unknown key 'limits.romos'", mark)
    house.line("not reloaded", mark)
    group.check()
    assert house.pids() == pids
    group.close()
    assert house.stop() == 0


def pebble(days=10):
    """An ACME server on loopback. Its own certificate is from an authority that our store trusts; it refuses every
    twentieth nonce, as real ones do now and then."""
    authority("acme")
    chain, key = certificate("acme", "pebble", "acme.test")
    with open(os.path.join(root, "hosts"), "a") as f:
        f.write("127.0.0.1 acme.test\n")
    config = os.path.join(root, "pebble.json")
    with open(config, "w") as f:
        json.dump({"pebble": {"listenAddress": "127.0.0.1:14000", "managementListenAddress": "127.0.0.1:15000", "certificate": chain,
                              "privateKey": key, "httpPort": 80, "tlsPort": 443, "certificateValidityPeriod": days * 24 * 3600}}, f)
    log = open(os.path.join(root, "pebble.log"), "w")
    process = subprocess.Popen(["pebble", "-config", config], stdout=log, stderr=log, env={**os.environ, "PEBBLE_VA_NOSLEEP": "1"})

    def root_certificate():
        context = ssl.create_default_context(cafile=os.path.join(root, "acme.crt"))
        try:
            with socket.create_connection(("acme.test", 15000), 5) as sock, context.wrap_socket(sock, server_hostname="acme.test") as tls:
                tls.sendall(b"GET /roots/0 HTTP/1.0\r\nHost: acme.test\r\n\r\n")
                data = b""
                while more := tls.recv(65536):
                    data += more
                return data.split(b"\r\n\r\n", 1)[1]
        except ConnectionError:
            return None
    issuer = os.path.join(root, "issuer.crt")
    data = until("pebble", root_certificate)
    with open(issuer, "wb") as f:
        f.write(data)
    trust(os.path.join(root, "acme.crt"))
    return process, issuer


def children(house):
    return open(f"/proc/{house.process.pid}/task/{house.process.pid}/children").read().split()


def test_acme():
    """ACME: a certificate is fetched over port 80 and renewed; a class that runs notices nothing"""
    process, issuer = pebble()
    try:
        house = House("--host", HOST, "--tls", "auto", "--set", "tls.acme_url=https://acme.test:14000/dir", data="acme")
        house.line("acme=issued", seconds=60)
        until("the certificate", lambda: "Pebble" in served(None))
        first = served(issuer)
        shutil.copy(os.path.join(house.data, "tls/ca.crt"), os.path.join(root, "local.crt"))
        shutil.copy(issuer, os.path.join(house.data, "tls/ca.crt"))  # where our clients look
        group, pids, mark = Class(house), house.pids(), len(house.lines)
        # Ten days are left: less than the thirty before which it renews. The second reload comes while the first renews.
        house.process.send_signal(signal.SIGHUP)
        until("uacme", lambda: len(children(house)) > len(pids))
        house.process.send_signal(signal.SIGHUP)
        house.line("acme=issued", mark, 60)
        until("the renewed certificate", lambda: served(issuer) != first)
        group.check()
        assert house.pids() == pids
        assert not os.listdir(os.path.join(house.data, "acme")), "answers to challenges are left"
        assert len(children(house)) == len(pids), "a uacme is left"
        group.close()
        shutil.copy(os.path.join(root, "local.crt"), os.path.join(house.data, "tls/ca.crt"))
        assert house.stop() == 0
        # What was fetched serves at once after a restart; an authority that is away changes nothing.
        process.terminate()
        process.wait()
        house = House("--host", HOST, "--tls", "auto", "--set", "tls.acme_url=https://acme.test:14000/dir", data="acme")
        until("the kept certificate", lambda: "Pebble" in served(issuer))
        house.line("acme=failed", seconds=30)
        assert "Pebble" in served(issuer)
        assert house.stop() == 0
    except AssertionError:
        print(open(os.path.join(root, "pebble.log")).read()[-3000:])
        raise
    finally:
        process.kill()
        process.wait()


def vouched(issuer, name):
    try:
        return served(issuer, name)
    except ssl.SSLCertVerificationError:
        return None


def test_acme_two_names():
    """ACME with a name of its own for the relay: pages do not wait for it; once it leads here, one certificate has both"""
    process, issuer = pebble(90)
    relay = f"relay.{HOST}"
    try:
        house = House("--host", HOST, "--tls", "auto", "--set", "tls.acme_url=https://acme.test:14000/dir", "--turn",
                      "--set", f"turn.host={relay}", data="acme2")
        house.line(f"acme=failed host={HOST} also={relay}", seconds=60)
        house.line(f"acme=issued host={HOST} also=$", seconds=60)
        first = until("the certificate of the first name", lambda: vouched(issuer, HOST))
        assert vouched(issuer, relay) is None
        shutil.copy(issuer, os.path.join(house.data, "tls/ca.crt"))  # where our clients look
        group, pids = Class(house), house.pids()
        with open(os.path.join(root, "hosts"), "a") as f:
            f.write(f"127.0.0.1 {relay}\n")

        def asked(wanted):
            mark = len(house.lines)
            house.process.send_signal(signal.SIGHUP)
            return house.line(f"acme=(\\S+) host={HOST} also={relay}", mark, 60)[1] == wanted
        until("both", lambda: asked("issued"), 30)  # pebble looks into the new file of names some seconds later
        both = until("the certificate of both", lambda: vouched(issuer, relay))
        assert vouched(issuer, HOST) == both != first
        group.check()
        # It is good for weeks, and for both: nothing to do.
        assert asked("still-good")
        assert served(issuer) == both and house.pids() == pids
        group.check()
        group.close()
        assert house.stop() == 0
    except AssertionError:
        print(open(os.path.join(root, "pebble.log")).read()[-3000:])
        raise
    finally:
        process.kill()
        process.wait()


run([test_local, test_files, test_acme, test_acme_two_names])
