// The script stands before what it changes.

document.documentElement.classList.add("live");

document.addEventListener("DOMContentLoaded", () => {
  new Clock(new Page()).start();
});
