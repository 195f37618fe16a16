/* The class while it runs. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { api } from '../../api';
import type { Classroom, View } from '../../classroom/classroom';
import { choose, grid, onStage, order, pageSize, sourceOf, Spot, spotKey } from '../../classroom/layout';
import type { ClassState, Notice } from '../../classroom/state';
import { formatDuration, formatMegabytes, t, tMaybe } from '../../i18n';
import { canShareScreen } from '../../media/devices';
import { allowed, chooseProfile, chosen, FIGURES, Profile, profiles } from '../../media/profile';
import { useStore } from '../../store';
import { Icon, IconName } from '../icons';
import { Button, Check, Confirm, Dialog, LanguageSwitch, Menu, MenuItem, Select } from '../parts';
import { Chat } from './chat';
import { DeviceSelects } from './check';
import { DataDialog } from './data';
import { People } from './people';
import { REACTIONS, Tile, TileNote, useSize } from './tile';

type Panel = 'chat' | 'people' | null;
type Layout = 'speaker' | 'gallery';

const STRIP_TILE = 176;
const PAGER_HEIGHT = 48;
const HIDDEN_AFTER_MS = 8_000;

/** True when the page has been out of sight for a while: pictures are not worth their bits then. */
function useHidden(): boolean {
  const [hidden, setHidden] = useState(false);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | null = null;
    const change = (): void => {
      if (timer) clearTimeout(timer);
      if (document.visibilityState === 'hidden') timer = setTimeout(() => setHidden(true), HIDDEN_AFTER_MS);
      else setHidden(false);
    };
    document.addEventListener('visibilitychange', change);
    return () => {
      if (timer) clearTimeout(timer);
      document.removeEventListener('visibilitychange', change);
    };
  }, []);
  return hidden;
}

export function LiveClass({ room, endsAt }: { room: Classroom; endsAt: string | null }) {
  const state = useStore(room.state);
  const [panel, setPanel] = useState<Panel>(null);
  const [privateTo, setPrivateTo] = useState<string | null>(null);
  const [layout, setLayout] = useState<Layout>(state.rights.moderate ? 'gallery' : 'speaker');
  const [pinned, setPinned] = useState<string | null>(null);
  const [saver, setSaver] = useState(false);
  const [settings, setSettings] = useState(false);
  const [ending, setEnding] = useState(false);
  const [dataUse, setDataUse] = useState(false);
  const seen = useRef(0);
  const chat = useStore(room.chat);
  const received = chat.filter((entry) => !entry.own).length;
  if (panel === 'chat') seen.current = received;
  const unread = Math.max(0, received - seen.current);

  const pin = (key: string): void => {
    setPinned(pinned === key ? null : key);
    if (pinned !== key) setLayout('speaker');
  };
  /** Back to the button that opened it. */
  const closePanel = (): void => {
    const button = document.querySelector<HTMLElement>(`[data-testid=${panel}]`);
    setPanel(null);
    button?.focus();
  };
  const writeTo = (id: string): void => {
    setPrivateTo(id);
    setPanel('chat');
  };
  return (
    <div class="room" data-testid="class" data-phase={state.phase} data-media={state.media}>
      <TopBar state={state} layout={layout} setLayout={setLayout} />
      <Connection state={state} />
      <LineStatus room={room} />
      <div class="room-body">
        <main class="room-stage" aria-label={t('stage')}>
          <Notices room={room} notices={state.notices} />
          {state.soundBlocked && (
            <div class="sound-blocked">
              <Button kind="primary" icon="sound-on" onClick={() => room.unblockSound()} testId="unblock-sound">
                {t('tap-for-sound')}
              </Button>
            </div>
          )}
          <Pictures room={room} state={state} layout={layout} pinned={pinned} onPin={pin} saver={saver} />
        </main>
        {panel && (
          <aside
            class="panel"
            aria-label={t(panel)}
            onKeyDown={(event) => {
              if (event.key === 'Escape' && !event.defaultPrevented) closePanel();
            }}
          >
            <header>
              <h2>{t(panel)}</h2>
              <Button kind="quiet" icon="close" label={t('close')} onClick={closePanel} testId="close-panel" />
            </header>
            {panel === 'chat' ? (
              <Chat room={room} state={state} to={privateTo} setTo={setPrivateTo} />
            ) : (
              <People room={room} state={state} writeTo={writeTo} />
            )}
          </aside>
        )}
      </div>
      <Toolbar
        room={room}
        state={state}
        panel={panel}
        setPanel={setPanel}
        unread={unread}
        layout={layout}
        setLayout={setLayout}
        saver={saver}
        setSaver={setSaver}
        onSettings={() => setSettings(true)}
        onDataUse={() => setDataUse(true)}
        onEnd={() => setEnding(true)}
      />
      <Announcer room={room} quiet={panel === 'chat'} />
      {settings && (
        <Dialog title={t('settings')} onClose={() => setSettings(false)}>
          <DeviceSelects room={room} turn={`${state.microphone} ${state.camera}`} />
          <Check label={t('data-saver')} checked={saver} onChange={setSaver} testId="data-saver" />
          <ProfileSelect />
          <LanguageSwitch />
        </Dialog>
      )}
      {dataUse && <DataDialog room={room} endsAt={endsAt} onClose={() => setDataUse(false)} />}
      {ending && (
        <Confirm
          text={t('end-class-sure')}
          yes={t('end-for-all')}
          onNo={() => setEnding(false)}
          testId="confirm-end"
          onYes={() =>
            api.closeClass(state.classId).then(() => {
              setEnding(false);
            })
          }
        />
      )}
    </div>
  );
}

