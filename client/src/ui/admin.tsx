/* Administration of a small school: its name, its people, its courses, and who did what. */
import { useState } from 'preact/hooks';
import { api, Course, Person, Role } from '../api';
import { t } from '../i18n';
import { Profile, profiles } from '../media/profile';
import { session } from '../session';
import { Audit } from './audit';
import { CodecsField, codecsText } from './codecs';
import { Icon } from './icons';
import {
  Alert, Avatar, Button, Confirm, CopyField, Dialog, Empty, errorText, Field, Loading, LoadFailed, Menu, Select, useLoaded,
  useTitle,
} from './parts';

const ROLES: readonly Role[] = ['pupil', 'teacher', 'admin'];
const roleOptions = (): { value: string; label: string }[] => ROLES.map((role) => ({ value: role, label: t(`role-${role}`) }));

type Open =
  | { what: 'new-person' }
  | { what: 'person'; person: Person }
  | { what: 'invite'; person: Person }
  | { what: 'delete-person'; person: Person }
  | { what: 'course'; course: Course | null }
  | { what: 'delete-course'; course: Course }
  | { what: 'organisation' }
  | null;

export function Admin() {
  const [people, againPeople] = useLoaded(api.people, []);
  const [courses, againCourses] = useLoaded(api.courses, []);
  const [open, setOpen] = useState<Open>(null);
  const [error, setError] = useState<string | null>(null);
  useTitle(t('administration'));
  const refresh = (): void => {
    againPeople();
    againCourses();
  };
  if (people.error) return <LoadFailed error={people.error} retry={refresh} />;
  if (!people.data) return <Loading />;
  const school = session.value?.organisation;
  const known = new Map([
    ...(school ? [[school.id, school.name] as const] : []),
    ...people.data.map((person) => [person.id, person.name] as const),
    ...(courses.data ?? []).map((course) => [course.id, course.title] as const),
  ]);
  const close = (): void => setOpen(null);
  const done = (): void => {
    close();
    refresh();
  };
  const act = async (work: Promise<Person>, showInvite: boolean): Promise<void> => {
    setError(null);
    try {
      const person = await work;
      refresh();
      if (showInvite && person.invite) setOpen({ what: 'invite', person });
    } catch (failure) {
      setError(errorText(failure));
    }
  };
  return (
    <div class="page">
      <header class="page-head">
        <h1>{t('administration')}</h1>
        <Button icon="edit" onClick={() => setOpen({ what: 'organisation' })} testId="organisation">
          {t('organisation-settings')}
        </Button>
      </header>
      {error && <Alert>{error}</Alert>}
      <section class="group">
        <header class="group-head">
          <h2>{t('people')}</h2>
          <Button kind="primary" icon="plus" onClick={() => setOpen({ what: 'new-person' })} testId="new-person">
            {t('new-person')}
          </Button>
        </header>
        <PeopleTable people={people.data} open={setOpen} act={act} />
      </section>
      <section class="group">
        <header class="group-head">
          <h2>{t('courses')}</h2>
          <Button icon="plus" onClick={() => setOpen({ what: 'course', course: null })} testId="new-course">
            {t('new-course')}
          </Button>
        </header>
        {courses.data?.length === 0 && <Empty icon="list" title={t('no-courses')} />}
        <ul class="cards">
          {courses.data?.map((course) => (
            <li key={course.id} class="card" data-testid="course">
              <div class="card-main">
                <h3><bdi>{course.title}</bdi></h3>
                <p class="meta">
                  <span dir="auto">{course.teachers.map((teacher) => teacher.name).join(', ')}</span>
                  <span>{t('pupils-count', { count: course.pupils.length })}</span>
                </p>
              </div>
              <div class="card-actions">
                <Button kind="quiet" icon="edit" label={t('edit-course')} onClick={() => setOpen({ what: 'course', course })} testId="edit-course" />
                <Button kind="quiet" icon="trash" label={t('delete')} onClick={() => setOpen({ what: 'delete-course', course })} />
              </div>
            </li>
          ))}
        </ul>
      </section>
      <Audit known={known} />
      {open?.what === 'organisation' && <OrganisationForm onClose={close} />}
      {open?.what === 'new-person' && (
        <PersonForm
          onClose={close}
          onDone={(person) => {
            refresh();
            setOpen(person.invite ? { what: 'invite', person } : null);
          }}
        />
      )}
      {open?.what === 'person' && <PersonForm person={open.person} onClose={close} onDone={done} />}
      {open?.what === 'invite' && open.person.invite && (
        <Dialog title={t('invite-link')} onClose={close}>
          <p>{t('invite-lead', { name: open.person.name })}</p>
          <CopyField label={t('invite-link')} value={new URL(open.person.invite, location.origin).href} />
        </Dialog>
      )}
      {open?.what === 'delete-person' && (
        <Confirm
          text={t('delete-person-sure', { name: open.person.name })}
          yes={t('yes-delete')}
          onNo={close}
          onYes={() => api.deletePerson(open.person.id).then(done)}
        />
      )}
      {open?.what === 'course' && <CourseForm course={open.course} people={people.data} onClose={close} onDone={done} />}
      {open?.what === 'delete-course' && (
        <Confirm
          text={t('delete-course-sure', { title: open.course.title })}
          yes={t('yes-delete')}
          onNo={close}
          onYes={() => api.deleteCourse(open.course.id).then(done)}
        />
      )}
    </div>
  );
}

