/* Where voices come out: one audio element per slot, outside the page's drawing, so that sound goes on in
 * the background and survives every change of layout. */

export interface Voice {
  key: string;
  track: MediaStreamTrack;
}

export class Sinks {
  private readonly elements = new Map<string, { element: HTMLAudioElement; track: MediaStreamTrack }>();
  private speaker = '';

  /** `onBlocked`: the browser wants a click before it makes a sound. */
  constructor(private readonly onBlocked: (blocked: boolean) => void) {}

  set(voices: Voice[]): void {
    const wanted = new Map(voices.map((voice) => [voice.key, voice.track]));
    for (const [key, sink] of this.elements) {
      if (wanted.get(key) === sink.track) continue;
      this.drop(key);
    }
    for (const [key, track] of wanted) {
      if (this.elements.has(key)) continue;
      const element = new Audio();
      element.autoplay = true;
      element.srcObject = new MediaStream([track]);
      this.elements.set(key, { element, track });
      this.route(element);
      this.play(element);
    }
  }

  setSpeaker(id: string): void {
    this.speaker = id;
    for (const { element } of this.elements.values()) this.route(element);
  }

  /** To be called from a click. */
  unblock(): void {
    this.onBlocked(false);
    for (const { element } of this.elements.values()) this.play(element);
  }

  close(): void {
    for (const key of [...this.elements.keys()]) this.drop(key);
  }

  private drop(key: string): void {
    const sink = this.elements.get(key);
    this.elements.delete(key);
    if (!sink) return;
    sink.element.pause();
    sink.element.srcObject = null;
  }

  private play(element: HTMLAudioElement): void {
    element.play().catch((error: unknown) => {
      if (error instanceof Error && error.name === 'NotAllowedError') this.onBlocked(true);
    });
  }

  private route(element: HTMLAudioElement): void {
    const chosen = element as HTMLAudioElement & { setSinkId?: (id: string) => Promise<void> };
    if (this.speaker && chosen.setSinkId) chosen.setSinkId(this.speaker).catch(() => undefined);
  }
}
