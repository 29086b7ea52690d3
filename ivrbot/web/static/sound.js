// Microphone and speaker of a page as 8 kHz frames.

export const MAX_UNSENT_BYTES = 16000; // a second; beyond, the microphone's sound is dropped

const WANTED = { audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 } };

// What went wrong, as the key of a text.
export class SoundError extends Error {}

async function openMicrophone() {
  if (!navigator.mediaDevices?.getUserMedia || !window.AudioWorkletNode) throw new SoundError("error_insecure");
  try {
    return await navigator.mediaDevices.getUserMedia(WANTED);
  } catch (error) {
    if (error.name === "NotFoundError") throw new SoundError("error_no_microphone");
    if (error.name === "NotAllowedError" || error.name === "SecurityError") throw new SoundError("error_denied");
    throw new SoundError("error_microphone");
  }
}

export class Sound {
  // heard(buffer, level): 20 ms from the microphone; spoken(level): how loud the speaker is, about 20 times a second.
  static async open(heard, spoken) {
    const sound = new Sound();
    try {
      sound.stream = await openMicrophone();
      sound.context = new AudioContext({ latencyHint: "interactive" });
      await sound.context.audioWorklet.addModule("/static/audio-worklet.js");
      await sound.context.resume();
      const capture = new AudioWorkletNode(sound.context, "capture", { numberOfOutputs: 0 });
      capture.port.onmessage = (event) => heard(event.data.pcm, event.data.level);
      sound.context.createMediaStreamSource(sound.stream).connect(capture);
      sound.playback = new AudioWorkletNode(sound.context, "playback", { numberOfInputs: 0, outputChannelCount: [1] });
      sound.playback.port.onmessage = (event) => spoken(event.data.level);
      sound.playback.connect(sound.context.destination);
    } catch (error) {
      sound.close();
      throw error instanceof SoundError ? error : new SoundError("error_microphone");
    }
    return sound;
  }

  play(buffer) {
    this.playback.port.postMessage(buffer, [buffer]);
  }

  close() {
    this.stream?.getTracks().forEach((track) => track.stop());
    if (this.context && this.context.state !== "closed") this.context.close();
  }
}
