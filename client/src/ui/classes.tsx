/* My classes: what is open now, what comes, what was. */
import { useEffect, useState } from 'preact/hooks';
import { api, Course, Me, Policy, SchoolClass } from '../api';
import { formatDay, formatTime, t } from '../i18n';
import { Profile, profiles } from '../media/profile';
import { navigate } from '../router';
import { CodecsField, codecsText } from './codecs';
import { Icon } from './icons';
import {
  Alert, Avatar, Button, Check, Confirm, CopyField, Dialog, Empty, errorText, Field, Link, Loading, LoadFailed, Menu,
  MenuItem, Select, useLoaded, useTitle,
} from './parts';

const REFRESH_MS = 15_000;

const isStaff = (me: Me): boolean => me.user.role !== 'pupil';

type Open = { what: 'edit' | 'people' | 'delete' | 'end' | 'link'; of: SchoolClass } | { what: 'new' } | null;

export function Classes(props: { me: Me }) {
  const [loaded, again] = useLoaded(api.classes, []);
  const [open, setOpen] = useState<Open>(null);
  const { organisation } = props.me;
  useTitle(t('my-classes'));
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === 'visible') again();
    }, REFRESH_MS);
    return () => clearInterval(timer);
  }, []);
  if (loaded.error) return <LoadFailed error={loaded.error} retry={again} />;
  if (!loaded.data) return <Loading />;
  const all = loaded.data;
  const byStart = (a: SchoolClass, b: SchoolClass): number => (a.startsAt ?? '').localeCompare(b.startsAt ?? '');
  const groups = [
    { title: t('open-now'), list: all.filter((c) => c.state === 'open') },
    { title: t('planned'), list: all.filter((c) => c.state === 'planned').sort(byStart) },
    { title: t('past'), list: all.filter((c) => c.state === 'ended').sort((a, b) => byStart(b, a)) },
  ].filter((group) => group.list.length > 0);
  const done = (): void => {
    setOpen(null);
    again();
  };
  return (
    <div class="page">
      <header class="page-head">
        <h1>{t('my-classes')}</h1>
        {isStaff(props.me) && (
          <Button kind="primary" icon="plus" onClick={() => setOpen({ what: 'new' })} testId="new-class">
            {t('new-class')}
          </Button>
        )}
      </header>
      {groups.length === 0 && (
        <Empty icon="people" title={t('no-classes')}>
          <p>{t(isStaff(props.me) ? 'no-classes-teacher' : 'no-classes-pupil')}</p>
        </Empty>
      )}
      {groups.map((group) => (
        <section key={group.title} class="group">
          <h2>{group.title}</h2>
          <ul class="cards">
            {group.list.map((c) => (
              <ClassCard key={c.id} of={c} again={again} open={setOpen} />
            ))}
          </ul>
        </section>
      ))}
      {open?.what === 'new' && <ClassForm policy={organisation.policy} usual={organisation} onClose={() => setOpen(null)} onDone={done} />}
      {open?.what === 'edit' && <ClassForm of={open.of} policy={open.of.policy} usual={organisation} onClose={() => setOpen(null)} onDone={done} />}
      {open?.what === 'people' && <ClassPeople of={open.of} onClose={done} />}
      {open?.what === 'link' && open.of.guestLink && (
        <Dialog title={t('guest-link')} onClose={() => setOpen(null)}>
          <CopyField label={open.of.title} value={new URL(open.of.guestLink, location.origin).href} />
        </Dialog>
      )}
      {open?.what === 'end' && (
        <Confirm
          text={t('end-class-sure')}
          yes={t('end-class')}
          onNo={() => setOpen(null)}
          onYes={() => api.closeClass(open.of.id).then(done)}
        />
      )}
      {open?.what === 'delete' && (
        <Confirm
          text={t('delete-class-sure', { title: open.of.title })}
          yes={t('yes-delete')}
          onNo={() => setOpen(null)}
          onYes={() => api.deleteClass(open.of.id).then(done)}
        />
      )}
    </div>
  );
}

function when(c: SchoolClass): string | null {
  if (!c.startsAt) return null;
  const start = new Date(c.startsAt);
  const end = c.endsAt ? ` – ${formatTime(new Date(c.endsAt))}` : '';
  return `${formatDay(start)}, ${formatTime(start)}${end}`;
}

