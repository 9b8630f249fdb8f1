package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"maestro/client"
)

// planFields are what may be known of a project that is not recorded.
var planFields = append(slices.DeleteFunc(slices.Clone(projectFields), func(f field) bool {
	return !slices.Contains([]string{"problem-class", "complexity", "team-size", "attribute"}, f.flag)
}),
	field{flag: "metric", member: "metrics", kind: pairsField, help: "TYPE=MEAN, the mean so far of a process metric; may be given several times"},
)

// planFlags are the flags of a command that asks about a project or a plan.
type planFlags struct {
	artifacts []string
	members   []string
}

func (p *planFlags) add(c *cobra.Command) {
	addFields(c, planFields)
	c.Flags().StringSliceVar(&p.artifacts, "artifact", nil, "an artifact planned, as NAME[@VERSION] or id; may be given several times")
	c.Flags().StringSliceVar(&p.members, "member", nil, "a person of the team, as ROLE:EXPERIENCE[:HOURS]; may be given several times")
}

// read returns the members of the request's JSON: the project that args name, or
// the plan of the flags.
func (p *planFlags) read(cmd *cobra.Command, c *client.Client, args []string) (map[string]any, error) {
	members, err := readFields(cmd, planFields)
	if err != nil {
		return nil, err
	}
	if len(args) == 1 {
		if len(members) > 0 || p.artifacts != nil || p.members != nil {
			return nil, usage("a project's inputs are its own: give a project, or flags of a plan")
		}
		project, err := findProject(cmd.Context(), c, args[0])
		return map[string]any{"project_id": project.ID}, err
	}
	if p.artifacts != nil {
		if members["artifact_ids"], err = findArtifactIDs(cmd.Context(), c, p.artifacts); err != nil {
			return nil, err
		}
	}
	if p.members != nil {
		if members["members"], err = parseTeam(p.members); err != nil {
			return nil, err
		}
	}
	return members, nil
}

func findArtifactIDs(ctx context.Context, c *client.Client, refs []string) ([]string, error) {
	ids := []string{}
	for _, ref := range refs {
		x, err := findArtifact(ctx, c, ref)
		if err != nil {
			return nil, err
		}
		ids = append(ids, x.ID)
	}
	return ids, nil
}

// parseTeam reads role:experience[:hours].
func parseTeam(people []string) ([]map[string]any, error) {
	team := []map[string]any{}
	for _, text := range people {
		role, rest, ok := strings.Cut(text, ":")
		level, hours, timed := strings.Cut(rest, ":")
		if !ok {
			return nil, usage("--member: must be ROLE:EXPERIENCE[:HOURS]")
		}
		person := map[string]any{"role": role, "experience_level": level}
		if timed {
			n, err := strconv.ParseFloat(hours, 64)
			if err != nil || n-n != 0 {
				return nil, &usageError{fmt.Errorf("--member: hours must be a number")}
			}
			person["contribution_hours"] = n
		}
		team = append(team, person)
	}
	return team, nil
}
