import { ask } from "./api.js";
import { $ } from "./dom.js";

const form = $("#signin");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  $("#signin-said").textContent = "";
  try {
    await ask("POST", "/v1/session", { key: $("#key").value.trim() });
    location.assign(form.dataset.to);
  } catch (error) { $("#signin-said").textContent = error.message; $("#key").focus(); }
});