function ClassCard(props: { of: SchoolClass; again: () => void; open: (open: Open) => void }) {
  const c = props.of;
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const start = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      await api.openClass(c.id);
      navigate(`/class/${encodeURIComponent(c.id)}`);
    } catch (failure) {
      setError(errorText(failure));
      setBusy(false);
    }
  };
  const items: MenuItem[] = c.mayManage
    ? [
        { label: t('edit-class'), icon: 'edit', onSelect: () => props.open({ what: 'edit', of: c }), testId: 'class-edit' },
        { label: t('class-people'), icon: 'people', onSelect: () => props.open({ what: 'people', of: c }), testId: 'class-people' },
        {
          label: t('attendance'), icon: 'clock', testId: 'class-attendance',
          onSelect: () => navigate(`/class/${encodeURIComponent(c.id)}/attendance`),
        },
        ...(c.guestLink
          ? [{ label: t('guest-link'), icon: 'link' as const, onSelect: () => props.open({ what: 'link', of: c }), testId: 'class-guest-link' }]
          : []),
        ...(c.state === 'open'
          ? [{ label: t('end-class'), icon: 'leave' as const, danger: true, onSelect: () => props.open({ what: 'end', of: c }), testId: 'class-end' }]
          : []),
        { label: t('delete'), icon: 'trash', danger: true, onSelect: () => props.open({ what: 'delete', of: c }), testId: 'class-delete' },
      ]
    : [];
  const time = when(c);
  return (
    <li class={`card class-card ${c.state}`} data-testid="class-card" data-class={c.id} data-state={c.state}>
      <div class="card-main">
        {c.course && <p class="eyebrow">{c.course.title}</p>}
        <h3><bdi>{c.title}</bdi></h3>
        <p class="meta">
          {time && (
            <span>
              <Icon name="clock" /> {time}
            </span>
          )}
          {c.teachers.length > 0 && (
            <span dir="auto">{t('with-teacher', { name: c.teachers.map((teacher) => teacher.name).join(', ') })}</span>
          )}
          {c.state === 'open' && (
            <span class="live">
              <i aria-hidden="true" /> {t('people-count', { count: c.present })}
            </span>
          )}
        </p>
        {error && <Alert>{error}</Alert>}
      </div>
      <div class="card-actions">
        {c.state === 'open' && (
          <Link to={`/class/${encodeURIComponent(c.id)}`} class="button primary" testId="join-class">
            {t('join')}
          </Link>
        )}
        {c.state !== 'open' && c.mayManage && (
          <Button kind={c.state === 'planned' ? 'primary' : 'plain'} busy={busy} onClick={() => void start()} testId="open-class">
            {t('open-class')}
          </Button>
        )}
        {items.length > 0 && <Menu label={t('more')} button={<Icon name="more" />} items={items} testId="class-menu" class="end" />}
      </div>
    </li>
  );
}

const localInput = (iso: string | null | undefined): string => {
  if (!iso) return '';
  const date = new Date(iso);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
};

const toIso = (local: string): string | null => (local ? new Date(local).toISOString() : null);

const MAY = ['microphone', 'camera', 'screen', 'chat', 'private'] as const;

function PolicyFields(props: { policy: Policy; onChange: (policy: Policy) => void }) {
  const { policy } = props;
  return (
    <>
      <fieldset>
        <legend>{t('pupils-may')}</legend>
        {MAY.map((right) => (
          <Check
            key={right}
            label={t(`may-${right}`)}
            checked={policy.pupils[right]}
            onChange={(on) => props.onChange({ ...policy, pupils: { ...policy.pupils, [right]: on } })}
            testId={`may-${right}`}
          />
        ))}
      </fieldset>
      <Check
        label={t('allow-recording')}
        checked={policy.record}
        onChange={(record) => props.onChange({ ...policy, record })}
      />
    </>
  );
}

/** What classes do that have nothing of their own. */
type Usual = Pick<Me['organisation'], 'profile' | 'codecs'>;

