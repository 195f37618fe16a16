import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { Socket, StanzaError, StreamState, XmppStream } from '../src/signalling/stream';
import { Element, xml } from '../src/signalling/xml';
import { FakeTime } from './fake-time';

let time = new FakeTime();
afterEach(() => time.restore());

class FakeSocket implements Socket {
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  sent: string[] = [];
  closed = false;
  constructor(readonly url: string) {}
  send(data: string): void {
    this.sent.push(data);
  }
  close(): void {
    this.closed = true;
  }
  open(): void {
    this.onopen?.(undefined as never);
  }
  say(...frames: string[]): void {
    for (const data of frames) this.onmessage?.({ data });
  }
  break(): void {
    this.onclose?.({ code: 1006, reason: '' });
  }
}

const OPEN = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' from='d' id='1' version='1.0'/>";
const MECHANISMS =
  "<stream:features xmlns:stream='http://etherx.jabber.org/streams'><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>ANONYMOUS</mechanism></mechanisms></stream:features>";
const BIND =
  "<stream:features xmlns:stream='http://etherx.jabber.org/streams'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><sm xmlns='urn:xmpp:sm:3'/></stream:features>";
const SUCCESS = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>";
const BOUND =
  "<iq xmlns='jabber:client' type='result' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>1a2b3c4d-x@d/r</jid></bind></iq>";
const ENABLED = "<enabled xmlns='urn:xmpp:sm:3' id='sm1' resume='true'/>";
const HANDSHAKE = [OPEN, MECHANISMS, SUCCESS, OPEN, BIND, BOUND, ENABLED];

interface Bench {
  stream: XmppStream;
  sockets: FakeSocket[];
  states: StreamState[];
  stanzas: Element[];
  settle(): Promise<void>;
  now(): FakeSocket;
}

function bench(crowd = 0, onOnline?: (stream: XmppStream) => void): Bench {
  time = new FakeTime();
  time.install();
  const sockets: FakeSocket[] = [];
  const states: StreamState[] = [];
  const stanzas: Element[] = [];
  const stream: XmppStream = new XmppStream({
    url: () => Promise.resolve('ws://d/xmpp-websocket?room=r&token=t'),
    domain: 'd',
    onState: (state) => {
      states.push(state);
      if (state === 'online') onOnline?.(stream);
    },
    onStanza: (stanza) => stanzas.push(stanza),
    crowd: () => crowd,
    openSocket: (url) => {
      const socket = new FakeSocket(url);
      sockets.push(socket);
      return socket;
    },
  });
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 10; i++) await Promise.resolve();
  };
  return { stream, sockets, states, stanzas, settle, now: () => sockets[sockets.length - 1] as FakeSocket };
}

test('the handshake goes out in one go', async () => {
  const b = bench();
  b.stream.connect();
  await b.settle();
  b.now().open();
  assert.deepEqual(b.now().sent.map((s) => /^<(\w+)/.exec(s)?.[1]), ['open', 'auth', 'open', 'iq', 'enable']);
  b.now().say(...HANDSHAKE);
  assert.deepEqual(b.states, ['online']);
  assert.equal(b.stream.jid, '1a2b3c4d-x@d/r');
  b.stream.close();
});

test('stanzas wait for the stream; answers find their question', async () => {
  const b = bench();
  b.stream.connect();
  await b.settle();
  b.now().open();
  const asked = b.stream.request(xml('iq', { type: 'get', to: 'd' }, xml('query', { xmlns: 'q' })));
  assert.equal(b.now().sent.length, 5);
  b.now().say(...HANDSHAKE);
  const id = /id="([^"]+)"/.exec(b.now().sent[5] ?? '')?.[1] ?? '';
  b.now().say(`<iq xmlns='jabber:client' type='result' id='${id}'><query xmlns='q' ok='1'/></iq>`);
  assert.equal((await asked).attrs['type'], 'result');
  const refused = b.stream.request(xml('iq', { type: 'set' }));
  const second = /id="([^"]+)"/.exec(b.now().sent[6] ?? '')?.[1] ?? '';
  b.now().say(
    `<iq xmlns='jabber:client' type='error' id='${second}'><error type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>no</text></error></iq>`,
  );
  await assert.rejects(refused, (error: unknown) => error instanceof StanzaError && error.condition === 'forbidden');
  b.stream.close();
});

test('what was said before goes out before what being online brings about', async () => {
  const b = bench(0, (stream) => stream.send(xml('presence', { id: 'here' })));
  b.stream.connect();
  await b.settle();
  b.now().open();
  b.stream.send(xml('message', { id: 'early' }));
  b.now().say(...HANDSHAKE);
  assert.deepEqual(b.now().sent.slice(5).map((s) => /id="(\w+)"/.exec(s)?.[1]).filter(Boolean), ['early', 'here']);
  b.now().break();
  b.stream.send(xml('message', { id: 'between' }));
  time.tick(3_000);
  await b.settle();
  b.now().open();
  b.now().say(OPEN, MECHANISMS, SUCCESS, OPEN, BIND, "<resumed xmlns='urn:xmpp:sm:3' h='2' previd='sm1'/>");
  assert.deepEqual(b.now().sent.slice(4).map((s) => /id="(\w+)"/.exec(s)?.[1]).filter(Boolean), ['between', 'here']);
  b.stream.close();
});

