// Draws the throughput of a job from the rows of its table, and goes on with what live.js measures. Owns no words.
"use strict";
(() => {
  const HEIGHT = 150;
  const MOST_POINTS = 600;
  const SECONDS_APART = 2;
  const place = document.querySelector("[data-chart]");
  const rows = [...document.querySelectorAll("[data-paces] [data-at]")];
  if (!place || !window.uPlot) return;
  const times = rows.map((row) => Number(row.dataset.at));
  const rates = rows.map((row) => Number(row.dataset.rate));
  let chart = null;

  const size = (n) => {
    const power = [4, 3, 2, 1].find((p) => n >= 1024 ** p) || 0;
    return `${(n / 1024 ** power).toFixed(power ? 1 : 0)} ${["B", "KiB", "MiB", "GiB", "TiB"][power]}/s`;
  };
  const clock = (marks) => { // in UTC, with the date where the hour alone would not tell
    const [from, to] = marks.at(-1) - marks[0] > 86_400 ? [5, 16] : [11, 19];
    return marks.map((seconds) => new Date(seconds * 1000).toISOString().slice(from, to).replace("T", " "));
  };
  const doublings = Array.from({ length: 50 }, (_, power) => 2 ** power);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const axis = (more) => ({ stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, ...more });

  function draw() {
    if (chart) chart.destroy();
    chart = new uPlot({
      width: place.clientWidth, height: HEIGHT, legend: { show: false }, cursor: { show: false },
      scales: { y: { range: (_, _low, high) => [0, Math.max(1, high * 1.1)] } },
      axes: [axis({ incrs: [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400],
        size: 28, space: 90, values: (_, marks) => clock(marks) }), axis({ size: 84, space: 24, incrs: doublings, values: (_, marks) => marks.map(size) })],
      series: [{}, { stroke: colour("--pending"), width: 2, fill: `${colour("--pending")}22`, points: { show: false } }],
    }, [times, rates], place);
  }

  document.querySelector("[data-live]").addEventListener("pace", ({ detail }) => {
    if (times.length && detail.at - times.at(-1) < SECONDS_APART) return;
    times.push(detail.at);
    rates.push(detail.rate);
    if (times.length > MOST_POINTS) { times.shift(); rates.shift(); }
    if (times.length < 2) return;
    if (chart) chart.setData([times, rates]);
    else draw();
  });
  addEventListener("resize", () => chart && chart.setSize({ width: place.clientWidth, height: HEIGHT }));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chart && draw());
  if (times.length > 1) draw();
})();