function ClassForm(props: { of?: SchoolClass; policy: Policy; usual: Usual; onClose: () => void; onDone: () => void }) {
  const old = props.of;
  const [courses] = useLoaded<Course[]>(() => (old ? Promise.resolve([]) : api.courses().catch(() => [])), []);
  const [title, setTitle] = useState(old?.title ?? '');
  const [courseId, setCourseId] = useState('');
  const [starts, setStarts] = useState(localInput(old?.startsAt));
  const [ends, setEnds] = useState(localInput(old?.endsAt));
  const [guests, setGuests] = useState(old?.guests ?? false);
  const [policy, setPolicy] = useState(props.policy);
  const [profile, setProfile] = useState(old?.profile ?? null);
  const [codecs, setCodecs] = useState(old?.codecs ?? null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const save = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    const [startsAt, endsAt] = [toIso(starts), toIso(ends)];
    try {
      if (old) await api.changeClass(old.id, { title, startsAt, endsAt, guests, policy, profile, codecs });
      else {
        await api.createClass({
          title, guests, policy, profile, codecs, courseId: courseId || undefined, startsAt: startsAt ?? undefined, endsAt: endsAt ?? undefined,
        });
      }
      props.onDone();
    } catch (failure) {
      setError(errorText(failure));
      setBusy(false);
    }
  };
  return (
    <Dialog title={t(old ? 'edit-class' : 'new-class')} onClose={props.onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        {error && <Alert>{error}</Alert>}
        <Field label={t('class-title')} value={title} onInput={setTitle} required autofocus testId="class-title" />
        {!old && (courses.data?.length ?? 0) > 0 && (
          <Select
            label={t('course')}
            value={courseId}
            onChange={setCourseId}
            options={[{ value: '', label: t('no-course') }, ...(courses.data ?? []).map((c) => ({ value: c.id, label: c.title }))]}
          />
        )}
        <div class="columns">
          <Field label={t('starts')} type="datetime-local" value={starts} onInput={setStarts} />
          <Field label={t('ends')} type="datetime-local" value={ends} onInput={setEnds} />
        </div>
        <Check label={t('allow-guests')} checked={guests} onChange={setGuests} testId="class-guests" />
        <PolicyFields policy={policy} onChange={setPolicy} />
        <Select
          label={t('profile')}
          value={profile ?? ''}
          onChange={(value) => setProfile(value === '' ? null : (value as Profile))}
          options={[
            { value: '', label: t('profile-of-school', { profile: t(`profile-${props.usual.profile}`) }) },
            ...profiles.map((one) => ({ value: one, label: t(`profile-${one}`) })),
          ]}
          testId="class-profile"
        />
        <CodecsField
          label={t('codecs')}
          value={codecs}
          otherwise={t('profile-of-school', { profile: codecsText(props.usual.codecs) })}
          onChange={setCodecs}
          testId="class-codecs"
        />
        <div class="actions">
          <Button onClick={props.onClose}>{t('cancel')}</Button>
          <Button kind="primary" type="submit" busy={busy} testId="class-save">
            {t(old ? 'save' : 'create')}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

function ClassPeople(props: { of: SchoolClass; onClose: () => void }) {
  const [full, again] = useLoaded(() => api.class(props.of.id), [props.of.id]);
  const [known] = useLoaded(api.people, []);
  const [filter, setFilter] = useState('');
  const [error, setError] = useState<string | null>(null);
  const change = async (add: string[], remove: string[]): Promise<void> => {
    setError(null);
    try {
      await api.classPeople(props.of.id, add, remove);
      again();
    } catch (failure) {
      setError(errorText(failure));
    }
  };
  const inside = full.data?.people ?? [];
  const ids = new Set(inside.map((person) => person.id));
  const needle = filter.trim().toLocaleLowerCase();
  const others = (known.data ?? []).filter((p) => !p.disabled && !ids.has(p.id) && p.name.toLocaleLowerCase().includes(needle)).slice(0, 50);
  return (
    <Dialog title={`${t('class-people')}: ${props.of.title}`} onClose={props.onClose} wide>
      {error && <Alert>{error}</Alert>}
      <div class="columns">
        <section>
          <h3>{t('in-this-class')}</h3>
          {full.data && inside.length === 0 && <p class="note">{t('nobody-yet')}</p>}
          <ul class="rows">
            {inside.map((person) => (
              <li key={person.id}>
                <Avatar name={person.name} id={person.id} />
                <span dir="auto">{person.name}</span>
                <Button small kind="quiet" onClick={() => void change([], [person.id])}>
                  {t('remove')}
                </Button>
              </li>
            ))}
          </ul>
        </section>
        <section>
          <h3>{t('add-people')}</h3>
          <Field label={t('search')} type="search" value={filter} onInput={setFilter} />
          <ul class="rows">
            {others.map((person) => (
              <li key={person.id}>
                <Avatar name={person.name} id={person.id} />
                <span dir="auto">{person.name}</span>
                <Button small onClick={() => void change([person.id], [])}>
                  {t('add')}
                </Button>
              </li>
            ))}
          </ul>
        </section>
      </div>
    </Dialog>
  );
}
