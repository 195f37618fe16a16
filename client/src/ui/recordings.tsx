/* The list of recordings, and the pieces that tell how far one is. */
import { useEffect, useState } from 'preact/hooks';
import { api, Recording } from '../api';
import { formatDateTime, formatDuration, t } from '../i18n';
import { Icon } from './icons';
import { Button, Confirm, Empty, Link, Loading, LoadFailed, useLoaded, useTitle } from './parts';

const POLL_MS = 5_000;

const percent = (part: number | undefined): number => Math.round(100 * Math.min(1, Math.max(0, part ?? 0)));

export function Progress(props: { recording: Recording }) {
  const { recording } = props;
  if (recording.state === 'recording' || recording.state === 'failed') return null;
  const done = percent(recording.progress?.tracks);
  return (
    <div class="progress" role="progressbar" aria-label={t('state-processing')} aria-valuemin={0} aria-valuemax={100} aria-valuenow={done}>
      <i style={{ width: `${done}%` }} />
    </div>
  );
}

/** Files to keep, or how far they are. */
export function Downloads(props: { recording: Recording }) {
  const { recording } = props;
  if (recording.state !== 'ready') return null;
  const rows = [
    { key: 'mp4', url: recording.files.mp4, label: t('download-video'), wait: t('preparing-video', { percent: percent(recording.progress?.mp4) }) },
    { key: 'audio', url: recording.files.audio, label: t('download-audio'), wait: t('preparing-audio', { percent: percent(recording.progress?.audio) }) },
  ];
  return (
    <div class="downloads">
      {rows.map((row) =>
        row.url ? (
          <a key={row.key} class="button plain small" href={row.url} download data-testid={`download-${row.key}`}>
            <Icon name="download" />
            <span>{row.label}</span>
          </a>
        ) : (
          <span key={row.key} class="note" data-testid={`preparing-${row.key}`}>
            {row.wait}
          </span>
        ),
      )}
    </div>
  );
}

const STATES = { recording: 'state-recording', processing: 'state-processing', failed: 'state-failed' } as const;

export function Recordings() {
  const [loaded, again] = useLoaded(api.recordings, []);
  const [deleting, setDeleting] = useState<Recording | null>(null);
  useTitle(t('recordings'));
  const unfinished = loaded.data?.some((r) => r.state === 'recording' || r.state === 'processing' || !r.files.mp4) ?? false;
  useEffect(() => {
    if (!unfinished) return;
    const timer = setInterval(again, POLL_MS);
    return () => clearInterval(timer);
  }, [unfinished]);
  if (loaded.error) return <LoadFailed error={loaded.error} retry={again} />;
  if (!loaded.data) return <Loading />;
  return (
    <div class="page">
      <header class="page-head">
        <h1>{t('recordings')}</h1>
      </header>
      {loaded.data.length === 0 && (
        <Empty icon="record" title={t('no-recordings')}>
          <p>{t('no-recordings-lead')}</p>
        </Empty>
      )}
      <ul class="cards">
        {loaded.data.map((recording) => (
          <li key={recording.id} class="card" data-testid="recording" data-recording={recording.id} data-state={recording.state}>
            <div class="card-main">
              <h2><bdi>{recording.class.title}</bdi></h2>
              <p class="meta">
                <span>
                  <Icon name="clock" /> {formatDateTime(new Date(recording.startedAt))}
                </span>
                {recording.duration !== null && recording.duration > 0 && <span dir="ltr">{formatDuration(recording.duration)}</span>}
                {recording.state !== 'ready' && (
                  <span class={recording.state === 'recording' ? 'live red' : 'tag'}>
                    {recording.state === 'recording' && <i aria-hidden="true" />}
                    {t(STATES[recording.state])}
                  </span>
                )}
              </p>
              {recording.state === 'processing' && <Progress recording={recording} />}
              <Downloads recording={recording} />
            </div>
            <div class="card-actions">
              {recording.state === 'ready' && (
                <Link to={`/recordings/${encodeURIComponent(recording.id)}`} class="button primary" testId="watch">
                  {t('watch')}
                </Link>
              )}
              {recording.mayDelete && recording.state !== 'recording' && (
                <Button kind="quiet" icon="trash" label={t('delete')} onClick={() => setDeleting(recording)} testId="delete-recording" />
              )}
            </div>
          </li>
        ))}
      </ul>
      {deleting && (
        <Confirm
          text={t('delete-recording-sure', { title: deleting.class.title })}
          yes={t('yes-delete')}
          onNo={() => setDeleting(null)}
          onYes={() =>
            api.deleteRecording(deleting.id).then(() => {
              setDeleting(null);
              again();
            })
          }
        />
      )}
    </div>
  );
}
