// The stages of a job as a small graph, left to right: a stage stands right of all that it reads.
import { svg } from "./dom.js";
import { count } from "./format.js";

const WIDTH = 190, HEIGHT = 62, GAP_X = 74, GAP_Y = 18, PAD = 4;

function place(stages) {
  const level = new Map();
  const rows = [];
  for (const stage of stages) {
    const column = Math.max(-1, ...stage.inputs.map((id) => level.get(id) ?? 0)) + 1;
    level.set(stage.id, column);
    rows[column] = (rows[column] ?? 0) + 1;
  }
  const tallest = Math.max(...rows);
  const used = rows.map(() => 0);
  const at = new Map();
  for (const stage of stages) {
    const column = level.get(stage.id);
    const shift = ((tallest - rows[column]) * (HEIGHT + GAP_Y)) / 2;
    at.set(stage.id, {
      x: PAD + column * (WIDTH + GAP_X),
      y: PAD + shift + used[column]++ * (HEIGHT + GAP_Y),
    });
  }
  return { at, width: 2 * PAD + rows.length * (WIDTH + GAP_X) - GAP_X,
           height: 2 * PAD + tallest * (HEIGHT + GAP_Y) - GAP_Y };
}

export function stageState(stage, job) {
  if (stage.done >= stage.tasks) return "succeeded";
  if (stage.running > 0) return "running";
  return job.state === "failed" || job.state === "cancelled" ? job.state : "waiting";
}

const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

function edge(from, to, producer) {
  const x1 = from.x + WIDTH, y1 = from.y + HEIGHT / 2, x2 = to.x - 5, y2 = to.y + HEIGHT / 2;
  const middle = (x1 + x2) / 2;
  const label = producer.partitions > 1 ? `${producer.output} ${producer.partitions}` : producer.output;
  return svg("g", { class: "edge" },
    svg("path", { d: `M${x1} ${y1} C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}` }),
    svg("path", { class: "tip", d: `M${x2 + 5} ${y2} l-7 -4 v8 z` }),
    svg("text", { x: middle, y: (y1 + y2) / 2 - 6, "text-anchor": "middle" }, label));
}

function box(stage, at, job) {
  const line = (y, kind, text) => svg("text", { x: at.x + 12, y: at.y + y, class: kind }, text);
  return svg("g", { class: `node ${stageState(stage, job)}` },
    svg("title", null, stage.name),
    svg("rect", { x: at.x, y: at.y, width: WIDTH, height: HEIGHT, rx: 6 }),
    line(19, "strong", `Stage ${stage.id} · ${stage.done}/${stage.tasks} tasks`),
    line(36, null, cut(stage.name, 28)),
    line(53, "faint", `${count(stage.rows_out)} rows out`));
}

export function graph(job) {
  const { at, width, height } = place(job.stages);
  const byId = new Map(job.stages.map((stage) => [stage.id, stage]));
  const edges = job.stages.flatMap((stage) =>
    stage.inputs.map((id) => edge(at.get(id), at.get(stage.id), byId.get(id))));
  return svg("svg", { class: "graph", width, height, viewBox: `0 0 ${width} ${height}`, role: "img",
                      "aria-label": `Graph of ${job.stages.length} stages` },
    edges, job.stages.map((stage) => box(stage, at.get(stage.id), job)));
}
