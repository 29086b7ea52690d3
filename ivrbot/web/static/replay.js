// Tells a call again in its own time: lines come one after another, as they did. Everything is on the page already.

const bar = document.getElementById("replay");
const lines = [...document.querySelectorAll(".story > li")];
const play = bar.querySelector("[data-act=play]");
const speed = bar.querySelector("select");
const output = bar.querySelector("output");
const end = lines.length ? Number(lines[lines.length - 1].dataset.t) : 0;
let at = 0;
let last = 0;
let running = false;

function show(until) {
  for (const line of lines) line.hidden = Number(line.dataset.t) > until;
  const whole = Math.floor(Math.min(until, end) / 1000);
  output.textContent = `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function pressed(now) {
  running = now;
  play.setAttribute("aria-pressed", String(now));
}

function step(now) {
  if (!running) return;
  at += (now - last) * Number(speed.value);
  last = now;
  show(at);
  lines.findLast((line) => !line.hidden)?.scrollIntoView({ block: "nearest" });
  if (at >= end) pressed(false);
  else requestAnimationFrame(step);
}

play.addEventListener("click", () => {
  pressed(!running);
  if (!running) return;
  if (at >= end) at = 0;
  last = performance.now();
  requestAnimationFrame(step);
});
bar.querySelector("[data-act=all]").addEventListener("click", () => {
  pressed(false);
  at = 0;
  show(Infinity);
  output.textContent = "";
});
bar.hidden = lines.length === 0;

// While the recording plays, the line that is heard is marked; a click on a line's time plays from there.
const sound = document.getElementById("sound");
sound?.addEventListener("timeupdate", () => {
  const heard = lines.findLast((line) => Number(line.dataset.t) <= sound.currentTime * 1000);
  for (const line of lines) line.classList.toggle("now", line === heard);
});
if (sound) {
  for (const line of lines) {
    line.querySelector(".when").addEventListener("click", () => {
      sound.currentTime = Number(line.dataset.t) / 1000;
      sound.play();
    });
  }
}
