// Keeps the numbers of a page up to date from the JSON API. Owns no words: those are in the templates, and
// each element names what it shows: data-field (a place in the JSON), data-as (how it is written).
"use strict";
(() => {
  const RATE_WINDOW_MS = 10_000;
  const STALE_AFTER_MS = 5_000;
  const ANNOUNCE_EVERY_MS = 10_000;
  const GIVE_UP_MS = 10_000;
  const page = document.querySelector("[data-live]");
  if (!page) return;
  const pulse = document.querySelector("[data-pulse]");
  const announcer = document.querySelector("[data-announce]");
  const news = document.querySelector("[data-news]");
  const samples = []; // of one job: [ms, bytes moved]
  let heardAt = Date.now();
  let announcedAt = 0;
  let isAsleep = false;

  const count = (n) => n.toLocaleString("en-US");
  const size = (n) => {
    const power = [4, 3, 2, 1].find((p) => n >= 1024 ** p);
    return power ? `${(n / 1024 ** power).toFixed(1)} ${["KiB", "MiB", "GiB", "TiB"][power - 1]}` : `${Math.floor(n)} B`;
  };
  const duration = (seconds) => {
    const s = Math.round(seconds), m = Math.floor(s / 60);
    if (s < 60) return `${s} s`;
    return m < 60 ? `${m} m ${s % 60} s` : `${Math.floor(m / 60)} h ${m % 60} m`;
  };
  const write = {
    count, size, duration,
    text: String,
    words: (text) => text.replaceAll("_", " "),
    rate: (n) => (n === null ? "–" : `${size(n)}/s`),
    moment: (iso) => `${iso.slice(0, 19).replace("T", " ")} UTC`,
    visible: (text) => text.replace(/[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g,
      (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0")),
  };
  const look = (job, path) => path.split(".").reduce((at, name) => at[name], job);

  // The same arithmetic as web/view.py, so that a reload changes nothing.
  function complete(job, now) {
    const t = job.totals, hasEnded = job.phase === "ended";
    const of = (unit) => t.copied[unit] + t.skipped[unit] + t.failed[unit] + t.cancelled[unit];
    t.ended = { objects: of("objects"), bytes: of("bytes") };
    t.pending = { objects: t.listed.objects - t.ended.objects, bytes: t.listed.bytes - t.ended.bytes };
    const underWay = Math.max(0, job.moved_bytes - t.copied.bytes);
    job.max = t.listed.bytes || t.listed.objects;
    job.value = t.listed.bytes ? Math.min(job.max, t.ended.bytes + underWay) : t.ended.objects;
    job.percent = job.max ? Math.floor((100 * job.value) / job.max) : job.state === "completed" ? 100 : 0;
    if (t.pending.objects > 0 || !hasEnded) job.percent = Math.min(job.percent, 99);
    job.elapsed_s = Math.max(0, ((hasEnded ? Date.parse(job.changed_at) : now) - Date.parse(job.created_at)) / 1000);
    job.average = hasEnded ? t.copied.bytes / Math.max(1, job.elapsed_s) : null;
    return job;
  }

  function measure(job) {
    const now = performance.now();
    const moved = Math.max(job.moved_bytes, job.totals.copied.bytes);
    if (samples.length && moved < samples.at(-1)[1]) samples.length = 0; // a new run counts from the start
    samples.push([now, moved]);
    while (samples.length > 2 && now - samples[1][0] >= RATE_WINDOW_MS) samples.shift();
    const [[at, bytes]] = samples;
    return now - at < 900 ? null : ((moved - bytes) * 1000) / (now - at);
  }

  function show(box, job) {
    box.dataset.state = job.state;
    for (const element of box.querySelectorAll("[data-field]")) {
      const value = look(job, element.dataset.field);
      const text = write[element.dataset.as](value);
      if (element.textContent !== text) element.textContent = text;
      if (element.dateTime) element.dateTime = value;
      element.toggleAttribute("data-zero", value === 0);
    }
    for (const element of box.querySelectorAll("[data-phase]")) {
      element.hidden = !element.dataset.phase.split(" ").includes(job.phase);
    }
    for (const element of box.querySelectorAll("[data-shown]")) element.hidden = !look(job, element.dataset.shown);
    const bar = box.querySelector("[data-bar]");
    bar.max = job.max || 1;
    bar.value = job.max ? job.value : Math.floor(job.percent / 100);
  }

  function say(job) {
    if (!announcer || (Date.now() - announcedAt < ANNOUNCE_EVERY_MS && job.phase !== "ended")) return;
    announcedAt = Date.now();
    announcer.textContent = `${write.words(job.state)}, ${job.percent} %, ${count(job.totals.failed.objects)} failed`;
  }

  function beat(kind, text) {
    pulse.hidden = !kind;
    pulse.dataset.pulse = kind;
    if (pulse.textContent !== text) pulse.textContent = text;
    if (kind === "stale" && announcer) announcer.textContent = text;
  }

  // Returns whether there is anything more to wait for.
  function take(answer, now) {
    if (answer.jobs) {
      const boxOf = (job) => page.querySelector(`[data-job="${CSS.escape(job.id)}"]`);
      news.hidden = !answer.jobs.length || Boolean(boxOf(answer.jobs[0]));
      answer.jobs.forEach((job) => boxOf(job) && show(boxOf(job), complete(job, now)));
      return true;
    }
    const job = complete(answer, now);
    job.rate = measure(job);
    show(page, job);
    say(job);
    return job.phase !== "ended";
  }

  async function poll() {
    let goesOn = true;
    try {
      const response = await fetch(page.dataset.live, { signal: AbortSignal.timeout(GIVE_UP_MS) });
      if (!response.ok) throw new Error(response.status);
      goesOn = take(await response.json(), Date.parse(response.headers.get("Date")) || Date.now());
      heardAt = Date.now();
      beat(goesOn ? "live" : "", "live");
    } catch {
      const isStale = Date.now() - heardAt > STALE_AFTER_MS;
      const since = new Date(heardAt).toLocaleTimeString("en-GB");
      beat(isStale ? "stale" : "reconnecting", isStale ? `stale since ${since}` : "reconnecting");
    }
    if (goesOn) setTimeout(next, Number(page.dataset.everyMs));
  }

  // A tab that nobody sees asks for nothing, and asks at once when it is seen again.
  function next() {
    isAsleep = document.hidden;
    if (!isAsleep) poll();
  }
  document.addEventListener("visibilitychange", () => isAsleep && next());
  if (!page.querySelector('[data-phase="ended"]:not([hidden])')) next();
})();
