/* Who was in a class, and how long. */
import { api } from '../api';
import { formatDateTime, formatMinutes, formatTime, t } from '../i18n';
import { Icon } from './icons';
import { Empty, Link, Loading, LoadFailed, useLoaded, useTitle } from './parts';

export function AttendancePage(props: { id: string }) {
  const [loaded, again] = useLoaded(() => Promise.all([api.class(props.id), api.attendance(props.id)]), [props.id]);
  useTitle(t('attendance'));
  if (loaded.error) return <LoadFailed error={loaded.error} retry={again} />;
  if (!loaded.data) return <Loading />;
  const [info, { intervals, totals }] = loaded.data;
  return (
    <div class="page">
      <header class="page-head">
        <div>
          <Link to="/" class="eyebrow">{t('my-classes')}</Link>
          <h1>{t('attendance')}: <bdi>{info.title}</bdi></h1>
        </div>
        {totals.length > 0 && (
          <a class="button plain" href={`/api/classes/${encodeURIComponent(props.id)}/attendance.csv`} download>
            <Icon name="download" />
            <span>{t('download-table')}</span>
          </a>
        )}
      </header>
      {totals.length === 0 && <Empty icon="people" title={t('attendance-empty')} />}
      {totals.length > 0 && (
        <div class="table-box">
          <table data-testid="attendance">
            <thead>
              <tr>
                <th scope="col">{t('name')}</th>
                <th scope="col">{t('total-time')}</th>
                <th scope="col">{t('from')} – {t('to')}</th>
              </tr>
            </thead>
            <tbody>
              {totals.map((total) => (
                <tr key={total.user}>
                  <th scope="row"><bdi>{total.name}</bdi></th>
                  <td>{formatMinutes(total.seconds)}</td>
                  <td>
                    {intervals
                      .filter((interval) => interval.user === total.user)
                      .map((interval) => (
                        <span class="interval" key={interval.from}>
                          {formatDateTime(new Date(interval.from))} – {interval.to ? formatTime(new Date(interval.to)) : t('still-here')}
                        </span>
                      ))}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </div>
  );
}