function TopBar(props: { state: ClassState; layout: Layout; setLayout: (layout: Layout) => void }) {
  const { state } = props;
  return (
    <header class="room-top">
      <h1 dir="auto">{state.title}</h1>
      <RecordingBadge state={state} />
      <span class={`quality ${state.quality}`} title={t(`status-${state.quality}`)} data-testid="quality" data-quality={state.quality}>
        <Icon name="signal" />
        <span class={state.quality === 'good' ? 'visually-hidden' : undefined}>{t(`status-${state.quality}`)}</span>
      </span>
    </header>
  );
}

function RecordingBadge({ state }: { state: ClassState }) {
  const { recording } = state;
  const [, tick] = useState(0);
  useEffect(() => {
    if (!recording.on) return;
    const timer = setInterval(() => tick((n) => n + 1), 1_000);
    return () => clearInterval(timer);
  }, [recording.on]);
  if (!recording.on && !recording.pending) return null;
  return (
    <p class={recording.on ? 'rec-badge' : 'rec-badge pending'} data-testid="recording-badge" title={t('recording-notice')}>
      <i aria-hidden="true" />
      <span>{t(recording.on ? 'recording' : 'recording-starting')}</span>
      {recording.since > 0 && (
        <time aria-hidden="true" dir="ltr">
          {formatDuration((Date.now() - recording.since) / 1_000)}
        </time>
      )}
    </p>
  );
}

/** What a pupil needs to know about the connection, and nothing else. */
function Connection({ state }: { state: ClassState }) {
  let text: string | null = null;
  if (state.phase === 'joining') text = t('status-joining');
  else if (state.phase === 'rejoining') text = t('status-rejoining');
  else if (state.signalling === 'interrupted' || state.media === 'interrupted') text = t('status-reconnecting');
  else if (state.media === 'connecting') text = t('status-media');
  return (
    <div class="connection" role="status" data-testid="connection" data-state={text ? 'busy' : 'ok'}>
      {text && (
        <p>
          <span class="spinner" aria-hidden="true" />
          {text}
        </p>
      )}
    </div>
  );
}

/** Why pictures are small or gone, for as long as they are. */
function LineStatus({ room }: { room: Classroom }) {
  const line = useStore(room.line);
  return (
    <div class="connection" role="status" aria-live="polite" data-testid="line" data-line={line}>
      {line !== 'whole' && (
        <p>
          <Icon name="signal" />
          <span>{t(`line-${line}`)}</span>
        </p>
      )}
    </div>
  );
}

const NOTICE_MS = 8_000;
const LASTING = new Set(['recording-started', 'recording-running', 'asked-microphone', 'asked-camera']);
const ACTIONS = { 'microphone': 'microphone-on', 'camera': 'camera-turn-on', 'lift': 'data-lift' } as const;

