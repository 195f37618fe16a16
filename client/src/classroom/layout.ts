/* Who is drawn where, and how large: decisions without a screen. */
import type { ClassState, Person } from './state';

export interface Spot {
  person: Person;
  kind: 'camera' | 'desktop';
}

export const spotKey = (spot: Spot): string => `${spot.person.id}:${spot.kind}`;

/** Source names follow from the endpoint (Jitsi's naming). */
export const sourceOf = (spot: Spot): string => `${spot.person.id}-${spot.kind === 'desktop' ? 'v1' : 'v0'}`;

/** Everybody in an order that moves little: staff, then those who show something, then the rest; oneself first. */
export function order(state: ClassState): Spot[] {
  const rank = (person: Person): number => (person.moderator ? 0 : person.cameraOn ? 1 : 2);
  const others = state.people.map((person, index) => ({ person, index }));
  others.sort((a, b) => rank(a.person) - rank(b.person) || a.index - b.index);
  return [state.me, ...others.map((entry) => entry.person)].map((person) => ({ person, kind: 'camera' as const }));
}

/** The large picture of the speaker view: what was pinned, a shared screen, or who spoke last. */
export function onStage(state: ClassState, pinned: string | null): Spot | null {
  const byId = new Map(state.people.map((person) => [person.id, person]));
  if (pinned) {
    const [id = '', kind] = pinned.split(':');
    const person = byId.get(id);
    if (person && (kind !== 'desktop' || person.screenOn)) return { person, kind: kind === 'desktop' ? 'desktop' : 'camera' };
  }
  const presenters = state.people.filter((person) => person.screenOn);
  const presenter = presenters.find((person) => person.moderator) ?? presenters[0];
  if (presenter) return { person: presenter, kind: 'desktop' };
  for (const id of state.speakers) {
    const person = byId.get(id);
    if (person) return { person, kind: 'camera' };
  }
  const first = state.people.find((person) => person.moderator) ?? state.people[0];
  return first ? { person: first, kind: 'camera' } : null;
}

/** The first `room` places, the latest speaker among them: he takes the last one if he has none. */
export function choose(spots: readonly Spot[], room: number, speakers: readonly string[]): Spot[] {
  const shown = spots.slice(0, room);
  const speaker = speakers[0];
  if (!speaker || room < 1 || shown.some((spot) => spot.person.id === speaker)) return shown;
  const hidden = spots.find((spot) => spot.person.id === speaker);
  if (hidden) shown[shown.length - 1] = hidden;
  return shown;
}

export interface Grid {
  columns: number;
  width: number;
  height: number;
}

const RATIO = 16 / 9;
const GAP = 8;

/** The columns that make tiles of 16:9 largest in this space. */
export function grid(count: number, width: number, height: number): Grid {
  let best: Grid = { columns: 1, width: 0, height: 0 };
  for (let columns = 1; columns <= Math.max(1, count); columns++) {
    const rows = Math.ceil(count / columns);
    const byWidth = (width - GAP * (columns - 1)) / columns;
    const byHeight = ((height - GAP * (rows - 1)) / rows) * RATIO;
    const tile = Math.floor(Math.min(byWidth, byHeight));
    if (tile > best.width) best = { columns, width: tile, height: Math.floor(tile / RATIO) };
  }
  return best;
}

/** How many tiles a page of the gallery holds: no tile narrower than `narrowest`, never more than `most`. */
export function pageSize(width: number, height: number, narrowest: number, most: number): number {
  for (let count = most; count > 1; count--) if (grid(count, width, height).width >= narrowest) return count;
  return 1;
}
