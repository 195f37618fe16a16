/* How loud a microphone is, for meters and for the ring around one's own name. */

export class LevelMeter {
  private context: AudioContext | null = null;
  private source: MediaStreamAudioSourceNode | null = null;
  private analyser: AnalyserNode | null = null;
  private samples: Float32Array<ArrayBuffer> | null = null;

  constructor(track: MediaStreamTrack) {
    if (typeof AudioContext === 'undefined') return;
    this.context = new AudioContext();
    this.source = this.context.createMediaStreamSource(new MediaStream([track]));
    this.analyser = this.context.createAnalyser();
    this.analyser.fftSize = 1024;
    this.samples = new Float32Array(this.analyser.fftSize);
    this.source.connect(this.analyser);
  }

  /** 0 to 1 on a scale that fits speech: -55 dB and below is 0. */
  read(): number {
    if (!this.analyser || !this.samples) return 0;
    if (this.context?.state === 'suspended') void this.context.resume();
    this.analyser.getFloatTimeDomainData(this.samples);
    let sum = 0;
    for (const sample of this.samples) sum += sample * sample;
    return scale(Math.sqrt(sum / this.samples.length));
  }

  close(): void {
    this.source?.disconnect();
    void this.context?.close();
    this.context = null;
    this.analyser = null;
  }
}

export function scale(rms: number): number {
  if (rms <= 0) return 0;
  return Math.min(1, Math.max(0, (20 * Math.log10(rms) + 55) / 45));
}

/** Two soft notes: something the whole class should notice. Silent where the browser forbids it. */
export function chime(): void {
  if (typeof AudioContext === 'undefined') return;
  const context = new AudioContext();
  const play = (frequency: number, at: number): void => {
    const oscillator = context.createOscillator();
    const gain = context.createGain();
    oscillator.frequency.value = frequency;
    gain.gain.setValueAtTime(0, context.currentTime + at);
    gain.gain.linearRampToValueAtTime(0.08, context.currentTime + at + 0.03);
    gain.gain.exponentialRampToValueAtTime(0.0001, context.currentTime + at + 0.35);
    oscillator.connect(gain).connect(context.destination);
    oscillator.start(context.currentTime + at);
    oscillator.stop(context.currentTime + at + 0.4);
  };
  play(587, 0);
  play(784, 0.22);
  setTimeout(() => void context.close(), 1_000);
}
