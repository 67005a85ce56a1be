// Before the page is drawn: the theme that was chosen in this browser, otherwise the system's own.
"use strict";
(() => {
  const names = ["automatic", "light", "dark"];
  let chosen = "automatic";
  try { chosen = localStorage.getItem("theme") || chosen; } catch { /* a browser that keeps nothing */ }
  const apply = () => {
    if (chosen === "automatic") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = chosen;
  };
  apply();
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const say = () => { button.textContent = `Theme: ${chosen}`; };
    say();
    button.addEventListener("click", () => {
      chosen = names[(names.indexOf(chosen) + 1) % names.length];
      try { localStorage.setItem("theme", chosen); } catch { /* it holds for this page */ }
      apply();
      say();
      document.dispatchEvent(new Event("themechange"));
    });
    const out = document.getElementById("sign-out");
    if (out) out.addEventListener("click", async () => {
      await fetch("/v1/session", { method: "DELETE" });
      location.assign("/");
    });
  });
})();
