/* Messages to all and, where allowed, to one. The list is bounded; only its end is in the page. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Classroom } from '../../classroom/classroom';
import type { ChatEntry, ClassState } from '../../classroom/state';
import { formatTime, t } from '../../i18n';
import { useStore } from '../../store';
import { Button, Select } from '../parts';

const DRAWN = 80;

interface Props {
  room: Classroom;
  state: ClassState;
  to: string | null;
  setTo: (id: string | null) => void;
}

export function Chat(props: Props) {
  const { room, state } = props;
  const entries = useStore(room.chat);
  const [draft, setDraft] = useState('');
  const [drawn, setDrawn] = useState(DRAWN);
  const list = useRef<HTMLOListElement>(null);
  const stuck = useRef(true);
  const input = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    // Whoever opened the chat wants to write; on a telephone the keyboard would hide what there is to read.
    if (matchMedia('(hover: hover)').matches) input.current?.focus();
  }, [props.to]);
  useEffect(() => {
    const box = list.current;
    if (box && stuck.current) box.scrollTop = box.scrollHeight;
  }, [entries]);
  const recipient = props.to ? (state.people.find((person) => person.id === props.to) ?? null) : null;
  const send = (): void => {
    if (!draft.trim()) return;
    stuck.current = true;
    room.say(draft, recipient?.id ?? null);
    setDraft('');
  };
  const shown = entries.slice(-drawn);
  return (
    <div class="chat">
      <ol
        class="chat-list"
        ref={list}
        role="log"
        aria-live="polite"
        aria-label={t('chat')}
        tabIndex={0}
        data-testid="chat-list"
        onScroll={(event) => {
          const box = event.currentTarget;
          stuck.current = box.scrollHeight - box.scrollTop - box.clientHeight < 60;
        }}
      >
        {entries.length > shown.length && (
          <li class="chat-earlier">
            <Button small kind="quiet" onClick={() => setDrawn(drawn + DRAWN)}>
              {t('chat-earlier')}
            </Button>
          </li>
        )}
        {entries.length === 0 && <li class="note">{t('chat-empty')}</li>}
        {shown.map((entry, i) => (
          <Message key={`${entry.from} ${entry.id}`} entry={entry} before={shown[i - 1]} names={state} />
        ))}
      </ol>
      {state.rights.chat ? (
        <form
          class="chat-form"
          onSubmit={(event) => {
            event.preventDefault();
            send();
          }}
        >
          {state.rights.private && (
            <Select
              label={t('chat-to')}
              value={recipient?.id ?? ''}
              onChange={(id) => props.setTo(id || null)}
              testId="chat-to"
              options={[
                { value: '', label: t('chat-everyone') },
                ...state.people.map((person) => ({ value: person.id, label: person.name })),
              ]}
            />
          )}
          <div class="chat-line">
            <textarea
              ref={input}
              rows={1}
              value={draft}
              placeholder={t('chat-placeholder')}
              aria-label={t('chat-placeholder')}
              maxLength={2000}
              dir="auto"
              data-testid="chat-input"
              onInput={(event) => setDraft(event.currentTarget.value)}
              onKeyDown={(event) => {
                if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
                event.preventDefault();
                send();
              }}
            />
            <Button kind="primary" type="submit" icon="send" label={t('chat-send')} testId="chat-send" />
          </div>
        </form>
      ) : (
        <p class="note chat-closed">{t('chat-closed')}</p>
      )}
    </div>
  );
}

const SAME_SPEAKER_MS = 3 * 60_000;

function Message(props: { entry: ChatEntry; before: ChatEntry | undefined; names: ClassState }) {
  const { entry, before } = props;
  const follows =
    before !== undefined && before.from === entry.from && before.private === entry.private && before.to === entry.to &&
    entry.at - before.at < SAME_SPEAKER_MS;
  const recipient = entry.to ? (props.names.people.find((person) => person.id === entry.to)?.name ?? '') : '';
  let who = entry.own ? t('you') : entry.name;
  if (entry.private) who = entry.own ? t('chat-private-to', { name: recipient }) : t('chat-private-from', { name: entry.name });
  return (
    <li
      class={`message${entry.own ? ' own' : ''}${entry.private ? ' private' : ''}${entry.failed ? ' failed' : ''}`}
      data-testid="message"
      data-private={String(entry.private)}
    >
      {!follows && (
        <p class="message-head">
          <strong dir="auto">{who}</strong>
          <time dir="ltr">{formatTime(entry.at)}</time>
        </p>
      )}
      <p class="message-text" dir="auto">{entry.text}</p>
      {entry.failed && <p class="note wrong">{t('chat-failed')}</p>}
    </li>
  );
}