test('a lost socket is resumed and nothing is lost', async () => {
  const b = bench();
  b.stream.connect();
  await b.settle();
  b.now().open();
  b.now().say(...HANDSHAKE);
  b.stream.send(xml('message', { id: 'm1' }));
  b.now().say("<presence xmlns='jabber:client' from='x'/>");
  b.now().break();
  assert.deepEqual(b.states, ['online', 'interrupted']);
  b.stream.send(xml('message', { id: 'm2' }));
  time.tick(3_000);
  await b.settle();
  assert.equal(b.sockets.length, 2);
  assert.match(b.now().url, /previd=sm1$/);
  b.now().open();
  assert.match(b.now().sent[3] ?? '', /<resume [^>]*h="1"[^>]*previd="sm1"/);
  b.now().say(OPEN, MECHANISMS, SUCCESS, OPEN, BIND, "<resumed xmlns='urn:xmpp:sm:3' h='0' previd='sm1'/>");
  assert.deepEqual(b.states, ['online', 'interrupted', 'online']);
  const after = b.now().sent.slice(4);
  assert.match(after[0] ?? '', /m1/);
  assert.match(after[1] ?? '', /m2/);
  b.stream.close();
});

test('the first try comes at once, in a crowd spread out', async () => {
  for (const [crowd, early, late] of [[0, 100, 205], [500, 100, 1_250]] as const) {
    const tries: number[] = [];
    for (let i = 0; i < 40; i++) {
      const b = bench(crowd);
      b.stream.connect();
      await b.settle();
      b.now().open();
      b.now().say(...HANDSHAKE);
      b.now().break();
      for (let ms = 0; b.sockets.length === 1; ms += 5) {
        time.tick(5);
        await b.settle();
        tries[i] = ms + 5;
      }
      b.stream.close();
      time.restore();
    }
    assert.equal(Math.min(...tries) >= early, true, `${tries}`);
    assert.equal(Math.max(...tries) <= late, true, `${tries}`);
    if (crowd) assert.equal(Math.max(...tries) - Math.min(...tries) > 500, true, `${tries}`);
  }
});

test('on another network the socket is given up at once, also a half open one', async () => {
  const b = bench();
  b.stream.connect();
  await b.settle();
  b.now().open();
  b.now().say(...HANDSHAKE);
  b.stream.renew();
  await b.settle();
  assert.equal(b.sockets.length, 2);
  b.stream.renew();
  await b.settle();
  assert.equal(b.sockets.length, 3);
  assert.deepEqual(b.sockets.map((s) => s.closed), [true, true, false]);
  b.now().open();
  b.now().say(OPEN, MECHANISMS, SUCCESS, OPEN, BIND, "<resumed xmlns='urn:xmpp:sm:3' h='0' previd='sm1'/>");
  assert.deepEqual(b.states, ['online', 'interrupted', 'online']);
  b.stream.close();
});

test('a hint of another network asks once, and does not wait long', async () => {
  const b = bench();
  b.stream.connect();
  await b.settle();
  b.now().open();
  b.now().say(...HANDSHAKE);
  time.tick(5_000);
  for (let i = 0; i < 4; i++) b.stream.hurry();
  assert.equal(b.now().sent.filter((s) => s.includes('urn:xmpp:ping')).length, 1);
  time.tick(2_000);
  assert.equal(b.states.at(-1), 'interrupted');
  b.stream.close();
});

test('a session the server forgot is lost, not tried for ever', async () => {
  const b = bench();
  b.stream.connect();
  await b.settle();
  b.now().open();
  b.now().say(...HANDSHAKE);
  b.now().break();
  time.tick(3_000);
  await b.settle();
  b.now().open();
  b.now().say(OPEN, MECHANISMS, SUCCESS, OPEN, BIND, "<failed xmlns='urn:xmpp:sm:3'/>");
  assert.equal(b.states.at(-1), 'lost');
});

test('a refused token ends it with the reason', async () => {
  const b = bench();
  b.stream.connect();
  await b.settle();
  b.now().open();
  b.now().say(OPEN, MECHANISMS, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-allowed/><text>too old</text></failure>");
  assert.deepEqual(b.states, ['refused']);
});

test('silence is questioned, and then the socket is given up', async () => {
  const b = bench();
  b.stream.connect();
  await b.settle();
  b.now().open();
  b.now().say(...HANDSHAKE);
  time.tick(13_000);
  assert.equal(b.now().sent.some((s) => s.includes('urn:xmpp:ping')), true);
  time.tick(14_000);
  assert.equal(b.states.at(-1), 'interrupted');
  b.stream.close();
});

test('a server that breaks off a handshake in one go is met step by step', async () => {
  const b = bench();
  b.stream.connect();
  await b.settle();
  b.now().open();
  b.now().say(OPEN);
  b.now().break();
  time.tick(3_000);
  await b.settle();
  b.now().open();
  assert.equal(b.now().sent.length, 1);
  b.now().say(OPEN, MECHANISMS);
  assert.match(b.now().sent[1] ?? '', /<auth/);
  b.now().say(SUCCESS, OPEN, BIND, BOUND);
  assert.match(b.now().sent.at(-1) ?? '', /<enable/);
  b.now().say(ENABLED);
  assert.equal(b.states.at(-1), 'online');
  b.stream.close();
});

test('pings and acknowledgement requests of the server are answered', async () => {
  const b = bench();
  b.stream.connect();
  await b.settle();
  b.now().open();
  b.now().say(...HANDSHAKE);
  b.now().say("<iq xmlns='jabber:client' type='get' id='p1' from='d'><ping xmlns='urn:xmpp:ping'/></iq>", "<r xmlns='urn:xmpp:sm:3'/>");
  assert.match(b.now().sent.at(-2) ?? '', /type="result" id="p1" to="d"/);
  assert.match(b.now().sent.at(-1) ?? '', /<a [^>]*h="1"/);
  b.stream.close();
});
