// Help opens beside its question mark and closes with Escape or a click elsewhere. Without this script it opens at
// the foot of the window.

const GAP_PX = 8;

function place(help) {
  const [mark, text] = help.children;
  text.classList.add("beside");
  text.style.left = text.style.top = "0";
  const at = mark.getBoundingClientRect();
  const size = text.getBoundingClientRect();
  const left = Math.max(GAP_PX, Math.min(at.left - GAP_PX, innerWidth - size.width - GAP_PX));
  const below = at.bottom + GAP_PX;
  const fits = below + size.height <= innerHeight;
  text.style.left = `${left}px`;
  text.style.top = `${fits ? below : Math.max(GAP_PX, at.top - GAP_PX - size.height)}px`;
}

function closeAll(except) {
  for (const help of document.querySelectorAll(".help[open]")) if (help !== except) help.open = false;
}

document.addEventListener("toggle", (event) => {
  if (event.target.matches?.(".help[open]")) {
    closeAll(event.target);
    place(event.target);
  }
}, true);
document.addEventListener("click", (event) => closeAll(event.target.closest?.(".help")));
document.addEventListener("keydown", (event) => {
  const help = event.key === "Escape" && document.querySelector(".help[open]");
  if (!help) return;
  help.open = false;
  help.firstElementChild.focus();
});
addEventListener("scroll", () => closeAll(), { passive: true, capture: true });
addEventListener("resize", () => closeAll());
