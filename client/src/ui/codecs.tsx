import { t } from '../i18n';
import { ORDERS, parseCodecs } from '../media/codecs';
import { Select } from './parts';

/** What an order of codecs means to people; null: as the server is set up. One that no choice stands for is named as it is. */
export function codecsText(codecs: string | null): string {
  if (codecs === null) return t('codecs-server');
  const first = parseCodecs(codecs)[0];
  return first && ORDERS.includes(codecs) ? t(`codecs-${first}`) : codecs;
}

/** A choice among orders of codecs; null is `otherwise`. */
export function CodecsField(props: {
  label: string;
  value: string | null;
  otherwise: string;
  onChange: (codecs: string | null) => void;
  testId: string;
}) {
  const { value } = props;
  const orders = value === null || ORDERS.includes(value) ? ORDERS : [...ORDERS, value];
  return (
    <Select
      label={props.label}
      value={value ?? ''}
      onChange={(next) => props.onChange(next === '' ? null : next)}
      options={[{ value: '', label: props.otherwise }, ...orders.map((one) => ({ value: one, label: codecsText(one) }))]}
      testId={props.testId}
    />
  );
}
