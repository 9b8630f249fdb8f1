package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"maestro/client"
)

func (a *app) recommendCommand() *cobra.Command {
	var flags planFlags
	var description string
	var limit int
	c := remote(&cobra.Command{Use: "recommend [PROJECT]", Short: "See what the history advises for a project or a plan", Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeProjects(),
		Long: "Which artifacts to reuse, which shapes of team the finished projects of the problem class support, and what speaks against\n" +
			"the plan. Every sentence carries its numbers; nothing is said that the history does not support beyond doubt.",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.connect(cmd)
			if err != nil {
				return err
			}
			members, err := flags.read(cmd, c, args)
			if err != nil {
				return err
			}
			members["limit"] = limit
			if description != "" {
				members["description"] = description
			}
			asked, err := decodeFields[client.AdviceRequest](members)
			if err != nil {
				return err
			}
			advice, err := c.Recommend(cmd.Context(), asked)
			if err != nil {
				return err
			}
			return printAdviceWithEvidence(a.out, a.form, advice)
		}})
	flags.add(c)
	c.Flags().StringVar(&description, "description", "", "what the plan is about: artifacts are matched by it")
	c.Flags().IntVar(&limit, "limit", 5, "at most so many of each kind")
	return c
}

var recommendationColumns = []column[client.Recommendation]{
	{name: "kind", value: func(r *client.Recommendation) any { return r.Kind }},
	{name: "subject", value: func(r *client.Recommendation) any { return r.Subject }, extra: true},
	{name: "text", value: func(r *client.Recommendation) any { return r.Text }},
}

var evidenceColumns = []column[client.ArtifactEvidence]{
	{name: "artifact", value: func(e *client.ArtifactEvidence) any { return e.Name }},
	{name: "used", value: func(e *client.ArtifactEvidence) any { return e.Used }},
	{name: "unused", value: func(e *client.ArtifactEvidence) any { return e.Unused }},
	{name: "uplift", value: func(e *client.ArtifactEvidence) any { return e.Uplift }},
	{name: "low", value: func(e *client.ArtifactEvidence) any { return e.Low }},
	{name: "high", value: func(e *client.ArtifactEvidence) any { return e.High }},
	{name: "fit", value: func(e *client.ArtifactEvidence) any { return e.Fit }},
}

var teamColumns = []column[client.TeamGroup]{
	{name: "team", value: func(g *client.TeamGroup) any { return g.Text }},
	{name: "projects", value: func(g *client.TeamGroup) any { return g.Count }},
	{name: "success", value: func(g *client.TeamGroup) any {
		return ifThere(g.Success, func(m *client.GroupMean) any { return m.Mean })
	}},
	{name: "others", value: func(g *client.TeamGroup) any { return g.Others }},
	{name: "uplift", value: func(g *client.TeamGroup) any {
		return ifThere(g.Uplift, func(s *client.GroupShift) any { return s.Uplift })
	}},
	{name: "low", value: func(g *client.TeamGroup) any {
		return ifThere(g.Uplift, func(s *client.GroupShift) any { return s.Low })
	}},
	{name: "high", value: func(g *client.TeamGroup) any {
		return ifThere(g.Uplift, func(s *client.GroupShift) any { return s.High })
	}},
}

func printAdviceWithEvidence(w io.Writer, form string, advice client.Advice) error {
	switch form {
	case formJSON, formYAML:
		return printDocument(w, form, advice)
	case formCSV:
		return printList(w, form, recommendationColumns, advice.Recommendations)
	}
	if len(advice.Recommendations) == 0 {
		fmt.Fprintf(w, "The history of %d finished projects supports nothing beyond doubt.\n", advice.Basis)
	}
	printAdvice(w, advice.Recommendations)
	if err := printSection(w, evidenceColumns, advice.Artifacts); err != nil {
		return err
	}
	return printSection(w, teamColumns, advice.TeamShape)
}

var similarFields = append([]field{
	{flag: "name", member: "name", unit: "TEXT", help: "what it is called"},
	{flag: "description", member: "description", unit: "TEXT", help: "what it is about"},
}, planFields[:len(planFields)-1]...)

func (a *app) similarCommand() *cobra.Command {
	var documents []string
	var limit int
	c := remote(&cobra.Command{Use: "similar [PROJECT]", Short: "Find similar projects, and what of theirs can be reused", Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeProjects(),
		Long: "Compares a project, or what the flags say of one, with all projects: by words and by inputs. Requirement documents in\n" +
			"Markdown (--document) are read into user stories, requirements, data models and endpoints, and held against those of the\n" +
			"similar projects: their descriptions, and the Markdown that they use. 80 % covered and more: clone and customise; 30 % and\n" +
			"more: hybrid; below: from scratch.",
		RunE: func(cmd *cobra.Command, args []string) error {
			members, err := readFields(cmd, similarFields)
			if err != nil {
				return err
			}
			if members["documents"], err = readDocuments(documents); err != nil {
				return err
			}
			members["limit"] = limit
			c, err := a.connect(cmd)
			if err != nil {
				return err
			}
			if len(args) == 1 {
				p, err := findProject(cmd.Context(), c, args[0])
				if err != nil {
					return err
				}
				members["project_id"] = p.ID
			}
			asked, err := decodeFields[client.SimilarRequest](members)
			if err != nil {
				return err
			}
			found, err := c.FindSimilarProjects(cmd.Context(), asked)
			if err != nil {
				return err
			}
			if a.form == formJSON || a.form == formYAML {
				return printDocument(a.out, a.form, found)
			}
			return printList(a.out, a.form, similarColumns, found.Items)
		}})
	addFields(c, similarFields)
	c.Flags().StringSliceVar(&documents, "document", nil, "a requirement document in Markdown; may be given several times")
	c.Flags().IntVar(&limit, "limit", 5, "at most so many")
	return c
}

// readDocuments reads Markdown files.
func readDocuments(paths []string) ([]map[string]any, error) {
	documents := []map[string]any{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		documents = append(documents, map[string]any{"name": filepath.Base(path), "text": strings.ToValidUTF8(string(text), "\uFFFD")})
	}
	return documents, nil
}

var similarColumns = []column[client.SimilarProject]{
	{name: "name", value: func(s *client.SimilarProject) any { return s.Name }},
	{name: "status", value: func(s *client.SimilarProject) any { return s.Status }},
	{name: "similarity", value: func(s *client.SimilarProject) any { return s.Similarity }},
	{name: "text_similarity", value: func(s *client.SimilarProject) any { return s.TextSimilarity }},
	{name: "input_similarity", value: func(s *client.SimilarProject) any { return s.InputSimilarity }},
	{name: "strategy", value: func(s *client.SimilarProject) any {
		return ifThere(s.Overlap, func(o *client.Overlap) any { return o.Strategy })
	}},
	{name: "covered", value: func(s *client.SimilarProject) any {
		return ifThere(s.Overlap, func(o *client.Overlap) any { return o.Covered })
	}},
	{name: "effort_days", value: func(s *client.SimilarProject) any {
		return ifThere(s.Effort, func(e *client.Effort) any { return e.DurationDays })
	}},
	{name: "effort_cost", value: func(s *client.SimilarProject) any {
		return ifThere(s.Effort, func(e *client.Effort) any { return e.Cost })
	}},
	{name: "success_score", value: func(s *client.SimilarProject) any { return s.SuccessScore }},
	{name: "id", value: func(s *client.SimilarProject) any { return s.ProjectID }},
}
