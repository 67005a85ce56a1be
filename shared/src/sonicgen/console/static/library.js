// Retry and forget.
import { ask, newKey } from "./api.js";
import { $, toast } from "./dom.js";

const dialog = $("#confirm");

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-action]");
  if (!button) return;
  const row = button.closest("tr");
  if (button.dataset.action === "forget" && !(await confirmed(row.dataset.title))) return;
  button.disabled = true;
  try {
    if (button.dataset.action === "retry") {
      await ask("POST", `/v1/recordings/${row.dataset.id}/retry`, undefined, { "Idempotency-Key": newKey() });
      const state = $(".state", row);
      state.className = "state pending";
      state.textContent = "being read";
      toast(`“${row.dataset.title}” is read again.`);
      button.disabled = false;
    } else {
      await ask("DELETE", `/v1/recordings/${row.dataset.id}`);
      const next = (row.nextElementSibling || row.previousElementSibling)?.querySelector("a");
      row.remove();
      (next || $("#main")).focus();
      toast(`“${row.dataset.title}” is forgotten.`);
    }
  } catch (error) {
    button.disabled = false;
    toast(error.message);
  }
});

function confirmed(title) {
  $("#confirm-name").textContent = title;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}
