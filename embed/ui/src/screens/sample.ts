import { api, data, type Schema } from "../api/client";

/**
 * Real finished projects to look around with: 81 of a Canadian software house
 * (J.-M. Desharnais 1989, from the PROMISE repository). A row is the year it
 * ended, months, person-hours, transactions, entities, adjusted function points,
 * the team's and the manager's years of experience, and the language.
 */
const rows: [number, number, number, number, number, number, number | null, number | null, number][] = [
  [85, 12, 5152, 253, 52, 305, 1, 4, 1],
  [86, 4, 5635, 197, 124, 321, 0, 0, 1],
  [85, 1, 805, 40, 60, 100, 4, 4, 1],
  [86, 5, 3829, 200, 119, 319, 0, 0, 1],
  [86, 4, 2149, 140, 94, 234, 0, 0, 1],
  [86, 4, 2821, 97, 89, 186, 0, 0, 1],
  [85, 9, 2569, 119, 42, 161, 2, 1, 2],
  [83, 13, 3913, 186, 52, 238, 1, 2, 1],
  [85, 12, 7854, 172, 88, 260, 3, 1, 1],
  [83, 4, 2422, 78, 38, 116, 3, 4, 1],
  [84, 21, 4067, 167, 99, 266, 4, 1, 1],
  [84, 17, 9051, 146, 112, 258, 2, 1, 1],
  [84, 3, 2282, 33, 72, 105, 1, 1, 1],
  [85, 8, 4172, 162, 61, 223, 3, 4, 1],
  [85, 9, 4977, 223, 121, 344, 4, 4, 1],
  [85, 8, 1617, 119, 48, 167, 3, 2, 2],
  [85, 8, 3192, 57, 43, 100, 4, 3, 1],
  [86, 14, 3437, 68, 316, 384, 4, 4, 2],
  [87, 14, 4494, 9, 386, 395, 3, 4, 2],
  [86, 5, 840, 58, 34, 92, 4, 2, 1],
  [86, 12, 14973, 318, 269, 587, 4, 4, 2],
  [85, 18, 5180, 88, 170, 258, 2, 4, 1],
  [86, 5, 5775, 306, 132, 438, 2, 4, 1],
  [87, 20, 10577, 304, 78, 382, 4, 1, 1],
  [86, 8, 3983, 89, 200, 289, 1, 4, 1],
  [85, 14, 3164, 86, 230, 316, 4, 1, 1],
  [86, 6, 3542, 71, 235, 306, 2, 0, 1],
  [85, 14, 4277, 148, 324, 472, 3, 1, 1],
  [85, 16, 7252, 116, 170, 286, 4, 4, 1],
  [85, 14, 3948, 175, 277, 452, 4, 1, 1],
  [86, 6, 3927, 79, 128, 207, 4, 3, 1],
  [86, 9, 710, 145, 38, 183, 1, 1, 3],
  [87, 9, 2429, 174, 78, 252, 4, 4, 3],
  [85, 5, 6405, 194, 91, 285, 1, 1, 1],
  [88, 3, 651, 126, 49, 175, 2, 2, 3],
  [86, 17, 9135, 137, 119, 256, 1, 3, 2],
  [87, 11, 1435, 289, 88, 377, 2, 4, 3],
  [87, 8, 5922, 260, 144, 404, null, null, 1],
  [88, 4, 847, 158, 59, 217, 1, 4, 3],
  [88, 16, 8050, 302, 145, 447, 3, 3, 2],
  [87, 9, 4620, 451, 48, 499, 1, 1, 1],
  [87, 34, 2352, 661, 132, 793, 2, 4, 3],
  [88, 10, 2174, 64, 54, 118, 1, 1, 1],
  [86, 39, 19894, 284, 230, 514, null, 4, 1],
  [86, 18, 6699, 182, 126, 308, 2, 1, 1],
  [87, 27, 14987, 173, 332, 505, 2, 3, 1],
  [88, 9, 4004, 252, 7, 259, 2, 2, 1],
  [85, 11, 12824, 131, 180, 311, 4, 3, 1],
  [85, 8, 2331, 106, 39, 145, 2, 3, 1],
  [85, 9, 5817, 96, 108, 204, 3, 3, 1],
  [85, 7, 2989, 116, 72, 188, 2, 3, 1],
  [85, 6, 3136, 86, 49, 135, 3, 3, 1],
  [85, 17, 14434, 221, 121, 342, 2, 3, 1],
  [87, 12, 2583, 61, 96, 157, 1, 1, 1],
  [86, 12, 3647, 132, 89, 221, 1, 3, 2],
  [86, 13, 8232, 45, 387, 432, 3, 7, 2],
  [86, 12, 3276, 55, 112, 167, 1, 1, 2],
  [87, 8, 2723, 124, 52, 176, 1, 4, 2],
  [87, 5, 3472, 120, 126, 246, 3, 3, 2],
  [87, 6, 1575, 47, 32, 79, 1, 2, 2],
  [86, 12, 2926, 126, 107, 233, 1, 1, 2],
  [86, 6, 1876, 101, 45, 146, 3, 2, 2],
  [86, 5, 2520, 78, 99, 177, 1, 1, 1],
  [86, 13, 1603, 69, 74, 143, 4, 7, 1],
  [86, 8, 3626, 194, 97, 291, 1, 3, 2],
  [87, 10, 6783, 224, 110, 334, 2, null, 2],
  [87, 15, 11361, 323, 184, 507, 2, 4, 2],
  [86, 10, 1267, 42, 31, 73, 1, 3, 2],
  [87, 5, 2548, 74, 43, 117, 1, 2, 2],
  [87, 10, 1155, 101, 57, 158, 3, 4, 2],
  [86, 6, 546, 97, 42, 139, 0, 4, 3],
  [84, 13, 2275, 134, 77, 211, 2, 3, 2],
  [86, 26, 9100, 482, 227, 709, 4, 5, 2],
  [84, 6, 595, 213, 73, 286, 0, 2, 3],
  [84, 22, 3941, 139, 143, 282, 0, null, 2],
  [86, 24, 13860, 473, 182, 655, 2, 3, 2],
  [85, 12, 1400, 229, 169, 398, 4, 4, 3],
  [83, 12, 2800, 227, 73, 300, 4, 3, 1],
  [86, 24, 9520, 395, 193, 588, 4, 4, 1],
  [86, 12, 5880, 469, 176, 645, 4, 3, 3],
  [85, 36, 23940, 886, 241, 1127, 4, 4, 1],
];

