/* What a class looks like to the pages. */
import type { PupilPolicy } from '../api';
import type { Quality } from '../media/quality';
import type { ChatMessage, Participant, SourceState } from '../signalling/room';

export type Phase =
  | 'idle'
  | 'joining'
  | 'joined'
  /** The session broke and is being built anew; people and chat stay in view. */
  | 'rejoining'
  | 'left'
  | 'ended'
  | 'kicked'
  | 'refused';

export type Switch = 'off' | 'starting' | 'on';

/** A person in the class, frozen for drawing. */
export interface Person {
  id: string;
  name: string;
  moderator: boolean;
  handAt: number;
  microphoneOn: boolean;
  cameraOn: boolean;
  screenOn: boolean;
  connected: boolean;
  self: boolean;
}

export interface Rights extends PupilPolicy {
  moderate: boolean;
  record: boolean;
}

export interface Notice {
  id: number;
  key: string;
  values: Record<string, string>;
  tone: 'info' | 'warning';
  action: 'microphone' | 'camera' | 'lift' | null;
}

export interface Reaction {
  id: number;
  from: string;
  name: string;
  what: string;
}

export interface ClassState {
  phase: Phase;
  title: string;
  classId: string;
  rights: Rights;
  me: Person;
  people: readonly Person[];
  /** Endpoint ids, latest speaker first. */
  speakers: readonly string[];
  microphone: Switch;
  camera: Switch;
  screen: Switch;
  recording: { on: boolean; pending: boolean; since: number };
  signalling: 'online' | 'interrupted';
  media: 'none' | 'connecting' | 'connected' | 'interrupted';
  quality: Quality;
  soundBlocked: boolean;
  notices: readonly Notice[];
}

export type ChatEntry = ChatMessage;
export const CHAT_MAX = 500;

const isOn = (sources: Record<string, SourceState>, suffix: RegExp): boolean =>
  Object.entries(sources).some(([name, state]) => !state.muted && suffix.test(name));

const isVideo = (sources: Record<string, SourceState>, type: SourceState['videoType']): boolean =>
  Object.entries(sources).some(([name, state]) => !state.muted && /-v\d+/.test(name) && state.videoType === type);

export function personOf(participant: Participant, connected: boolean): Person {
  return {
    id: participant.id,
    name: participant.name,
    moderator: participant.moderator,
    handAt: participant.raisedHandAt,
    microphoneOn: isOn(participant.sources, /-a\d+/),
    cameraOn: isVideo(participant.sources, 'camera'),
    screenOn: isVideo(participant.sources, 'desktop'),
    connected,
    self: false,
  };
}

export const NOBODY: Person = {
  id: '',
  name: '',
  moderator: false,
  handAt: 0,
  microphoneOn: false,
  cameraOn: false,
  screenOn: false,
  connected: true,
  self: true,
};

const STAFF: PupilPolicy = { microphone: true, camera: true, screen: true, chat: true, private: true };

/** What the interface offers; the server decides in any case. */
export function rightsOf(
  policy: { pupils: PupilPolicy; record: boolean },
  moderator: boolean,
  may: Record<string, boolean> = {},
): Rights {
  const pupils = moderator ? STAFF : policy.pupils;
  return {
    ...pupils,
    // The class may have been changed since we came.
    screen: may['screen-sharing'] ?? pupils.screen,
    chat: may['send-groupchat'] ?? pupils.chat,
    private: may['send-private-message'] ?? pupils.private,
    moderate: moderator,
    record: may['recording'] ?? (moderator && policy.record),
  };
}
