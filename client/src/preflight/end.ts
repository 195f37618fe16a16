/* One end of a measurement: a conference session like that of a class, in a room where nobody else can be. */
import { Join, socketUrl } from '../api';
import { FIGURES } from '../media/profile';
import { Peer } from '../media/peer';
import { Bytes, counted } from '../media/traffic';
import { BridgeChannel } from '../signalling/bridge-channel';
import { iceServers } from '../signalling/external-services';
import { buildAccept, parseInitiate, Session } from '../signalling/jingle';
import { Room } from '../signalling/room';
import { Socket, XmppStream } from '../signalling/stream';
import { Element } from '../signalling/xml';

const openSocket = (url: string, protocols: string[]): Socket => new WebSocket(url, protocols) as unknown as Socket;
/** Relays are asked for beside everything else; a server that does not answer has none. */
const RELAYS_MS = 2_000;

export class End {
  /** Signalling goes through. */
  online = false;
  /** Why there is no session, by the server's word or ours. */
  refused = '';
  session: Session | null = null;
  peer: Peer | null = null;
  connected = false;
  private rate = 60_000;
  private room: Room | null = null;
  private channel: BridgeChannel | null = null;
  private relays: Promise<RTCIceServer[]> = Promise.resolve([]);
  private closed = false;
  private readonly stream: XmppStream;

  /** `picture`: what it sends; without one it only receives. */
  constructor(
    private readonly join: Join,
    private readonly onBytes: (bytes: Bytes) => void,
    private readonly picture: MediaStreamTrack | null,
  ) {
    const stream = new XmppStream({
      domain: join.domain,
      openSocket: counted(openSocket, onBytes),
      url: () => Promise.resolve(socketUrl(join)),
      onState: (state, reason) => {
        if (state === 'online' && !this.online) this.enter();
        if (state === 'refused' || state === 'lost') this.refuse(reason || state);
      },
      onStanza: (stanza) => this.room?.handle(stanza),
    });
    this.stream = stream;
    stream.connect();
  }

  /** Sends no more than this, in bits a second. All of it in one layer: what comes back is what went out, or the way is narrower. */
  setRate(bps: number): void {
    if (bps === this.rate && this.peer?.has('camera')) return;
    this.rate = bps;
    this.peer?.setFigures({ ...FIGURES.rich, cameraRates: [0, bps, 0] });
  }

  close(): void {
    this.closed = true;
    this.channel?.close();
    this.peer?.close();
    this.stream.close();
  }

  private refuse(reason: string): void {
    if (!this.closed) this.refused = reason;
  }

  private enter(): void {
    const { room, muc, focus } = this.join;
    this.online = true;
    this.relays = Promise.race([
      iceServers(this.stream, this.join.domain),
      new Promise<RTCIceServer[]>((done) => setTimeout(done, RELAYS_MS, [])),
    ]);
    const none = (): void => undefined;
    this.room = new Room(this.stream, { room, muc, focus, metadata: '', name: '', codecs: ['vp8'] }, {
      onParticipant: none, onGone: none, onSelf: none, onChat: none, onRecording: none, onMutedBy: none, onCodecs: none, onMetadata: none,
      onJingle: (_, jingle) => this.jingle(jingle),
      onEnded: (reason) => this.refuse(reason),
    });
    this.room.join().catch((error: unknown) => this.refuse(String(error)));
  }

  private jingle(jingle: Element): 'ok' | 'unknown-session' | 'bad-request' {
    const action = jingle.attrs['action'];
    if (action === 'session-terminate') this.refuse('terminated');
    if (action !== 'session-initiate') return this.session ? 'ok' : 'unknown-session';
    this.session = parseInitiate(jingle);
    this.start(this.session).catch((error: unknown) => this.refuse(String(error)));
    return 'ok';
  }

  private async start(session: Session): Promise<void> {
    const { room } = this;
    const relays = await this.relays;
    if (!room || this.closed) return;
    const peer = new Peer({
      session,
      endpoint: room.id,
      iceServers: relays,
      events: { onSlots: () => undefined, onConnection: (state) => this.connection(state) },
    });
    this.peer = peer;
    if (this.picture) {
      this.setRate(this.rate);
      await peer.setTrack('camera', this.picture);
    }
    const url = session.webSockets[0];
    if (url) this.openChannel(url, peer);
    const answer = await peer.start(new Set(this.picture ? ['camera' as const] : []));
    await room.jingle(buildAccept(session, this.stream.jid, answer));
    if (this.picture) room.publish({ sources: { [peer.sourceName('camera')]: { muted: false } } });
  }

  private openChannel(url: string, peer: Peer): void {
    const none = (): void => undefined;
    const open = counted(openSocket, this.onBytes);
    this.channel = new BridgeChannel(url, {
      onOpen: none, onDown: none, onForwarded: none, onDominantSpeaker: none, onMessage: none, onEndpointStats: none, onConnectivity: none,
      onAudioMap: none,
      onVideoMap: (map, spares) => peer.setMap('video', map, spares),
      onSenderConstraint: (source, maxHeight) => peer.setSenderLimit(source, maxHeight),
      onDownlink: none,
    }, (to) => open(to, []));
    if (this.picture) this.channel.setVideoType(peer.sourceName('camera'), 'camera');
    const maxHeight = this.picture ? 0 : 720;
    this.channel.setConstraints({ lastN: -1, selectedSources: [], onStageSources: [], defaultConstraints: { maxHeight }, constraints: {} });
  }

  private connection(state: RTCPeerConnectionState): void {
    this.connected = state === 'connected';
  }
}
