// Sound between the browser's own rate and the telephone's 8 kHz, 20 ms frames of PCM16 on the page's side.

const PHONE_HZ = 8000;
const FRAME = 160;
const PASS_HZ = 3600; // telephone band; what lies above would fold back
const PHASES = 64;

// Windowed-sinc interpolation at any ratio (Smith, "Digital Audio Resampling", CCRMA): each output sample is a
// weighted sum of the inputs around its position, the low-pass at PASS_HZ being part of the weights.
class Resampler {
  constructor(fromHz, toHz) {
    this.step = fromHz / toHz;
    const cut = PASS_HZ / fromHz; // cycles per input sample
    this.half = Math.ceil(10 * Math.max(1, this.step));
    this.taps = 2 * this.half;
    this.table = [];
    for (let phase = 0; phase < PHASES; phase++) {
      const row = new Float32Array(this.taps);
      let sum = 0;
      for (let tap = 0; tap < this.taps; tap++) {
        const x = tap - this.half + 1 - phase / PHASES;
        const angle = 2 * Math.PI * cut * x;
        const sinc = x === 0 ? 2 * cut : Math.sin(angle) / (Math.PI * x);
        const at = Math.min(1, Math.max(-1, x / this.half));
        row[tap] = sinc * (0.42 + 0.5 * Math.cos(Math.PI * at) + 0.08 * Math.cos(2 * Math.PI * at)); // Blackman
        sum += row[tap];
      }
      for (let tap = 0; tap < this.taps; tap++) row[tap] /= sum;
      this.table.push(row);
    }
    this.held = new Float32Array(0);
    this.position = this.half - 1;
    this.push(new Float32Array(this.half - 1)); // silence before the beginning
  }

  push(samples) {
    const joined = new Float32Array(this.held.length + samples.length);
    joined.set(this.held);
    joined.set(samples, this.held.length);
    this.held = joined;
  }

  // Next output sample, or null when input is missing.
  next() {
    const whole = Math.floor(this.position);
    if (whole + this.half >= this.held.length) return null;
    const row = this.table[Math.floor((this.position - whole) * PHASES)];
    const first = whole - this.half + 1;
    let sum = 0;
    for (let tap = 0; tap < this.taps; tap++) sum += row[tap] * this.held[first + tap];
    this.position += this.step;
    return sum;
  }

  // Forget input that no output needs any more.
  trim() {
    const used = Math.floor(this.position) - this.half + 1;
    if (used > 0) {
      this.held = this.held.slice(used);
      this.position -= used;
    }
  }
}

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(sampleRate, PHONE_HZ);
    this.frame = new Int16Array(FRAME);
    this.filled = 0;
    this.energy = 0;
  }

  process(inputs) {
    const channel = inputs[0][0];
    if (!channel) return true;
    this.resampler.push(channel);
    for (let value = this.resampler.next(); value !== null; value = this.resampler.next()) {
      const bounded = Math.max(-1, Math.min(1, value));
      this.energy += bounded * bounded;
      this.frame[this.filled++] = Math.round(bounded * 32767);
      if (this.filled === FRAME) {
        const level = Math.sqrt(this.energy / FRAME);
        this.port.postMessage({ pcm: this.frame.buffer, level }, [this.frame.buffer]);
        this.frame = new Int16Array(FRAME);
        this.filled = 0;
        this.energy = 0;
      }
    }
    this.resampler.trim();
    return true;
  }
}

// Jitter buffer: play when 60 ms are there, start over after a gap, throw away what has piled up beyond 300 ms.
const START = 3 * FRAME;
const MOST = 15 * FRAME;
const REPORT = 20; // blocks of 128 samples

class Playback extends AudioWorkletProcessor {
  constructor() {
    super();
    this.queue = [];
    this.waiting = 0;
    this.playing = false;
    this.resampler = new Resampler(PHONE_HZ, sampleRate);
    this.blocks = 0;
    this.peak = 0;
    this.port.onmessage = (event) => this.take(new Int16Array(event.data));
  }

  take(frame) {
    this.queue.push(frame);
    this.waiting += frame.length;
    while (this.waiting > MOST) this.waiting -= this.queue.shift().length;
    if (this.waiting >= START) this.playing = true;
  }

  feed() {
    const frame = this.queue.shift();
    this.waiting -= frame.length;
    const samples = new Float32Array(frame.length);
    for (let at = 0; at < frame.length; at++) samples[at] = frame[at] / 32768;
    this.resampler.push(samples);
  }

  process(inputs, outputs) {
    const out = outputs[0][0];
    for (let at = 0; at < out.length && this.playing; at++) {
      let value = this.resampler.next();
      while (value === null && this.queue.length) {
        this.feed();
        value = this.resampler.next();
      }
      if (value === null) {
        this.playing = false;
        break;
      }
      out[at] = value;
      this.peak = Math.max(this.peak, Math.abs(value));
    }
    this.resampler.trim();
    for (let channel = 1; channel < outputs[0].length; channel++) outputs[0][channel].set(out);
    if (++this.blocks === REPORT) {
      this.port.postMessage({ level: this.peak });
      this.blocks = 0;
      this.peak = 0;
    }
    return true;
  }
}

registerProcessor("capture", Capture);
registerProcessor("playback", Playback);
