"""Hostile input at every door of a running house: each is refused, counted, and disturbs nobody."""
import base64, hashlib, hmac, json, os, random, socket, struct, time, zlib

from house import HOST, Browser, House, Socket, Talk, name_host, run, until

name_host()
house = House("--host", HOST)
rng = random.Random(7)
PLANTED = {"name": "Planted Penelope Quux", "chat": "planted-chat-7f3a", "password": "planted password 91x", "account": "planted.account"}


class Watch:
    """Says which counters moved since it was made."""
    def __init__(self):
        self.before = house.metrics()

    def moved(self, name, by=1):
        until(f"{name} counts {by} more", lambda: house.metrics().get(name, 0) - self.before.get(name, 0) >= by)


teacher, pupil = Browser(house).enter(house.people[0]), Browser(house).enter(house.people[1])
class_talks = [Talk(house, teacher.join()).enter(), Talk(house, pupil.join()).enter()]
OFFER = class_talks[1].offer()


def check_class():
    """The class that runs all the time hears each other, and nobody has been sent out of it."""
    for i, talk in enumerate(class_talks):
        text = f"still here {rng.random()}"
        talk.say(text)
        class_talks[1 - i].hears(text)


def malformed_http():
    watch = Watch()
    for data in (b"\x16\x03\x01garbage\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /\r\n\r\n" * 3, b"GET / HTTP/1.1\r\nNo colon here\r\n\r\n",
                 b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"\0" * 4000, b"POST /api/signin HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: "
                 b"chunked\r\n\r\nZZ\r\n" % HOST.encode(), b"POST /api/me HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef"):
        answer = house.raw(data)
        assert not answer or answer.split()[1][:1] in (b"4", b"5"), (data, answer[:60])
    assert b" 431 " in house.raw(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 40000 + b"\r\n\r\n")
    assert b" 414 " in house.raw(b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b" 413 " in house.raw(b"POST /api/signin HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n")
    watch.moved("darasa_edge_refused_total:request", 8)
    for path in (b"/%2e%2e/%2e%2e/etc/passwd.txt", b"/..%2f..%2fetc/shadow.x", b"/a%00.js"):
        assert house.raw(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n").split()[1] in (b"400", b"404")
    watch.moved("darasa_edge_refused_total:path")


def bad_tls():
    watch = Watch()
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05hello", rng.randbytes(3000)):
        with socket.create_connection((HOST, 443), 10) as sock:
            sock.sendall(data)
            try:
                while sock.recv(4096):
                    pass
            except ConnectionError:
                pass
    watch.moved("darasa_edge_refused_total:tls", 3)


def bad_frames():
    watch = Watch()
    packed = zlib.compressobj(wbits=-15)
    bomb = packed.compress(b"<a>" + b" " * 30_000_000) + packed.flush(zlib.Z_SYNC_FLUSH)
    frames = [(Socket.frame(1, b"x", length=2 << 20), 1009), (Socket.frame(1, b"<a/>", mask=False), 1002), (Socket.frame(1, b"\xff\xfe<"), 1007),
              (Socket.frame(3, b""), 1002), (Socket.frame(1, b"x", reserved=0x20), 1002), (Socket.frame(9, b"p" * 126), 1002),
              (Socket.frame(2, b"bytes"), 1003), (Socket.frame(0, b"goes on"), 1002), (Socket.frame(1, bomb[:-4], reserved=0x40), 1009)]
    for data, code in frames:
        packs = data[0] & 0x40
        sock = Talk(house, teacher.join(), bind=False, extra="Sec-WebSocket-Extensions: permessage-deflate\r\n" if packs else "")
        sock.put(data)
        got = sock.ends()
        assert got == code, (data[:20], got, code)
        sock.close()
    watch.moved("darasa_edge_refused_total:websocket", len(frames))


def bad_stanzas():
    watch = Watch()
    wrong = ["<open", "not xml at all", "<a></b>", "<!DOCTYPE x [<!ENTITY a 'b'>]><a>&a;</a>", "<a:b/>", "<a b='1' b='2'/>", "<a>" * 2000 + "</a>" * 2000,
             "<iq xmlns='jabber:client'/><iq xmlns='jabber:client'/>", "<?xml version='1.0'?><?do it?><a/>"]
    for text in wrong:
        talk = Talk(house, teacher.join())
        talk.send(text)
        talk.get(lambda e: e.tag == "{http://etherx.jabber.org/streams}error")
        talk.ends()
        talk.close()
    watch.moved("darasa_signal_xmpp_malformed_total", len(wrong) - 1)
    watch.moved("darasa_signal_xmpp_stream_errors_total", len(wrong))
    # Well formed, and nonsense: an error for the sender, and it may go on.
    talk = Talk(house, teacher.join())
    for kind, to, content in (("set", None, "<nonsense xmlns='urn:x'/>"), ("get", "nobody@nowhere", "<ping xmlns='urn:xmpp:ping'/>"),
                              ("set", talk.place["focus"], "<conference xmlns='http://jitsi.org/protocol/focus' room='&lt;'/>")):
        answer = talk.ask(kind, to, content)
        assert answer.get("type") == "error", (content, answer)
    talk.ping()
    talk.close()


def bad_json():
    watch = Watch()
    for raw in (b"{", b"[1,2", b"\xff\xfe", b'{"account":"' + b"[" * 3000, b"[" * 60000, b'{"account":1e9999}'):
        status, _ = Browser(house).call("POST", "/api/signin", raw=raw)
        assert status in (400, 422), (raw[:20], status)
    assert Browser(house).call("POST", "/api/signin", raw=b" " * 100_000)[0] == 413
    assert Browser(house).call("POST", "/api/signin", {"account": "a", "password": "b"}, headers={"Content-Type": "text/plain"})[0] == 415
    watch.moved("darasa_web_answers_total:4xx", 8)
    connection = house.raw(b"POST /conference-request/v1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n{{{{{")
    assert connection.split()[1] in (b"400", b"401", b"403"), connection[:80]
    # The bridge channel
    url = next(OFFER.iter("{http://jitsi.org/protocol/colibri}web-socket")).get("url")
    for text in ("{", "[]", "null", '{"colibriClass":7}', "[" * 5000):
        channel = Socket(house, "/" + url.split("/", 3)[3], protocol=None)
        assert channel.status == 101
        channel.send('{"colibriClass":"ReceiverVideoConstraints","lastN":{},"constraints":7}')
        channel.send(text)
        assert channel.ends() == 1007, text
    watch.moved("darasa_signal_channel_malformed_total", 5)
    for path in ("/colibri-ws/0/none/abcdef01?pwd=x", "/" + url.split("/", 3)[3][:-3] + "xxx"):
        assert Socket(house, path, protocol=None).status in (403, 404)
    watch.moved("darasa_signal_channels_refused_total", 2)


def encode(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode() if not isinstance(value, bytes) else value).rstrip(b"=")


def sign(claims, secret, header=None):
    text = encode(header or {"alg": "HS256", "typ": "JWT"}) + b"." + encode(claims)
    return (text + b"." + encode(hmac.digest(secret, text, hashlib.sha256))).decode()


def bad_tokens():
    watch = Watch()
    place = pupil.join()
    head, body, mark = place["token"].split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    secret = bytes.fromhex(open(os.path.join(house.data, "secrets/token")).read())
    now = int(time.time())
    wrong = ["", "x", "a.b.c", f"{head}.{body}.", f"{head}.{body}.{mark[:-4]}AAAA", sign(claims, b"guess"), f"{encode({'alg': 'none'}).decode()}.{body}.",
             sign({**claims, "exp": now - 3600}, secret), sign({**claims, "nbf": now + 3600}, secret), sign({**claims, "iss": "x"}, secret),
             sign({**claims, "aud": "x"}, secret), sign({k: v for k, v in claims.items() if k != "exp"}, secret), "A" * 30000]
    refused = 0
    for token in wrong:
        talk = Talk(house, place, token=token, bind=False) if len(token) < 16000 else None
        if not talk or talk.status != 101:
            refused += 1
            continue
        try:
            talk.open()
            talk.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>")
            answer = talk.get(lambda e: e.tag.endswith("}success") or e.tag.endswith("}failure"))
            assert answer.tag.endswith("}failure"), token
        except EOFError:
            pass
        refused += 1
        talk.close()
    assert refused == len(wrong)
    watch.moved("darasa_signal_xmpp_auth_failed_total", 10)
    # A good signature for another room opens only that one.
    talk = Talk(house, place, token=sign({**claims, "room": "elsewhere"}, secret))
    answer = talk.ask("set", place["focus"], f"<conference xmlns='http://jitsi.org/protocol/focus' room='{talk.muc}' machine-uid='x'/>")
    assert answer.get("type") == "error"
    watch.moved("darasa_signal_joins_refused_total")
    talk.close()


def unknown_room():
    watch = Watch()
    talk = Talk(house, pupil.join())
    for room in ("no-such-room", "x" * 500, "%00", "..%2f"):
        jid = f"{room}@{talk.place['muc']}"
        answer = talk.ask("set", talk.place["focus"], f"<conference xmlns='http://jitsi.org/protocol/focus' room='{jid}' machine-uid='x'/>")
        assert answer.get("type") == "error"
    talk.send(f"<presence xmlns='jabber:client' to='no-such-room@{talk.place['muc']}/{talk.jid[:8]}'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
    assert talk.get(lambda e: e.tag.endswith("}presence")).get("type") == "error"
    watch.moved("darasa_signal_joins_refused_total", 5)
    talk.close()
    for path in ("/api/guest/no-such-room", "/api/classes/nothing", "/api/recordings/nothing", "/recordings/nothing/video.mp4", "/api/nowhere"):
        status, _ = pupil.call("GET", path)
        assert status == 404, (path, status)


def wrong_rights():
    watch = Watch()
    talk, master = class_talks[1], class_talks[0]
    other = f"{talk.muc}/{master.nick}"
    attempts = [(talk.muc, "<query xmlns='http://jabber.org/protocol/muc#admin'>"
                 f"<item nick='{master.nick}' role='none'/></query>"), (talk.muc, "<query xmlns='http://jabber.org/protocol/muc#admin'>"
                 f"<item jid='{talk.jid}' affiliation='owner'/></query>"), (talk.muc, "<query xmlns='http://jabber.org/protocol/muc#owner'>"
                 "<x xmlns='jabber:x:data' type='submit'/></query>")]
    focus = f"{talk.muc}/focus"
    attempts += [(focus, f"<mute xmlns='http://jitsi.org/jitmeet/audio' jid='{other}'>true</mute>"),
                 (focus, "<jibri xmlns='http://jitsi.org/protocol/jibri' action='start' recording_mode='file'/>")]
    for to, content in attempts:
        answer = talk.ask("set", to, content)
        assert answer.get("type") == "error", (content, answer.get("type"))
    watch.moved("darasa_signal_rights_refused_total", len(attempts))
    people = teacher.good("GET", "/api/people")["people"]
    kind = talk.place["class"]
    for method, path, body in (("POST", "/api/classes", {"title": "Mine"}), ("PATCH", f"/api/classes/{kind}", {"title": "Mine"}),
                               ("POST", f"/api/classes/{kind}/close", {}), ("DELETE", f"/api/classes/{kind}", None), ("GET", "/api/people", None),
                               ("POST", "/api/people", {"name": "A", "account": "aa", "role": "admin"}), ("GET", "/api/audit", None),
                               ("PATCH", f"/api/people/{people[0]['id']}", {"role": "admin"}), ("PATCH", "/api/organisation", {"name": "Mine"}),
                               ("GET", f"/api/classes/{kind}/attendance", None), ("PUT", f"/api/classes/{kind}/people", {"remove": [people[0]["id"]]})):
        status, value = pupil.call(method, path, body)
        assert status in (403, 404), (method, path, status, value)
    watch.moved("darasa_web_answers_total:4xx", 11)


def stun(ufrag, password, username=None):
    """A binding request (RFC 8489) as a client sends it in a connectivity check."""
    name = f"{username or ufrag}:abcd".encode()
    attributes = struct.pack(">HH", 6, len(name)) + name + b"\0" * (-len(name) % 4)
    attributes += struct.pack(">HHI", 0x24, 4, 1) + struct.pack(">HHQ", 0x8029, 8, 1)
    head = struct.pack(">HHI", 1, len(attributes) + 24, 0x2112A442) + rng.randbytes(12)
    attributes += struct.pack(">HH", 8, 20) + hmac.digest(password, head + attributes, "sha1")
    message = struct.pack(">HH", 1, len(attributes) + 8) + head[4:] + attributes
    return message + struct.pack(">HHI", 0x8028, 4, zlib.crc32(message) ^ 0x5354554e)


def bad_datagrams():
    watch = Watch()
    transport = next(OFFER.iter("{urn:xmpp:jingle:transports:ice-udp:1}transport"))
    ufrag, password = transport.get("ufrag"), transport.get("pwd").encode()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect(("127.0.0.1", 10000))
    for _ in range(300):
        sock.send(rng.randbytes(rng.randrange(1, 1400)))
    for first in (0, 1, 20, 22, 63, 64, 128, 144, 200, 255):
        sock.send(bytes([first]) + rng.randbytes(60))
    watch.moved("darasa_bridge_datagrams_received_total", 250)
    for _ in range(20):
        sock.send(stun(ufrag, b"wrong password of the check"))
    watch.moved("darasa_bridge_refused_total:auth", 20)
    for _ in range(20):
        sock.send(stun(ufrag, password, ufrag[0] + "nobodyxx"))
    watch.moved("darasa_bridge_refused_total:unknown ufrag", 20)
    hello = b"\x16\xfe\xff\0\0\0\0\0\0\0\0" + struct.pack(">H", 100) + b"\x01" + rng.randbytes(99)
    for _ in range(20):
        sock.send(hello)  # from an address that passed no check
        sock.send(b"\x80\x6f" + rng.randbytes(100))
    watch.moved("darasa_bridge_refused_total:unknown path", 20)
    sock.settimeout(0.2)
    try:
        raise AssertionError(f"answered: {sock.recv(2000)[:40]}")
    except TimeoutError:
        pass
    # With the right password it is answered: the refusals above were for the password alone.
    sock.settimeout(5)
    sock.send(stun(ufrag, password))
    answer = sock.recv(2000)
    assert answer[:2] == b"\x01\x01", answer


ATTACKS = [malformed_http, bad_tls, bad_frames, bad_stanzas, bad_json, bad_tokens, unknown_room, wrong_rights, bad_datagrams]
BEFORE = house.pids()


def attack(function):
    def test():
        function()
        check_class()
        assert house.pids() == BEFORE, "a child was restarted"
    test.__name__ = function.__name__
    test.__doc__ = function.__name__.replace("_", " ") + ": refused, counted, the class goes on"
    return test


def test_growth():
    """children have not grown after all of it three times more"""
    for function in ATTACKS:
        function()
    before = house.memory()
    for _ in range(2):
        for function in ATTACKS:
            function()
    after = house.memory()
    print({f"{k[0]}{k[1]}": f"{before[k]}->{after[k]} kB" for k in before})
    assert house.pids() == BEFORE
    for child, size in after.items():
        assert size < before[child] + 1024, (child, before, after)


def test_secrets():
    """names, chats, tokens and passwords are in no log"""
    planted = list(PLANTED.values())
    admin = Browser(house).enter("Administrator")
    admin.good("POST", "/api/people", {"name": PLANTED["name"], "account": PLANTED["account"], "role": "pupil", "password": PLANTED["password"]})
    kind = class_talks[0].place["class"]
    person = next(p for p in admin.good("GET", "/api/people")["people"] if p["name"] == PLANTED["name"])
    admin.good("PUT", f"/api/classes/{kind}/people", {"add": [person["id"]]})
    child = Browser(house)
    assert child.call("POST", "/api/signin", {"account": PLANTED["account"], "password": "planted wrong password 4"})[0] == 401
    child.good("POST", "/api/signin", {"account": PLANTED["account"], "password": PLANTED["password"]})
    place = child.join()
    talk = Talk(house, place).enter(PLANTED["name"])
    talk.say(PLANTED["chat"])
    class_talks[0].hears(PLANTED["chat"])
    offer = talk.offer()
    planted += ["planted wrong", place["token"], place["token"].split(".")[1][:40], child.cookies["darasa_session"], child.csrf, *house.codes.values(),
                open(os.path.join(house.data, "secrets/token")).read().strip(), next(offer.iter("{urn:xmpp:jingle:transports:ice-udp:1}transport")).get("pwd"),
                talk.muc, *house.people]
    os.kill(house.pids()["signal", 0], 9)  # what dies says last words
    house.wait(lambda: sum("signal took over" in line for line in house.lines) == 2, "its successor")
    talk.close()
    assert house.stop() == 0
    log = "\n".join(house.lines)
    assert len(house.lines) > 15
    for secret in planted:
        assert secret and secret not in log, f"{secret[:60]} is in the log"


run([*(attack(a) for a in ATTACKS), test_growth, test_secrets])