function Notices(props: { room: Classroom; notices: readonly Notice[] }) {
  return (
    <div class="notices" role="log" aria-live="polite" aria-relevant="additions">
      {props.notices.map((notice) => (
        <NoticeCard key={notice.id} room={props.room} notice={notice} />
      ))}
    </div>
  );
}

/** What this device keeps to; more than the class has is not offered. */
function ProfileSelect() {
  const limit = useStore(allowed);
  const own = useStore(chosen);
  const below = profiles.slice(0, profiles.indexOf(limit));
  // What was chosen in a class that has more stays chosen.
  const offered = own && !below.includes(own) ? [...below, own] : below;
  if (offered.length === 0) return null;
  return (
    <Select
      label={t('profile-device')}
      value={own ?? ''}
      onChange={(value) => chooseProfile(value === '' ? null : (value as Profile))}
      options={[
        { value: '', label: t('profile-of-class', { profile: t(`profile-${limit}`) }) },
        ...offered.map((one) => ({ value: one, label: t(`profile-${one}`) })),
      ]}
      testId="device-profile"
    />
  );
}

function NoticeCard({ room, notice }: { room: Classroom; notice: Notice }) {
  useEffect(() => {
    if (notice.tone === 'warning' || LASTING.has(notice.key)) return;
    const timer = setTimeout(() => room.dismiss(notice.id), NOTICE_MS);
    return () => clearTimeout(timer);
  }, [notice.id]);
  const accept = (): void => {
    if (notice.action === 'microphone') room.setMicrophone(true);
    if (notice.action === 'camera') room.setCamera(true);
    if (notice.action === 'lift') room.meter.lift();
    room.dismiss(notice.id);
  };
  return (
    <div class={`notice ${notice.tone}${notice.key.startsWith('recording') ? ' recording' : ''}`} data-testid="notice" data-key={notice.key}>
      <p dir="auto">{tMaybe(`notice-${notice.key}`, 'error-unknown', notice.values)}</p>
      {notice.action && (
        <Button small kind="primary" onClick={accept} testId="notice-accept">
          {t(ACTIONS[notice.action])}
        </Button>
      )}
      <Button small kind="quiet" icon="close" label={t('close')} onClick={() => room.dismiss(notice.id)} />
    </div>
  );
}

/** New messages are read out while the chat is closed; inside it the list itself does so. */
function Announcer(props: { room: Classroom; quiet: boolean }) {
  const chat = useStore(props.room.chat);
  const last = chat[chat.length - 1];
  const fresh = last && !last.own && Date.now() - last.at < 10_000 ? last : null;
  return (
    <div class="visually-hidden" aria-live="polite">
      {!props.quiet && fresh ? t('chat-announce', { name: fresh.name, text: fresh.text.slice(0, 120) }) : ''}
    </div>
  );
}

interface PicturesProps {
  room: Classroom;
  state: ClassState;
  layout: Layout;
  pinned: string | null;
  onPin: (key: string) => void;
  saver: boolean;
}

