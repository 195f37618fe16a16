/* A picture of our own making that is as hard to encode as a lively one, so that a sender fills the rate it may take. */

/** As large as browsers want it for three layers, no larger: weak devices encode it too. */
const WIDTH = 960;
const HEIGHT = 540;
const FPS = 15;
const PATCHES = 120;

export interface TestPicture {
  track: MediaStreamTrack;
  stop(): void;
}

export function testPicture(): TestPicture {
  const canvas = document.createElement('canvas');
  canvas.width = WIDTH;
  canvas.height = HEIGHT;
  const context = canvas.getContext('2d');
  const stream = canvas.captureStream(FPS);
  const [track] = stream.getVideoTracks();
  if (!context || !track) throw new Error('no canvas');
  const draw = (): void => {
    for (let i = 0; i < PATCHES; i++) {
      context.fillStyle = `hsl(${Math.random() * 360} 60% ${30 + Math.random() * 50}%)`;
      context.fillRect(Math.random() * WIDTH, Math.random() * HEIGHT, 20 + Math.random() * 90, 20 + Math.random() * 90);
    }
  };
  draw();
  const timer = setInterval(draw, 1_000 / FPS);
  return {
    track,
    stop: () => {
      clearInterval(timer);
      track.stop();
    },
  };
}