function OrganisationForm(props: { onClose: () => void }) {
  const me = session.value;
  const [name, setName] = useState(me?.organisation.name ?? '');
  const [profile, setProfile] = useState<Profile>(me?.organisation.profile ?? 'rich');
  const [codecs, setCodecs] = useState(me?.organisation.codecs ?? null);
  const [error, setError] = useState<string | null>(null);
  const save = async (): Promise<void> => {
    try {
      await api.changeOrganisation({ name, profile, codecs });
      session.set(await api.me());
      props.onClose();
    } catch (failure) {
      setError(errorText(failure));
    }
  };
  return (
    <Dialog title={t('organisation-settings')} onClose={props.onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        {error && <Alert>{error}</Alert>}
        <Field label={t('name')} value={name} onInput={setName} required autofocus testId="organisation-name" />
        <Select
          label={t('profile-default')}
          value={profile}
          onChange={(value) => setProfile(value as Profile)}
          options={profiles.map((one) => ({ value: one, label: t(`profile-${one}`) }))}
          testId="organisation-profile"
        />
        <CodecsField
          label={t('codecs-default')}
          value={codecs}
          otherwise={codecsText(null)}
          onChange={setCodecs}
          testId="organisation-codecs"
        />
        <div class="actions">
          <Button onClick={props.onClose}>{t('cancel')}</Button>
          <Button kind="primary" type="submit" testId="organisation-save">{t('save')}</Button>
        </div>
      </form>
    </Dialog>
  );
}

interface TableProps {
  people: Person[];
  open: (open: Open) => void;
  act: (work: Promise<Person>, showInvite: boolean) => Promise<void>;
}

function PeopleTable({ people, open, act }: TableProps) {
  const [filter, setFilter] = useState('');
  const needle = filter.trim().toLocaleLowerCase();
  const shown = people.filter((p) => `${p.name} ${p.account}`.toLocaleLowerCase().includes(needle));
  const me = session.value?.user.id;
  return (
    <>
      {people.length > 12 && <Field label={t('search')} type="search" value={filter} onInput={setFilter} />}
      <div class="table-box">
        <table data-testid="people-table">
          <thead>
            <tr>
              <th scope="col">{t('name')}</th>
              <th scope="col">{t('role')}</th>
              <th><span class="visually-hidden">{t('more')}</span></th>
            </tr>
          </thead>
          <tbody>
            {shown.map((person) => (
              <tr key={person.id} class={person.disabled ? 'faded' : undefined} data-testid="person-row">
                <th scope="row">
                  <span class="with-avatar">
                    <Avatar name={person.name} id={person.id} />
                    <span>
                      <bdi>{person.name}</bdi>
                      <small dir="ltr">{person.account}</small>
                    </span>
                  </span>
                </th>
                <td>
                  {t(`role-${person.role}`)}
                  {person.disabled && <span class="tag">{t('disabled')}</span>}
                </td>
                <td class="end">
                  <Menu
                    class="end"
                    label={t('actions-for', { name: person.name })}
                    button={<Icon name="more" />}
                    testId="person-actions"
                    items={[
                      { label: t('name'), icon: 'edit', onSelect: () => open({ what: 'person', person }) },
                      {
                        label: t('reset-password'), icon: 'link', testId: 'reset-password',
                        onSelect: () => void act(api.changePerson(person.id, { resetPassword: true }), true),
                      },
                      ...(person.id === me
                        ? []
                        : [
                            {
                              label: t(person.disabled ? 'enable' : 'disable'), icon: 'warning' as const,
                              onSelect: () => void act(api.changePerson(person.id, { disabled: !person.disabled }), false),
                            },
                            { label: t('delete'), icon: 'trash' as const, danger: true, onSelect: () => open({ what: 'delete-person', person }) },
                          ]),
                    ]}
                  />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function PersonForm(props: { person?: Person; onClose: () => void; onDone: (person: Person) => void }) {
  const old = props.person;
  const [name, setName] = useState(old?.name ?? '');
  const [account, setAccount] = useState(old?.account ?? '');
  const [role, setRole] = useState<Role>(old?.role ?? 'pupil');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const save = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      props.onDone(await (old ? api.changePerson(old.id, { name, role }) : api.createPerson({ name, account: account.trim(), role })));
    } catch (failure) {
      setError(errorText(failure));
      setBusy(false);
    }
  };
  return (
    <Dialog title={old ? old.name : t('new-person')} onClose={props.onClose}>
      {!old && <p>{t('new-person-lead')}</p>}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        {error && <Alert>{error}</Alert>}
        <Field label={t('name')} value={name} onInput={setName} required autofocus testId="person-name" />
        {!old && <Field label={t('account')} value={account} onInput={setAccount} required plainText testId="person-account" />}
        <Select label={t('role')} value={role} options={roleOptions()} onChange={(value) => setRole(value as Role)} testId="person-role" />
        <div class="actions">
          <Button onClick={props.onClose}>{t('cancel')}</Button>
          <Button kind="primary" type="submit" busy={busy} testId="person-save">
            {t(old ? 'save' : 'create')}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

interface CourseProps {
  course: Course | null;
  people: Person[];
  onClose: () => void;
  onDone: () => void;
}

function CourseForm(props: CourseProps) {
  const { course } = props;
  const [title, setTitle] = useState(course?.title ?? '');
  const [teachers, setTeachers] = useState(new Set(course?.teachers.map((p) => p.id)));
  const [pupils, setPupils] = useState(new Set(course?.pupils.map((p) => p.id)));
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const save = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    const body = { title, teacherIds: [...teachers], pupilIds: [...pupils] };
    try {
      await (course ? api.changeCourse(course.id, body) : api.createCourse(body));
      props.onDone();
    } catch (failure) {
      setError(errorText(failure));
      setBusy(false);
    }
  };
  const active = props.people.filter((person) => !person.disabled);
  return (
    <Dialog title={t(course ? 'edit-course' : 'new-course')} onClose={props.onClose} wide>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        {error && <Alert>{error}</Alert>}
        <Field label={t('class-title')} value={title} onInput={setTitle} required autofocus testId="course-title" />
        <div class="columns">
          <Picker title={t('teachers')} people={active.filter((p) => p.role !== 'pupil')} chosen={teachers} setChosen={setTeachers} />
          <Picker title={t('pupils')} people={active.filter((p) => p.role === 'pupil')} chosen={pupils} setChosen={setPupils} />
        </div>
        <div class="actions">
          <Button onClick={props.onClose}>{t('cancel')}</Button>
          <Button kind="primary" type="submit" busy={busy} testId="course-save">
            {t(course ? 'save' : 'create')}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

function Picker(props: { title: string; people: Person[]; chosen: Set<string>; setChosen: (ids: Set<string>) => void }) {
  const toggle = (id: string, on: boolean): void => {
    const next = new Set(props.chosen);
    if (on) next.add(id);
    else next.delete(id);
    props.setChosen(next);
  };
  return (
    <fieldset class="picker">
      <legend>{props.title}</legend>
      {props.people.length === 0 && <p class="note">{t('nobody-yet')}</p>}
      {props.people.map((person) => (
        <label class="check" key={person.id}>
          <input type="checkbox" checked={props.chosen.has(person.id)} onChange={(event) => toggle(person.id, event.currentTarget.checked)} />
          <span dir="auto">{person.name}</span>
        </label>
      ))}
    </fieldset>
  );
}
