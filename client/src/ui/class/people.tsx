/* Who is in the class; staff act from here. */
import { useState } from 'preact/hooks';
import type { Classroom } from '../../classroom/classroom';
import type { ClassState, Person } from '../../classroom/state';
import { t } from '../../i18n';
import { useStore } from '../../store';
import { Icon } from '../icons';
import { Avatar, Button, Confirm, Menu, MenuItem } from '../parts';

/** Raised hands first, in the order they went up; then staff; then by name. */
export function sortPeople(people: readonly Person[]): Person[] {
  const rank = (person: Person): number => (person.handAt ? 0 : person.self ? 1 : person.moderator ? 2 : 3);
  return [...people].sort(
    (a, b) => rank(a) - rank(b) || (a.handAt || 0) - (b.handAt || 0) || a.name.localeCompare(b.name),
  );
}

export function People(props: { room: Classroom; state: ClassState; writeTo: (id: string) => void }) {
  const { room, state } = props;
  const speaking = useStore(room.speaking);
  const [kicking, setKicking] = useState<Person | null>(null);
  const everyone = sortPeople([state.me, ...state.people]);
  const someSpeak = state.people.some((person) => person.microphoneOn && !person.moderator);
  return (
    <div class="people">
      {state.rights.moderate && (
        <Button small icon="microphone-off" disabled={!someSpeak} onClick={() => room.muteAll()} testId="mute-all">
          {t('mute-all')}
        </Button>
      )}
      <ul class="people-list" data-testid="people-list">
        {everyone.map((person) => (
          <li key={person.id || 'me'} class={speaking.has(person.id) ? 'speaking' : undefined} data-testid="person" data-endpoint={person.id}>
            <Avatar name={person.name} id={person.id || person.name} />
            <span class="person-name">
              <span dir="auto">{person.self ? t('you-name', { name: person.name }) : person.name}</span>
              {person.moderator && <small>{t('teacher')}</small>}
              {!person.connected && <small class="wrong">{t('connection-lost')}</small>}
            </span>
            {person.handAt > 0 && (
              <span class="flag hand" title={t('hand-up')}>
                <Icon name="hand" />
                <span class="visually-hidden">{t('hand-up')}</span>
              </span>
            )}
            {person.screenOn && <span class="flag"><Icon name="screen" /></span>}
            <span class={person.microphoneOn ? 'flag' : 'flag off'}>
              <Icon name={person.microphoneOn ? 'microphone' : 'microphone-off'} />
              {!person.microphoneOn && <span class="visually-hidden">{t('muted')}</span>}
            </span>
            <Actions room={room} state={state} person={person} onKick={() => setKicking(person)} writeTo={props.writeTo} />
          </li>
        ))}
      </ul>
      {kicking && (
        <Confirm
          text={t('kick-sure', { name: kicking.name })}
          yes={t('kick')}
          onNo={() => setKicking(null)}
          onYes={() => {
            room.kick(kicking.id);
            setKicking(null);
          }}
        />
      )}
    </div>
  );
}

interface ActionsProps {
  room: Classroom;
  state: ClassState;
  person: Person;
  onKick: () => void;
  writeTo: (id: string) => void;
}

function Actions({ room, state, person, onKick, writeTo }: ActionsProps) {
  if (person.self) return <span class="no-menu" />;
  const { rights } = state;
  const items: MenuItem[] = [];
  if (rights.chat && rights.private) {
    items.push({ label: t('message-person'), icon: 'chat', onSelect: () => writeTo(person.id), testId: 'private-message' });
  }
  if (rights.moderate) {
    items.push(
      person.microphoneOn
        ? { label: t('mute-person'), icon: 'microphone-off', onSelect: () => room.mute(person.id, 'audio'), testId: 'mute-person' }
        : { label: t('ask-microphone'), icon: 'microphone', onSelect: () => room.request(person.id, 'microphone'), testId: 'ask-microphone' },
      person.cameraOn
        ? { label: t('camera-off-person'), icon: 'camera-off', onSelect: () => room.mute(person.id, 'video'), testId: 'camera-off-person' }
        : { label: t('ask-camera'), icon: 'camera', onSelect: () => room.request(person.id, 'camera'), testId: 'ask-camera' },
    );
    if (person.screenOn) {
      items.push({ label: t('screen-off-person'), icon: 'screen', onSelect: () => room.mute(person.id, 'desktop'), testId: 'screen-off-person' });
    }
    if (!person.moderator) {
      items.push(
        { label: t('make-moderator'), icon: 'star', onSelect: () => room.grantModerator(person.id), testId: 'make-moderator' },
        { label: t('kick'), icon: 'leave', danger: true, onSelect: onKick, testId: 'kick' },
      );
    }
  }
  if (items.length === 0) return <span class="no-menu" />;
  return (
    <Menu class="end" label={t('actions-for', { name: person.name })} button={<Icon name="more" />} items={items} testId="person-menu" />
  );
}
