"""turn_peers.py HOST PORT SECRET PEER...: what a relay says to each peer: 0 when it would relay there, else the STUN error.
A first line says what it says to a client with a wrong secret."""
import base64
import hashlib
import hmac
import ipaddress
import os
import socket
import struct
import sys
import time

COOKIE = 0x2112A442
ALLOCATE, PERMISSION = 0x003, 0x008
USERNAME, INTEGRITY, ERROR, REALM, NONCE, PEER, TRANSPORT = 0x06, 0x08, 0x09, 0x14, 0x15, 0x12, 0x19


class Client:
    def __init__(self, server, secret):
        self.socket = socket.socket(socket.AF_INET6 if ":" in server[0] else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(2)
        self.socket.connect(server)
        self.username = f"{int(time.time()) + 600}:test"
        self.password = base64.b64encode(hmac.new(secret.encode(), self.username.encode(), "sha1").digest()).decode()
        self.realm = self.nonce = None

    def ask(self, method, attributes):
        """The error code, 0 for success. `attributes` is a list, or makes one from the transaction's number."""
        self.id = os.urandom(12)
        attributes = list(attributes(self.id) if callable(attributes) else attributes)
        if self.nonce:
            attributes += [(USERNAME, self.username.encode()), (REALM, self.realm), (NONCE, self.nonce)]
        body = b"".join(struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4) for kind, value in attributes)
        head = lambda extra: struct.pack("!HHI", method, len(body) + extra, COOKIE) + self.id
        message = head(0) + body
        if self.nonce:
            key = hashlib.md5(f"{self.username}:{self.realm.decode()}:{self.password}".encode()).digest()
            message = head(24) + body + struct.pack("!HH", INTEGRITY, 20) + hmac.new(key, head(24) + body, "sha1").digest()
        for _ in range(4):
            self.socket.send(message)
            try:
                answer = self.socket.recv(2048)
                break
            except TimeoutError:
                continue
        else:
            raise SystemExit("the relay does not answer")
        found, at = {}, 20
        while at + 4 <= len(answer):
            kind, size = struct.unpack_from("!HH", answer, at)
            found[kind] = answer[at + 4:at + 4 + size]
            at += 4 + size + -size % 4
        self.realm, self.nonce = found.get(REALM, self.realm), found.get(NONCE, self.nonce)
        return found[ERROR][2] * 100 + found[ERROR][3] if ERROR in found else 0

    def allocate(self):
        self.ask(ALLOCATE, [(TRANSPORT, b"\x11\0\0\0")])  # refused, with a nonce
        return self.ask(ALLOCATE, [(TRANSPORT, b"\x11\0\0\0")])

    def permit(self, peer):
        address = ipaddress.ip_address(peer)
        head = struct.pack("!BBH", 0, 2 if address.version == 6 else 1, 9 ^ COOKIE >> 16)
        mask = struct.pack("!I", COOKIE)
        return self.ask(PERMISSION, lambda number: [(PEER, head + bytes(a ^ b for a, b in zip(address.packed, mask + number)))])


server = (sys.argv[1], int(sys.argv[2]))
print("wrong", Client(server, "wrong").allocate())
for peer in sys.argv[4:]:
    client = Client(server, sys.argv[3])
    status = client.allocate()
    if status:
        raise SystemExit(f"no allocation: {status}")
    print(peer, client.permit(peer), flush=True)