const languages = ["basic-cobol", "advanced-cobol", "fourth-generation"];
const practices = ["Basic Cobol", "Advanced Cobol", "Fourth-generation language"];

/** How many projects there are. */
export const sampleSize = rows.length;

const date = (t: number) => new Date(t).toISOString().slice(0, 10);

function project(row: (typeof rows)[number], number: number) {
  const [year, months, hours, transactions, entities, points, team, manager, language] = row;
  const end = Date.UTC(1900 + year, 11, 31);
  const known = Object.entries({ transactions, entities, function_points: points, team_experience_years: team, manager_experience_years: manager });
  return {
    name: `Desharnais ${number}`,
    description: "A finished project of a Canadian software house, published by J.-M. Desharnais in 1989. Sample data.",
    problem_class: languages[language - 1],
    status: "completed" as const,
    start_date: date(end - months * 30.44 * 86_400_000),
    completion_date: date(end),
    compute_cost: hours,
    attributes: Object.fromEntries(known.filter(([, value]) => value !== null)),
  };
}

/** Records the sample through the API, as the user who asked for it; says how many are done. */
export async function loadSample(ondone: (projects: number) => void): Promise<void> {
  const artifacts: Schema["Artifact"][] = [];
  for (const name of practices) {
    artifacts.push(await data(api.POST("/api/v1/artifacts", { body: { name, type: "config", version: "1", tags: ["sample"], description: `Projects that were written in ${name.toLowerCase()}. Sample data.` } as never })));
  }
  let done = 0;
  const waiting = rows.map((row, i) => ({ row, number: i + 1 }));
  const work = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const made = await data(api.POST("/api/v1/projects", { body: project(next.row, next.number) as never }));
      const used = artifacts[next.row[8] - 1];
      if (used) await data(api.POST("/api/v1/artifacts/{id}/use", { params: { path: { id: used.id } }, body: { project_id: made.id } as never }));
      ondone(++done);
    }
  };
  await Promise.all([work(), work(), work(), work()]);
}
