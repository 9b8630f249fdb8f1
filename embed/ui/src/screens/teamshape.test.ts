import { expect, test } from "vitest";
import type { Project } from "./projects";
import { byPresence, bySize, without, type Team } from "./teamshape";

const project = (team_size: number | null, success_score: number | null) => ({ team_size, success_score }) as Project;
const member = (role: string) => ({ role }) as Team["members"][number];

test("team sizes are grouped, without those that nobody had and projects that say nothing", () => {
  expect(bySize([project(2, 40), project(2, 60), project(9, 80), project(null, 99), project(4, null)])).toEqual([
    { label: "2", projects: 2, mean: 50, low: 45, high: 55 },
    { label: "8 to 10", projects: 1, mean: 80, low: 80, high: 80 },
  ]);
});

test("a project counts once for each role it had, and once for each it had not", () => {
  const teams: Team[] = [
    { project: project(2, 90), members: [member("devops"), member("devops")] },
    { project: project(2, 50), members: [member("analyst"), member("devops")] },
    { project: project(2, 10), members: [member("analyst")] },
    { project: project(2, 99), members: [] },
  ];
  const role = (m: Team["members"][number]) => m.role;
  expect(byPresence(teams, role).map((s) => [s.label, s.projects, s.mean])).toEqual([["devops", 2, 70], ["analyst", 2, 30]]);
  expect(without(teams, role, "devops")).toMatchObject({ projects: 1, mean: 10 });
  expect(without(teams, role, "analyst")).toMatchObject({ projects: 1, mean: 90 });
});
