/* The line to the class, measured for ten seconds before it begins, and told in words. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, Join } from '../../api';
import { formatMegabytes, Key, t } from '../../i18n';
import { savesData } from '../../media/profile';
import type { Bytes } from '../../media/traffic';
import { adopt } from '../../preflight/adopt';
import { measure, Progress } from '../../preflight/measure';
import { Finding, judgeLine, Measurement, Remark, Verdict } from '../../preflight/verdict';
import { Icon } from '../icons';
import { Alert, Button, errorText } from '../parts';

interface Result {
  line: Measurement;
  verdict: Verdict;
  /** What holds on this device now; null: nothing does. */
  adapted: boolean;
}

const TONES: Record<Finding, 'good' | 'fair' | 'poor'> = {
  all: 'good', small: 'fair', voice: 'fair', barely: 'poor', blocked: 'poor', unreachable: 'poor',
};

const percent = (part: number): string => `${Math.round(part * 1_000) / 10} %`;
const kilobits = (bps: number): string => t('check-kbps', { rate: Math.round(bps / 1_000) });

function valuesOf(line: Measurement): Record<string, string | number> {
  return {
    port: line.udpPort, host: line.host, percent: percent(Math.max(line.lossDown, line.lossUp)), ms: Math.round(line.rttMs),
    tcp: line.tcpPort || 443,
  };
}

function findingText({ line, verdict }: Result): string {
  // Signalling alone goes through: which door is shut is known only after an offer named it.
  if (verdict.finding === 'blocked' && !line.udpPort) return t('check-unreachable');
  return t(`check-${verdict.finding}`, valuesOf(line));
}

function Details({ line }: { line: Measurement }) {
  const { way } = line;
  const rows: [Key, string[]][] = way
    ? [
        ['check-way', [t(`check-way-${way.kind}`), `${way.address}:${way.port}`]],
        ['check-rtt', [`${Math.round(line.rttMs)} ms`]],
        ['check-jitter', [`${Math.round(line.jitterMs)} ms`]],
        ['check-loss', [`↓ ${percent(line.lossDown)}`, `↑ ${percent(line.lossUp)}`]],
        ['check-rate', [`↓ ${kilobits(line.down)}`, `↑ ${kilobits(line.up)}`]],
        ['check-tried', [kilobits(line.tried)]],
      ]
    : [['check-way', [t('check-way-none')]]];
  rows.push(['check-ports', [line.host, `UDP ${line.udpPort || '?'}`, `TCP ${line.tcpPort || '?'}`]]);
  rows.push(['check-cost', [formatMegabytes(line.spent.down + line.spent.up + line.fetched)]]);
  return (
    <details class="devices" data-testid="check-details">
      <summary>{t('check-details')}</summary>
      <dl class="data-rows">
        {rows.map(([key, values]) => (
          <div key={key}>
            <dt>{t(key)}</dt>
            <dd data-testid={key}>{values.map((value) => <bdi key={value}>{value}</bdi>)}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}

function Told({ result }: { result: Result }) {
  const { verdict, line, adapted } = result;
  const tone = TONES[verdict.finding];
  return (
    <div class={`finding ${tone}`} data-testid="check-finding" data-finding={verdict.finding} data-remarks={verdict.remarks.join(' ')}>
      <p>
        <Icon name={tone === 'good' ? 'check' : 'warning'} />
        <strong>{findingText(result)}</strong>
      </p>
      {verdict.remarks.map((remark: Remark) => (
        <p key={remark}>{t(`check-note-${remark}`, valuesOf(line))}</p>
      ))}
      {adapted && <p>{t('check-adapted')}</p>}
    </div>
  );
}

export interface PreflightProps {
  ask: () => Promise<Join>;
  onDone: () => void;
  byHand: boolean;
  /** The lesson's data count it too. */
  onSpent: (bytes: Bytes) => void;
}

export function Preflight(props: PreflightProps) {
  const box = useRef<HTMLDivElement>(null);
  const [turn, setTurn] = useState(0);
  const [progress, setProgress] = useState<Progress | null>(null);
  const [result, setResult] = useState<Result | null>(null);
  const [error, setError] = useState<unknown>(null);
  // The button that began it is gone: whoever uses a keyboard goes on from here.
  useEffect(() => {
    if (props.byHand) box.current?.focus();
  }, []);
  useEffect(() => {
    const abort = new AbortController();
    const saving = savesData();
    setResult(null);
    setError(null);
    measure(props.ask, saving, abort.signal, setProgress)
      .then(
        (line) => {
          props.onSpent(line.spent);
          if (abort.signal.aborted) return;
          const verdict = judgeLine(line, saving);
          const adapted = verdict.profile !== undefined && adopt(verdict.profile) !== null;
          setResult({ line, verdict, adapted });
        },
        (failure: unknown) => {
          if (!abort.signal.aborted) setError(failure);
        },
      )
      .finally(() => {
        if (!abort.signal.aborted) setProgress(null);
      });
    // Whoever joins meanwhile needs the line for the class.
    return () => abort.abort();
  }, [turn]);
  return (
    <div class="line-check" ref={box} tabIndex={-1} data-testid="line-check" data-state={progress ? 'busy' : 'done'}>
      <div role="status" aria-live="polite">
        {progress && <p>{t(`check-${progress.stage}`)}</p>}
        {result && <Told result={result} />}
      </div>
      {progress && <progress max={1} value={progress.stage === 'measuring' ? progress.part : undefined} aria-label={t('check-line')} />}
      {error !== null && <Alert>{error instanceof ApiError ? errorText(error) : t('check-failed')}</Alert>}
      {result && <Details line={result.line} />}
      <div class="actions">
        {progress ? (
          <Button small kind="quiet" onClick={props.onDone} testId="check-stop">{t('cancel')}</Button>
        ) : (
          <Button small kind="quiet" onClick={() => setTurn(turn + 1)} testId="check-again">{t('check-again')}</Button>
        )}
      </div>
    </div>
  );
}
