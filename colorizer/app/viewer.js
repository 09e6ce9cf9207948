// Gray left of the line, color right of it; a click on the picture is a point for a hint.
const viewer = element.querySelector(".viewer");
const [gray, color, split] = [".gray", ".color", ".split"].map(name => viewer.querySelector(name));
split.addEventListener("input", () => viewer.style.setProperty("--split", split.value + "%"));
color.addEventListener("click", event => {
  const box = color.getBoundingClientRect();
  trigger("select", {
    x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height});
});
color.addEventListener("load", () => viewer.style.setProperty(
  "--aspect", color.naturalWidth / color.naturalHeight));
const show = () => {
  const value = props.value || {};
  viewer.classList.toggle("empty", !value.color);
  viewer.classList.toggle("hinting", !!value.hinting);
  if (value.gray) gray.src = value.gray;
  if (value.color) color.src = value.color;
  viewer.querySelectorAll(".hint").forEach(dot => dot.remove());
  for (const [x, y, rgb] of value.hints || []) {
    const dot = document.createElement("span");
    dot.className = "hint";
    Object.assign(dot.style, {left: 100 * x + "%", top: 100 * y + "%", background: rgb});
    viewer.append(dot);
  }
};
watch("value", show);
show();
