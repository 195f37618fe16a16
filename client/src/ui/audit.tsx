/* Who did what, when: the newest first, a page of the server's log at a time. */
import { useState } from 'preact/hooks';
import { api, AuditEntry } from '../api';
import { formatDateTime, Key, t } from '../i18n';
import { Alert, Button, errorText } from './parts';

const ACTIONS = [
  'sign-in', 'sign-in-failed', 'enter', 'password', 'join', 'leave', 'kick', 'mute', 'recording-start', 'recording-stop', 'recording-view',
  'recording-download', 'recording-delete', 'role-change', 'person-create', 'person-change', 'person-delete', 'course-create', 'course-change',
  'course-delete', 'class-create', 'class-change', 'class-open', 'class-close', 'class-people', 'class-delete', 'organisation-change', 'export',
] as const;

const isKnown = (action: string): action is (typeof ACTIONS)[number] => (ACTIONS as readonly string[]).includes(action);

/** An action that this page does not know yet is shown by its name in the log. */
const actionText = (action: string): string => (isKnown(action) ? t(`audit-${action}` satisfies Key) : action);

/** The ids that an entry is about: its subject, and what its detail names. */
function subjects(entry: AuditEntry): string[] {
  let detail: unknown = null;
  try {
    detail = entry.detail ? JSON.parse(entry.detail) : null;
  } catch {
    // Kept as it is; the subject says enough.
  }
  const named = detail && typeof detail === 'object' ? Object.values(detail).filter((value) => typeof value === 'string') : [];
  return [...named, entry.subject].filter((id) => id && id !== entry.actor);
}

/** `known` gives what people call the things that entries name by id. */
export function Audit(props: { known: Map<string, string> }) {
  const [entries, setEntries] = useState<AuditEntry[] | null>(null);
  const [classes, setClasses] = useState(new Map<string, string>());
  const [ended, setEnded] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const nameOf = (id: string): string => (id === 'system' ? t('audit-system') : props.known.get(id) ?? classes.get(id) ?? id);
  const more = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      if (!entries) setClasses(new Map((await api.classes()).map((c) => [c.id, c.title])));
      const next = await api.audit(entries?.at(-1)?.number);
      setEntries([...(entries ?? []), ...next]);
      setEnded(next.length === 0 || next.at(-1)?.number === 1);
    } catch (failure) {
      setError(errorText(failure));
    }
    setBusy(false);
  };
  return (
    <section class="group">
      <header class="group-head">
        <h2>{t('audit')}</h2>
      </header>
      {error && <Alert>{error}</Alert>}
      {entries && (
        <div class="table-box">
          <table data-testid="audit">
            <thead>
              <tr>
                <th scope="col">{t('audit-when')}</th>
                <th scope="col">{t('audit-who')}</th>
                <th scope="col">{t('audit-what')}</th>
              </tr>
            </thead>
            <tbody>
              {entries.map((entry) => (
                <tr key={entry.number}>
                  <td>{formatDateTime(new Date(entry.at))}</td>
                  <td><bdi>{nameOf(entry.actor)}</bdi></td>
                  <td>
                    {actionText(entry.action)}{' '}
                    {subjects(entry).map((id) => (
                      <span class="tag" key={id}><bdi>{nameOf(id)}</bdi></span>
                    ))}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {!ended && (
        <Button busy={busy} onClick={() => void more()} testId="audit-more">
          {t(entries ? 'audit-older' : 'audit-show')}
        </Button>
      )}
    </section>
  );
}