function Pictures(props: PicturesProps) {
  const { room, state } = props;
  const box = useRef<HTMLDivElement>(null);
  const size = useSize(box);
  const [page, setPage] = useState(0);
  const hidden = useHidden();
  const tracks = useStore(room.tracks);
  const speaking = useStore(room.speaking);
  const forwarded = useStore(room.forwarded);
  const reactions = useStore(room.reactions);
  const soundOnly = FIGURES[useStore(room.sending)].stage === 0;

  const stage = props.layout === 'speaker' ? onStage(state, props.pinned) : null;
  const all = useMemo(() => {
    const screens = state.people.filter((p) => p.screenOn).map((person): Spot => ({ person, kind: 'desktop' }));
    return [...screens, ...order(state)];
  }, [state.people, state.me]);
  const stageKey = stage ? spotKey(stage) : null;
  const rest = all.filter((spot) => spotKey(spot) !== stageKey);
  const wide = size.width > size.height * 1.15 && size.width > 640;
  const along = wide ? size.height : size.width;
  const stripTile = wide ? STRIP_TILE : Math.min(STRIP_TILE, Math.max(96, size.width / 3.4));
  const perStrip = Math.max(1, Math.floor((along + 8) / ((wide ? stripTile * 0.5625 : stripTile) + 8)));
  const narrowest = Math.min(200, (size.width - 8) / 2);
  const most = size.width < 640 ? 8 : 16;
  const fits = rest.length <= pageSize(size.width, size.height, narrowest, most);
  // The pager below takes its share of the height.
  const height = fits ? size.height : size.height - PAGER_HEIGHT;
  const perPage = pageSize(size.width, height, narrowest, most);
  const pages = Math.max(1, Math.ceil(rest.length / perPage));
  const at = Math.min(page, pages - 1);

  let shown: Spot[];
  if (stage) shown = choose(rest, perStrip, state.speakers);
  else if (at === 0) shown = choose(rest, perPage, state.speakers);
  else shown = rest.slice(at * perPage, (at + 1) * perPage);
  const cells = stage ? null : grid(shown.length, size.width, height);

  const heights: Record<string, number> = {};
  const density = Math.min(globalThis.devicePixelRatio || 1, 2);
  for (const spot of shown) {
    if (!spot.person.self) heights[sourceOf(spot)] = (cells?.height ?? stripTile * 0.5625) * density;
  }
  if (stage) heights[sourceOf(stage)] = Math.max(360, size.height * 0.75 * density);
  const view: View = { heights, stage: stage ? [sourceOf(stage)] : [], audioOnly: props.saver || hidden };
  const viewKey = JSON.stringify(view);
  useEffect(() => {
    if (size.width > 0) room.setView(view);
  }, [viewKey]);

  const trackOf = (spot: Spot): MediaStreamTrack | null => {
    if (spot.person.self) return state.camera === 'on' ? room.publisher.track('camera') : null;
    // By owner and kind rather than by name: other clients may count their sources differently.
    const exact = tracks.get(sourceOf(spot));
    if (exact && exact.videoType === spot.kind) return exact.track;
    for (const entry of tracks.values()) {
      if (entry.owner === spot.person.id && entry.videoType === spot.kind) return entry.track;
    }
    return null;
  };
  const asked = room.asked(view);
  const isPaused = (spot: Spot): boolean =>
    !spot.person.self && (props.saver || (forwarded !== null && tracks.has(sourceOf(spot)) && !forwarded.has(sourceOf(spot))));
  const noteOf = (spot: Spot): TileNote | null => {
    if (spot.person.self) return spot.kind === 'camera' && soundOnly ? 'unsent' : null;
    if (!isPaused(spot)) return null;
    return asked.has(sourceOf(spot)) ? 'paused' : 'spared';
  };
  const tile = (spot: Spot, large = false, small = false) => {
    const key = spotKey(spot);
    return (
      <Tile
        key={key}
        person={spot.person}
        kind={spot.kind}
        track={trackOf(spot)}
        paused={isPaused(spot)}
        note={noteOf(spot)}
        speaking={spot.kind === 'camera' && speaking.has(spot.person.id)}
        pinned={props.pinned === key}
        large={large}
        small={small}
        reaction={spot.kind === 'camera' ? (reactions.find((r) => r.from === spot.person.id)?.what ?? null) : null}
        onPin={() => props.onPin(key)}
      />
    );
  };
  const left = rest.length - shown.length;
  return (
    <div class={`pictures ${stage ? 'with-stage' : 'gallery'}${wide ? ' wide' : ''}`} ref={box}>
      {stage && <div class="stage">{tile(stage, true)}</div>}
      {stage && rest.length > 0 && (
        <div class="strip" style={{ '--strip-tile': `${Math.floor(stripTile)}px` }}>
          {shown.map((spot) => tile(spot, false, true))}
          {left > 0 && <p class="strip-more">{t('more-people', { count: left })}</p>}
        </div>
      )}
      {!stage && cells && (
        <div
          class="grid"
          style={{ 'grid-template-columns': `repeat(${cells.columns}, ${cells.width}px)`, 'grid-auto-rows': `${cells.height}px` }}
        >
          {shown.map((spot) => tile(spot))}
        </div>
      )}
      {!stage && pages > 1 && (
        <nav class="pager" aria-label={t('participants')}>
          <Button icon="previous" label={t('previous-page')} disabled={at === 0} onClick={() => setPage(at - 1)} />
          <span>{t('page-of', { page: at + 1, pages })}</span>
          <Button icon="next" label={t('next-page')} disabled={at >= pages - 1} onClick={() => setPage(at + 1)} />
        </nav>
      )}
      {state.people.length === 0 && state.phase === 'joined' && <p class="alone">{t('waiting-for-others')}</p>}
    </div>
  );
}

