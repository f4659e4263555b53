// Keeps the part of a page up to date that the server renders: fetches the page again and takes the part from it.
// It is left alone while somebody uses it. Owns no words.
"use strict";
(() => {
  const GIVE_UP_MS = 10_000;
  const part = document.querySelector("[data-part]");
  if (!part) return;
  const job = document.querySelector(".job[data-state]");
  let timer = 0;
  let asked = 0;

  const isInUse = () => part.contains(document.activeElement) || Boolean(part.querySelector("details[open]"));

  async function refresh() {
    clearTimeout(timer);
    const mine = ++asked;
    try {
      if (!document.hidden && !document.documentElement.hasAttribute("data-paused") && !isInUse()) {
        const response = await fetch(location.href, { signal: AbortSignal.timeout(GIVE_UP_MS) });
        if (response.redirected) return location.assign(response.url); // to the login: the session is over
        const fresh = new DOMParser().parseFromString(await response.text(), "text/html").querySelector("[data-part]");
        if (mine !== asked) return; // a later one is under way, or has come
        if (response.ok && fresh && !isInUse()) {
          part.toggleAttribute("data-final", fresh.hasAttribute("data-final"));
          part.replaceChildren(...fresh.childNodes);
        }
      }
    } catch {
      // The next time may go better; that the page is stale says the job's own pulse.
    }
    wait();
  }

  function wait() {
    clearTimeout(timer);
    if (!part.hasAttribute("data-final")) timer = setTimeout(refresh, Number(part.dataset.everyMs));
  }

  // What can be done depends on the job's state, so a new one is looked at once.
  const look = (changes) => changes.some((one) => one.oldValue !== job.dataset.state) && refresh();
  if (job) new MutationObserver(look).observe(job, { attributeFilter: ["data-state"], attributeOldValue: true });
  wait();
})();
