// A long class plays within a minute of its end: ten minutes here, two hours in the long form.
import { School, finish, full, test } from './harness.mjs';
import { lay, replay } from './long_class.mjs';

const seconds = full ? 7200 : 600;
const school = new School('long');
try {
    await test(`record: ${seconds / 60} minutes play soon after the end`, school, async () => {
        const bytes = lay(school, seconds);
        const { ready, plays, jump } = await replay(school, seconds);
        console.log(`${(bytes / 1e6).toFixed(0)} MB of spool: tracks after ${ready.toFixed(1)} s, plays after ${plays.toFixed(1)} s, a jump takes ${jump.toFixed(1)} s`);
        if (plays > 180)
            throw new Error(`plays after ${plays} s`);
    });
} finally {
    await school.stop();
}
finish();
