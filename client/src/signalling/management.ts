/* Stream management (XEP-0198): counts stanzas both ways and keeps what was not acknowledged, so that
 * a stream resumed on a new socket loses nothing. Pure: the stream feeds it and sends what it returns. */

const UNACKED_MAX = 500;
/** lib-jitsi-meet's measure: often enough for a short queue, seldom enough to cost nothing. */
const REQUEST_EVERY = 5;
const COUNT = 2 ** 32;

export class StreamManagement {
  private queue: string[] = [];
  private acknowledged = 0;
  private received = 0;
  private sinceRequest = 0;
  private id: string | null = null;
  private counting = false;

  /** `<enable/>` was sent: what goes out from now on counts. */
  enableSent(): void {
    this.counting = true;
    this.queue = [];
    this.acknowledged = 0;
    this.sinceRequest = 0;
  }

  /** `<enabled/>` came: what comes in from now on counts. No id: the stream cannot be resumed. */
  enabled(id: string | null): void {
    this.id = id;
    this.received = 0;
  }

  /** The server will not manage this stream. */
  refused(): void {
    this.counting = false;
    this.id = null;
    this.queue = [];
  }

  get resumeId(): string | null {
    return this.id;
  }

  get handled(): number {
    return this.received;
  }

  get unacknowledged(): number {
    return this.queue.length;
  }

  /** Notes a stanza going out. `request`: ask for an acknowledgement now. `overflow`: nobody has
   * acknowledged for so long that the session is beyond saving. */
  sent(stanza: string): { request: boolean; overflow: boolean } {
    if (!this.counting) return { request: false, overflow: false };
    this.queue.push(stanza);
    this.sinceRequest++;
    const request = this.sinceRequest >= REQUEST_EVERY;
    if (request) this.sinceRequest = 0;
    return { request, overflow: this.queue.length > UNACKED_MAX };
  }

  stanzaReceived(): void {
    if (this.id !== null) this.received = (this.received + 1) % COUNT;
  }

  /** Returns false when the server claims what cannot be. */
  acknowledge(h: number): boolean {
    const step = (h - this.acknowledged + COUNT) % COUNT;
    if (!Number.isInteger(h) || step > this.queue.length) return false;
    this.queue.splice(0, step);
    this.acknowledged = h;
    return true;
  }

  /** After `<resumed h/>`: what has to be sent again, or null when `h` is impossible. */
  resumed(h: number): readonly string[] | null {
    if (!this.acknowledge(h)) return null;
    this.sinceRequest = 0;
    return this.queue.slice();
  }
}