interface ToolProps {
  icon: IconName;
  label: string;
  caption: string;
  onClick: () => void;
  testId: string;
  on?: boolean;
  tone?: 'off' | 'alert' | 'leave' | 'hand';
  badge?: number;
  disabled?: boolean;
  busy?: boolean;
  wide?: boolean;
}

function Tool(props: ToolProps) {
  return (
    <button
      type="button"
      class={`tool${props.tone ? ` ${props.tone}` : ''}${props.wide ? ' wide-only' : ''}`}
      aria-label={props.label}
      aria-pressed={props.on}
      aria-busy={props.busy || undefined}
      title={props.label}
      disabled={props.disabled}
      onClick={props.onClick}
      data-testid={props.testId}
      data-on={props.on === undefined ? undefined : String(props.on)}
    >
      <span class="tool-icon">
        <Icon name={props.icon} />
        {props.badge ? <b class="badge">{props.badge > 99 ? '99+' : props.badge}</b> : null}
      </span>
      <span class="tool-caption" aria-hidden="true">{props.caption}</span>
    </button>
  );
}

interface ToolbarProps {
  room: Classroom;
  state: ClassState;
  panel: Panel;
  setPanel: (panel: Panel) => void;
  unread: number;
  layout: Layout;
  setLayout: (layout: Layout) => void;
  saver: boolean;
  setSaver: (on: boolean) => void;
  onSettings: () => void;
  onDataUse: () => void;
  onEnd: () => void;
}

