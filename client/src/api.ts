/* The server's web API (docs/api.md). */
import type { Profile } from './media/profile';

export type Role = 'admin' | 'teacher' | 'pupil';

export interface User {
  id: string;
  name: string;
  account: string;
  role: Role;
  language: string | null;
  mustChangePassword: boolean;
}

export interface Me {
  user: User;
  /** `policy` is that of new classes; `codecs` null: as the server is set up. */
  organisation: { id: string; name: string; policy: Policy; profile: Profile; codecs: string | null };
  csrf: string;
  next?: string;
  /** The ticket, when `next` is a class that may be entered now. */
  join?: Join;
}

export interface PersonRef {
  id: string;
  name: string;
  role?: Role;
}

export interface PupilPolicy {
  microphone: boolean;
  camera: boolean;
  screen: boolean;
  chat: boolean;
  private: boolean;
}

export interface Policy {
  pupils: PupilPolicy;
  record: boolean;
}

export interface SchoolClass {
  id: string;
  title: string;
  course: { id: string; title: string } | null;
  room: string;
  state: 'planned' | 'open' | 'ended';
  startsAt: string | null;
  endsAt: string | null;
  teachers: PersonRef[];
  guests: boolean;
  guestLink: string | null;
  policy: Policy;
  /** Its own; null: that of the organisation. */
  profile: Profile | null;
  /** Likewise, by blanks, most preferred first. */
  codecs: string | null;
  mayManage: boolean;
  present: number;
  people?: PersonRef[];
}

export interface Join {
  room: string;
  title: string;
  domain: string;
  muc: string;
  focus: string;
  websocket: string;
  token: string;
  me: { name: string; role: 'teacher' | 'pupil' | 'guest' | 'check'; moderator: boolean };
  policy: Policy;
  class: string;
}

export interface Recording {
  id: string;
  class: { id: string; title: string };
  startedAt: string;
  duration: number | null;
  state: 'recording' | 'processing' | 'ready' | 'failed';
  progress: { tracks: number; audio: number; mp4: number } | null;
  manifest: string | null;
  files: { mp4: string | null; audio: string | null };
  mayDelete: boolean;
}

export interface Person {
  id: string;
  name: string;
  account: string;
  role: Role;
  disabled: boolean;
  invite?: string | null;
}

export interface Course {
  id: string;
  title: string;
  teachers: PersonRef[];
  pupils: PersonRef[];
}

export interface AuditEntry {
  number: number;
  at: string;
  /** A person's id, `guest-…` or `system`. */
  actor: string;
  action: string;
  subject: string;
  detail: string;
}

export interface Attendance {
  intervals: { user: string; name: string; from: string; to: string | null; seconds: number }[];
  totals: { user: string; name: string; seconds: number }[];
}

/** `error` is the server's word, or 'network' when nothing answered. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly error: string,
    message: string,
    readonly field: string | null,
    readonly retryAfter: number,
  ) {
    super(message);
  }
}

/** What /api/me says to strangers; known without asking where people come by a link. */
export const signedOut = (): ApiError => new ApiError(401, 'signed-out', 'nobody is signed in', null, 0);

let csrf = '';
let onSignedOut: () => void = () => undefined;

/** Called when a request finds that the session is over. */
export function whenSignedOut(listener: () => void): void {
  onSignedOut = listener;
}

async function failure(response: Response): Promise<ApiError> {
  let body: Record<string, unknown> = {};
  try {
    body = (await response.json()) as Record<string, unknown>;
  } catch {
    // Not from our server; the status says enough.
  }
  const retryAfter = Number(body['retryAfter'] ?? response.headers.get('retry-after') ?? 0) || 0;
  const word = typeof body['error'] === 'string' ? body['error'] : `http-${response.status}`;
  const field = typeof body['field'] === 'string' ? body['field'] : null;
  return new ApiError(response.status, word, String(body['message'] ?? response.statusText), field, retryAfter);
}

async function read<T>(asked: Promise<Response>): Promise<T> {
  let response: Response;
  try {
    response = await asked;
  } catch {
    throw new ApiError(0, 'network', 'no answer', null, 0);
  }
  if (!response.ok) {
    const error = await failure(response);
    if (error.status === 401 && error.error === 'signed-out') onSignedOut();
    throw error;
  }
  if (response.status === 204) return undefined as T;
  return (await response.json()) as T;
}

async function call<T>(method: string, path: string, body?: unknown, again = true): Promise<T> {
  const headers: Record<string, string> = { accept: 'application/json' };
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (method !== 'GET' && csrf) headers['x-csrf-token'] = csrf;
  const text = body === undefined ? undefined : JSON.stringify(body);
  try {
    return await read<T>(fetch(path, { method, headers, body: text, credentials: 'same-origin', cache: 'no-store' }));
  } catch (error) {
    // Signed in anew in another tab: the old sign of this page is worth nothing any more.
    if (!(error instanceof ApiError) || error.error !== 'csrf' || !again) throw error;
    csrf = (await call<Me>('GET', '/api/me')).csrf;
    return call(method, path, body, false);
  }
}

const signedIn = (me: Me): Me => {
  csrf = me.csrf;
  return me;
};

const id = encodeURIComponent;

/** A ticket asked for before the page that wants it is there. */
let early: { classId: string; ticket: Promise<Join> } | null = null;

/** Sees to the ticket of the class this address leads to, while the page's code is still on its way. */
export function joinEarly(me: Me, path: string): Promise<Join | null> {
  const classId = /^\/class\/([^/]+)$/.exec(me.next ?? path)?.[1];
  if (!classId) return Promise.resolve(null);
  const ticket = me.join ? Promise.resolve(me.join) : call<Join>('POST', `/api/classes/${classId}/join`, {});
  early = { classId: decodeURIComponent(classId), ticket };
  return ticket;
}

