/* What the connection is worth, from the browser's own counters. */
import { num, type Report } from './reports';

export type Quality = 'good' | 'fair' | 'poor';

export interface QualitySample {
  quality: Quality;
  lossDown: number;
  lossUp: number;
  rttMs: number;
  bitsDown: number;
  bitsUp: number;
}

interface Totals {
  at: number;
  received: number;
  lost: number;
  bytesDown: number;
  bytesUp: number;
}

const FAIR_LOSS = 0.04;
const POOR_LOSS = 0.12;
const FAIR_RTT_MS = 500;
const POOR_RTT_MS = 1_200;

export function judge(loss: number, rttMs: number): Quality {
  if (loss >= POOR_LOSS || rttMs >= POOR_RTT_MS) return 'poor';
  return loss >= FAIR_LOSS || rttMs >= FAIR_RTT_MS ? 'fair' : 'good';
}

export class QualityProbe {
  private last: Totals | null = null;

  /** Call every few seconds with all statistics of a connection; null the first time. */
  sample(reports: Pick<RTCStatsReport, 'forEach'>): QualitySample | null {
    const now: Totals = { at: performance.now(), received: 0, lost: 0, bytesDown: 0, bytesUp: 0 };
    let rtt = 0;
    let lossUp = 0;
    reports.forEach((raw: unknown) => {
      const report = raw as Report;
      switch (report['type']) {
        case 'inbound-rtp':
          now.received += num(report['packetsReceived']);
          now.lost += num(report['packetsLost']);
          now.bytesDown += num(report['bytesReceived']);
          break;
        case 'outbound-rtp':
          now.bytesUp += num(report['bytesSent']);
          break;
        case 'remote-inbound-rtp':
          lossUp = Math.max(lossUp, num(report['fractionLost']));
          rtt = Math.max(rtt, num(report['roundTripTime']));
          break;
        case 'candidate-pair':
          if (report['nominated'] === true) rtt = Math.max(rtt, num(report['currentRoundTripTime']));
          break;
        default:
          break;
      }
    });
    const last = this.last;
    this.last = now;
    if (!last || now.received < last.received) return null;
    const seconds = Math.max(0.1, (now.at - last.at) / 1_000);
    const lost = Math.max(0, now.lost - last.lost);
    const total = now.received - last.received + lost;
    const lossDown = total > 20 ? lost / total : 0;
    return {
      quality: judge(Math.max(lossDown, lossUp), rtt * 1_000),
      lossDown,
      lossUp,
      rttMs: Math.round(rtt * 1_000),
      bitsDown: Math.max(0, ((now.bytesDown - last.bytesDown) * 8) / seconds),
      bitsUp: Math.max(0, ((now.bytesUp - last.bytesUp) * 8) / seconds),
    };
  }
}
