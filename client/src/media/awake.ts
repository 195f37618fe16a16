/* Keeps the screen on while a class runs. The browser takes the lock away whenever the page is hidden. */

export function keepAwake(): () => void {
  let lock: WakeLockSentinel | null = null;
  let done = false;
  const take = (): void => {
    if (done || document.visibilityState !== 'visible' || !('wakeLock' in navigator)) return;
    navigator.wakeLock
      .request('screen')
      .then((sentinel) => {
        if (done) void sentinel.release();
        else lock = sentinel;
      })
      .catch(() => undefined);
  };
  document.addEventListener('visibilitychange', take);
  take();
  return () => {
    done = true;
    document.removeEventListener('visibilitychange', take);
    void lock?.release();
    lock = null;
  };
}
