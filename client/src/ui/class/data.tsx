/* What this lesson takes of somebody's data bundle, and how much it may. */
import { useEffect, useState } from 'preact/hooks';
import type { Classroom } from '../../classroom/classroom';
import { DataUse, expected, MEGABYTE } from '../../classroom/meter';
import { formatMegabytes, formatTime, t } from '../../i18n';
import { useStore } from '../../store';
import { Button, Dialog, Select } from '../parts';

const CAPS = [5, 10, 20, 50, 100, 200, 500];
const HOUR_S = 3_600;

function Row(props: { label: string; value: string; testId: string; bytes?: number }) {
  return (
    <div>
      <dt>{props.label}</dt>
      <dd data-testid={props.testId} data-bytes={props.bytes === undefined ? undefined : Math.round(props.bytes)}>
        <bdi>{props.value}</bdi>
      </dd>
    </div>
  );
}

/** What the limit does at this moment, in words. */
function stepText({ step, cap }: DataUse): string {
  if (cap === null) return '';
  return step === 'free' ? t('data-limit-lead') : t(`notice-data-${step}`, { cap });
}

export function DataDialog(props: { room: Classroom; endsAt: string | null; onClose: () => void }) {
  const { meter } = props.room;
  const use = useStore(meter.use);
  const [now, setNow] = useState(Date.now());
  useEffect(() => setNow(Date.now()), [use]);
  const end = props.endsAt === null ? null : Date.parse(props.endsAt);
  const whole = expected(use, now, end);
  const caps = use.cap === null || CAPS.includes(use.cap) ? CAPS : [...CAPS, use.cap].sort((a, b) => a - b);
  return (
    <Dialog title={t('data-use')} onClose={props.onClose}>
      <dl class="data-rows">
        <Row label={t('data-so-far')} value={formatMegabytes(use.down + use.up)} testId="data-so-far" bytes={use.down + use.up} />
        <Row
          label={t('data-now')}
          value={t('data-an-hour', { size: formatMegabytes((use.rate / 8) * HOUR_S), rate: Math.round(use.rate / 1_000) })}
          testId="data-now"
        />
        {whole !== null && end !== null && (
          <Row label={t('data-at-end', { time: formatTime(end) })} value={t('data-about', { size: formatMegabytes(whole) })} testId="data-at-end" />
        )}
      </dl>
      <p class="note">{t('data-how-counted')}</p>
      <Select
        label={t('data-limit')}
        value={use.cap === null ? '' : String(use.cap)}
        options={[
          { value: '', label: t('data-no-limit') },
          ...caps.map((cap) => ({ value: String(cap), label: formatMegabytes(cap * MEGABYTE) })),
        ]}
        onChange={(value) => meter.setCap(value === '' ? null : Number(value))}
        testId="data-limit"
      />
      <p class="note" role="status" data-testid="data-step" data-step={use.step}>{stepText(use)}</p>
      {use.step !== 'free' && (
        <Button kind="primary" onClick={() => meter.lift()} testId="data-lift">
          {t('data-lift')}
        </Button>
      )}
    </Dialog>
  );
}
