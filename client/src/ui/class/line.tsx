/* The way to the measurement of somebody's line: a button, and the wish to have it done each time. Its code comes when asked for. */
import type { ComponentType } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { formatMegabytes, t } from '../../i18n';
import { savesData } from '../../media/profile';
import { Alert, Button, Check } from '../parts';
import type { PreflightProps } from './preflight';

const EACH_TIME = 'darasa-check-line';
/** What `preflight/measure` keeps to. */
const COST = { sparing: 500_000, full: 1_500_000 };

type Preflight = ComponentType<PreflightProps>;

function wanted(): boolean {
  try {
    return localStorage.getItem(EACH_TIME) === 'yes';
  } catch {
    return false;
  }
}

function want(each: boolean): void {
  try {
    if (each) localStorage.setItem(EACH_TIME, 'yes');
    else localStorage.removeItem(EACH_TIME);
  } catch {
    // Asked again the next time, then.
  }
}

export function LineCheck(props: Pick<PreflightProps, 'ask' | 'onSpent'>) {
  const [each, setEach] = useState(wanted);
  const [Run, setRun] = useState<Preflight | null>(null);
  const [failed, setFailed] = useState(false);
  const [byHand, setByHand] = useState(false);
  const box = useRef<HTMLElement>(null);
  const start = (): void => {
    setFailed(false);
    import('./preflight').then((m) => setRun(() => m.Preflight), () => setFailed(true));
  };
  const stop = (): void => {
    setRun(null);
    requestAnimationFrame(() => box.current?.querySelector('button')?.focus());
  };
  useEffect(() => {
    if (each) start();
  }, []);
  return (
    <section class="line" ref={box} aria-label={t('check-line')}>
      {Run ? (
        <Run {...props} byHand={byHand} onDone={stop} />
      ) : (
        <Button
          icon="signal"
          onClick={() => {
            setByHand(true);
            start();
          }}
          testId="check-line"
        >
          {t('check-line')}
        </Button>
      )}
      {failed && <Alert>{t('error-network')}</Alert>}
      <p class="note">{t('check-line-lead', { size: formatMegabytes(savesData() ? COST.sparing : COST.full) })}</p>
      <Check
        label={t('check-line-always')}
        checked={each}
        onChange={(on) => {
          setEach(on);
          want(on);
        }}
        testId="check-line-always"
      />
    </section>
  );
}
