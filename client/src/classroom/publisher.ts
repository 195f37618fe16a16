/* What we send: microphone, camera and screen, switched on and off by the person or the teacher. Devices live
 * here and survive the peer connection they feed. */
import {
  DeviceChoice, DeviceError, loadChoice, onDevicesChanged, openCamera, openMicrophone, openScreen, saveChoice,
} from '../media/devices';
import type { Purpose } from '../media/encodings';
import { LevelMeter } from '../media/level';
import type { Switch } from './state';

export interface PublisherEvents {
  /** A switch moved or a track changed: tell room, bridge and page. */
  onChange(): void;
  onProblem(purpose: Purpose, problem: string): void;
  /** Brings the track to the bridge; throws when the focus will not have it. */
  send(purpose: Purpose, track: MediaStreamTrack | null): Promise<void>;
}

interface Device {
  state: Switch;
  track: MediaStreamTrack | null;
  /** Counts switchings, so that a device that opens late knows it is no longer wanted. */
  turn: number;
}

export class Publisher {
  choice: DeviceChoice = loadChoice();
  private readonly devices: Record<Purpose, Device> = {
    microphone: { state: 'off', track: null, turn: 0 },
    camera: { state: 'off', track: null, turn: 0 },
    desktop: { state: 'off', track: null, turn: 0 },
  };
  private meter: LevelMeter | null = null;
  private readonly stopWatching: () => void;

  constructor(private readonly events: PublisherEvents) {
    this.stopWatching = onDevicesChanged(() => this.devicesChanged());
  }

  state(purpose: Purpose): Switch {
    return this.devices[purpose].state;
  }

  track(purpose: Purpose): MediaStreamTrack | null {
    return this.devices[purpose].track;
  }

  /** The track to send now: nothing while switched off. */
  sending(purpose: Purpose): MediaStreamTrack | null {
    const device = this.devices[purpose];
    return device.state === 'on' ? device.track : null;
  }

  level(): number {
    return this.devices.microphone.state === 'on' ? (this.meter?.read() ?? 0) : 0;
  }

  /** Takes over a track that the device check has opened already. */
  adopt(purpose: 'microphone' | 'camera', track: MediaStreamTrack): void {
    const device = this.devices[purpose];
    device.track = track;
    device.state = 'on';
    this.watch(purpose, track);
    this.events.onChange();
  }

  async turnOn(purpose: Purpose): Promise<void> {
    const device = this.devices[purpose];
    if (device.state !== 'off') return;
    const turn = ++device.turn;
    this.move(device, 'starting');
    try {
      if (!device.track || device.track.readyState === 'ended') {
        const track = await this.open(purpose);
        if (!track) {
          if (device.turn === turn) this.move(device, 'off');
          return;
        }
        if (device.turn !== turn) {
          track.stop();
          return;
        }
        device.track = track;
        this.watch(purpose, track);
      }
      device.track.enabled = true;
      await this.events.send(purpose, device.track);
      if (device.turn === turn) this.move(device, 'on');
    } catch (error) {
      if (device.turn !== turn) return;
      this.release(purpose);
      this.move(device, 'off');
      this.events.onProblem(purpose, error instanceof DeviceError ? error.problem : 'refused');
    }
  }

  async turnOff(purpose: Purpose): Promise<void> {
    const device = this.devices[purpose];
    if (device.state === 'off') return;
    device.turn++;
    if (device.track) device.track.enabled = false;
    this.move(device, 'off');
    await this.events.send(purpose, null).catch(() => undefined);
    // The microphone stays open, so that speaking again takes no time; picture devices go dark.
    if (purpose !== 'microphone' && this.devices[purpose].state === 'off') this.release(purpose);
  }

  async choose(choice: DeviceChoice): Promise<void> {
    const before = this.choice;
    this.choice = choice;
    saveChoice(choice);
    if (choice.microphone !== before.microphone) await this.reopen('microphone');
    if (choice.camera !== before.camera) await this.reopen('camera');
  }

  close(): void {
    this.stopWatching();
    for (const purpose of ['microphone', 'camera', 'desktop'] as const) {
      this.devices[purpose].turn++;
      this.devices[purpose].state = 'off';
      this.release(purpose);
    }
  }

  private move(device: Device, state: Switch): void {
    device.state = state;
    this.events.onChange();
  }

  private open(purpose: Purpose): Promise<MediaStreamTrack | null> {
    if (purpose === 'microphone') return openMicrophone(this.choice.microphone);
    return purpose === 'camera' ? openCamera(this.choice.camera) : openScreen();
  }

  private watch(purpose: Purpose, track: MediaStreamTrack): void {
    track.onended = () => void this.ended(purpose, track);
    if (purpose !== 'microphone') return;
    this.meter?.close();
    this.meter = new LevelMeter(track);
  }

  /** Unplugged, taken away, or the screen share ended in the browser's own bar. */
  private async ended(purpose: Purpose, track: MediaStreamTrack): Promise<void> {
    const device = this.devices[purpose];
    if (device.track !== track) return;
    const wasOn = device.state === 'on';
    await this.turnOff(purpose);
    this.release(purpose);
    if (purpose === 'desktop' || !wasOn) return;
    if (purpose === 'microphone') await this.turnOn(purpose);
    if (device.state === 'off') this.events.onProblem(purpose, 'missing');
  }

  private async reopen(purpose: 'microphone' | 'camera'): Promise<void> {
    const wasOn = this.devices[purpose].state !== 'off';
    await this.turnOff(purpose);
    this.release(purpose);
    if (wasOn) await this.turnOn(purpose);
  }

  private devicesChanged(): void {
    const { track, state } = this.devices.microphone;
    if (track?.readyState === 'ended' && state === 'on') void this.ended('microphone', track);
  }

  private release(purpose: Purpose): void {
    const device = this.devices[purpose];
    if (device.track) {
      device.track.onended = null;
      device.track.stop();
    }
    device.track = null;
    if (purpose !== 'microphone') return;
    this.meter?.close();
    this.meter = null;
  }
}
