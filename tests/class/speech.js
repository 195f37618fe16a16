// Before the page: beside the tone by which it is known, a microphone hears a voice: a throat, three formants, syllables. Opus
// corrects speech; of a tone it makes music, and that it does not correct.
(() => {
    const Context = window.AudioContext;
    const make = Context?.prototype.createMediaStreamDestination;
    if (!make)
        return;
    Context.prototype.createMediaStreamDestination = function speaking() {
        const out = make.call(this);
        const throat = this.createOscillator(), melody = this.createOscillator(), rise = this.createGain();
        throat.type = 'sawtooth';
        throat.frequency.value = 120;
        melody.frequency.value = 0.7;
        rise.gain.value = 15;
        melody.connect(rise).connect(throat.frequency);
        const mouth = this.createGain(), syllables = this.createOscillator(), opening = this.createGain();
        mouth.gain.value = 0.5;
        syllables.frequency.value = 3.5;
        opening.gain.value = 0.5;
        syllables.connect(opening).connect(mouth.gain);
        for (const [hz, q] of [[650, 6], [1100, 8], [2500, 10]]) {
            const formant = this.createBiquadFilter();
            formant.type = 'bandpass';
            formant.frequency.value = hz;
            formant.Q.value = q;
            throat.connect(formant).connect(mouth);
        }
        mouth.connect(out);
        for (const source of [throat, melody, syllables])
            source.start();
        setTimeout(() => window.__setTone?.(0.08), 0);
        return out;
    };
})();