function Toolbar(props: ToolbarProps) {
  const { room, state, panel } = props;
  const { rights, me } = state;
  const data = useStore(room.meter.use);
  const microphoneOn = state.microphone !== 'off';
  const cameraOn = state.camera !== 'off';
  const sharing = state.screen !== 'off';
  const hand = me.handAt > 0;
  const mayShare = rights.screen && canShareScreen();
  const recordLabel = t(state.recording.on ? 'stop-recording' : 'start-recording');
  const record = (): void => room.setRecording(!state.recording.on);
  const toggle = (which: 'chat' | 'people'): void => props.setPanel(panel === which ? null : which);
  const raised = state.people.filter((person) => person.handAt > 0).length;
  // What does not fit on a telephone's bar is in this menu there.
  const more: (MenuItem & { narrow?: boolean })[] = [
    ...Object.keys(REACTIONS).map((what) => ({
      label: `${REACTIONS[what] ?? ''} ${t(`reaction-${what}` as 'reaction-like')}`, onSelect: () => room.react(what), narrow: true,
    })),
    { label: t('people'), icon: 'people', onSelect: () => toggle('people'), testId: 'more-people', narrow: true },
    ...(mayShare
      ? [{ label: t(sharing ? 'stop-sharing' : 'share-screen'), icon: 'screen' as const, onSelect: () => room.setScreen(!sharing), narrow: true }]
      : []),
    ...(rights.record ? [{ label: recordLabel, icon: 'record' as const, onSelect: record, narrow: true, testId: 'more-record' }] : []),
    {
      label: t(props.layout === 'speaker' ? 'gallery-view' : 'speaker-view'), testId: 'layout',
      icon: props.layout === 'speaker' ? 'grid' : 'stage',
      onSelect: () => props.setLayout(props.layout === 'speaker' ? 'gallery' : 'speaker'),
    },
    { label: t('data-saver'), icon: 'signal', checked: props.saver, onSelect: () => props.setSaver(!props.saver) },
    { label: t('data-used', { size: formatMegabytes(data.down + data.up) }), icon: 'signal', onSelect: props.onDataUse, testId: 'data-use' },
    { label: t('settings'), icon: 'settings', onSelect: props.onSettings, testId: 'settings' },
  ];
  const narrow = useNarrow();
  const leave: MenuItem[] = [
    { label: t('leave-class'), icon: 'leave', onSelect: () => void room.leave(), testId: 'leave-class' },
    { label: t('end-for-all'), icon: 'close', danger: true, onSelect: props.onEnd, testId: 'end-class' },
  ];
  return (
    <footer class="toolbar" role="group" aria-label={t('toolbar')}>
      <Tool
        icon={microphoneOn ? 'microphone' : 'microphone-off'}
        label={t(microphoneOn ? 'microphone-off' : 'microphone-on')}
        caption={t('mic')}
        on={microphoneOn}
        busy={state.microphone === 'starting'}
        tone={microphoneOn ? undefined : 'off'}
        disabled={!rights.microphone}
        onClick={() => room.setMicrophone(!microphoneOn)}
        testId="microphone"
      />
      <Tool
        icon={cameraOn ? 'camera' : 'camera-off'}
        label={t(cameraOn ? 'camera-turn-off' : 'camera-turn-on')}
        caption={t('cam')}
        on={cameraOn}
        busy={state.camera === 'starting'}
        tone={cameraOn ? undefined : 'off'}
        disabled={!rights.camera}
        onClick={() => room.setCamera(!cameraOn)}
        testId="camera"
      />
      <Tool
        icon="hand"
        label={t(hand ? 'lower-hand' : 'raise-hand')}
        caption={t('hand')}
        on={hand}
        tone={hand ? 'hand' : undefined}
        onClick={() => room.setHand(!hand)}
        testId="hand"
      />
      {!narrow && <ReactionPicker room={room} />}
      {!narrow && mayShare && (
        <Tool
          icon="screen"
          label={t(sharing ? 'stop-sharing' : 'share-screen')}
          caption={t('share')}
          on={sharing}
          busy={state.screen === 'starting'}
          onClick={() => room.setScreen(!sharing)}
          testId="screen"
        />
      )}
      <Tool
        icon="chat"
        label={props.unread > 0 ? `${t('chat')}, ${t('chat-new', { count: props.unread })}` : t('chat')}
        caption={t('chat')}
        on={panel === 'chat'}
        badge={props.unread}
        onClick={() => toggle('chat')}
        testId="chat"
      />
      {!narrow && (
        <Tool
          icon="people"
          label={t('people')}
          caption={t('people')}
          on={panel === 'people'}
          badge={rights.moderate ? raised : 0}
          onClick={() => toggle('people')}
          testId="people"
        />
      )}
      {!narrow && rights.record && (
        <Tool
          icon="record"
          label={recordLabel}
          caption={t('record')}
          on={state.recording.on}
          busy={state.recording.pending}
          tone={state.recording.on ? 'alert' : undefined}
          onClick={record}
          testId="record"
        />
      )}
      <Menu
        class="tool-menu up"
        label={t('more')}
        testId="more"
        items={more.filter((item) => narrow || !item.narrow)}
        button={
          <span class="tool as-span">
            <span class="tool-icon"><Icon name="more" /></span>
            <span class="tool-caption" aria-hidden="true">{t('more')}</span>
          </span>
        }
      />
      {rights.moderate && state.classId ? (
        <Menu
          class="tool-menu up end"
          label={t('leave')}
          testId="leave"
          items={leave}
          button={
            <span class="tool leave as-span">
              <span class="tool-icon"><Icon name="leave" /></span>
              <span class="tool-caption" aria-hidden="true">{t('leave')}</span>
            </span>
          }
        />
      ) : (
        <Tool icon="leave" label={t('leave-class')} caption={t('leave')} tone="leave" onClick={() => void room.leave()} testId="leave" />
      )}
    </footer>
  );
}

function ReactionPicker({ room }: { room: Classroom }) {
  return (
    <Menu
      class="tool-menu up reactions"
      label={t('react')}
      testId="react"
      items={Object.keys(REACTIONS).map((what) => ({
        label: `${REACTIONS[what] ?? ''} ${t(`reaction-${what}` as 'reaction-like')}`,
        onSelect: () => room.react(what),
        testId: `reaction-${what}`,
      }))}
      button={
        <span class="tool as-span">
          <span class="tool-icon"><Icon name="smile" /></span>
          <span class="tool-caption" aria-hidden="true">{t('react')}</span>
        </span>
      }
    />
  );
}

function useNarrow(): boolean {
  const query = useMemo(() => matchMedia('(max-width: 760px)'), []);
  const [narrow, setNarrow] = useState(query.matches);
  useEffect(() => {
    const change = (): void => setNarrow(query.matches);
    query.addEventListener('change', change);
    return () => query.removeEventListener('change', change);
  }, []);
  return narrow;
}