/** Where the stream of this ticket is opened. */
export function socketUrl(join: Join): string {
  const glue = join.websocket.includes('?') ? '&' : '?';
  return `${join.websocket}${glue}room=${encodeURIComponent(join.room)}&token=${encodeURIComponent(join.token)}`;
}

function join(classId: string): Promise<Join> {
  const asked = early;
  early = null;
  return asked?.classId === classId ? asked.ticket : call('POST', `/api/classes/${id(classId)}/join`, {});
}

export const api = {
  me: (): Promise<Me> => call<Me>('GET', '/api/me').then(signedIn),
  signIn: (account: string, password: string): Promise<Me> =>
    call<Me>('POST', '/api/signin', { account, password }).then(signedIn),
  signOut: (): Promise<void> => call('POST', '/api/signout', {}),
  /** The answer to what the page itself asked before any of this was there. */
  arrived: (asked: Promise<Response>): Promise<Me> => read<Me>(asked).then(signedIn),
  setPassword: (next: string, current?: string): Promise<void> => call('POST', '/api/password', { current, new: next }),
  setLanguage: (language: string): Promise<Me> => call<Me>('PATCH', '/api/me', { language }).then(signedIn),

  classes: (): Promise<SchoolClass[]> =>
    call<{ classes: SchoolClass[] }>('GET', '/api/classes').then((answer) => answer.classes),
  class: (classId: string): Promise<SchoolClass> => call('GET', `/api/classes/${id(classId)}`),
  createClass: (body: {
    title: string;
    courseId?: string;
    startsAt?: string;
    endsAt?: string;
    guests?: boolean;
    policy?: Policy;
    profile?: Profile | null;
    codecs?: string | null;
  }): Promise<SchoolClass> => call('POST', '/api/classes', body),
  changeClass: (
    classId: string,
    body: Partial<Pick<SchoolClass, 'title' | 'startsAt' | 'endsAt' | 'guests' | 'policy' | 'profile' | 'codecs'>>,
  ): Promise<SchoolClass> => call('PATCH', `/api/classes/${id(classId)}`, body),
  deleteClass: (classId: string): Promise<void> => call('DELETE', `/api/classes/${id(classId)}`),
  openClass: (classId: string): Promise<SchoolClass> => call('POST', `/api/classes/${id(classId)}/open`, {}),
  closeClass: (classId: string): Promise<SchoolClass> => call('POST', `/api/classes/${id(classId)}/close`, {}),
  classPeople: (classId: string, add: string[], remove: string[]): Promise<SchoolClass> =>
    call('PUT', `/api/classes/${id(classId)}/people`, { add, remove }),
  join,
  /** A place to measure the line to the class: for two ends of our own, for less than a minute. */
  check: (classId: string): Promise<Join> => call('POST', `/api/classes/${id(classId)}/check`, {}),
  checkAsGuest: (room: string): Promise<Join> => call('POST', `/api/guest/${id(room)}/check`, {}),
  attendance: (classId: string): Promise<Attendance> => call('GET', `/api/classes/${id(classId)}/attendance`),
  guest: (room: string): Promise<{ title: string; open: boolean; guests: boolean }> =>
    call('GET', `/api/guest/${id(room)}`),
  joinAsGuest: (room: string, name: string): Promise<Join> => call('POST', `/api/guest/${id(room)}`, { name }),

  recordings: (): Promise<Recording[]> =>
    call<{ recordings: Recording[] }>('GET', '/api/recordings').then((answer) => answer.recordings),
  recording: (recordingId: string): Promise<Recording> => call('GET', `/api/recordings/${id(recordingId)}`),
  deleteRecording: (recordingId: string): Promise<void> => call('DELETE', `/api/recordings/${id(recordingId)}`),
  manifest: <T>(url: string): Promise<T> => call<T>('GET', url),

  /** Administrators get all of it; teachers only `id`, `name` and `role`. */
  people: (): Promise<Person[]> => call<{ people: Person[] }>('GET', '/api/people').then((answer) => answer.people),
  createPerson: (body: { name: string; account: string; role: Role; password?: string }): Promise<Person> =>
    call('POST', '/api/people', body),
  changePerson: (
    personId: string,
    body: { name?: string; role?: Role; disabled?: boolean; resetPassword?: true },
  ): Promise<Person> => call('PATCH', `/api/people/${id(personId)}`, body),
  deletePerson: (personId: string): Promise<void> => call('DELETE', `/api/people/${id(personId)}`),

  courses: (): Promise<Course[]> => call<{ courses: Course[] }>('GET', '/api/courses').then((answer) => answer.courses),
  createCourse: (body: { title: string; teacherIds: string[]; pupilIds: string[] }): Promise<Course> =>
    call('POST', '/api/courses', body),
  changeCourse: (
    courseId: string,
    body: { title?: string; teacherIds?: string[]; pupilIds?: string[] },
  ): Promise<Course> => call('PATCH', `/api/courses/${id(courseId)}`, body),
  deleteCourse: (courseId: string): Promise<void> => call('DELETE', `/api/courses/${id(courseId)}`),

  changeOrganisation: (body: { name?: string; profile?: Profile; codecs?: string | null }): Promise<unknown> => call('PATCH', '/api/organisation', body),
  /** Newest first; `before` is the smallest number already known. */
  audit: (before?: number): Promise<AuditEntry[]> =>
    call<{ entries: AuditEntry[] }>('GET', `/api/audit${before === undefined ? '' : `?before=${before}`}`).then((answer) => answer.entries),
};
