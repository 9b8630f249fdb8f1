package cli

import (
	"github.com/spf13/cobra"

	"maestro/client"
	"maestro/tracking"
)

var projectFields = []field{
	{flag: "description", member: "description", unit: "TEXT", help: "what it is about"},
	{flag: "problem-class", member: "problem_class", unit: "WORD", help: "lower-case word, such as classification or forecasting",
		words: []string{"classification", "regression", "nlp", "forecasting", "recommendation", "vision", "clustering"}},
	{flag: "status", member: "status", unit: "WORD", help: "planned, active, completed or abandoned", words: statusWords()},
	{flag: "complexity", member: "complexity_score", kind: numberField, unit: "1..100", help: "how complex it is"},
	{flag: "team-size", member: "team_size", kind: countField, unit: "N", help: "how many people work on it"},
	{flag: "start", member: "start_date", unit: "DATE", help: "when it began: a date, or a time in RFC 3339"},
	{flag: "completion", member: "completion_date", unit: "DATE", help: "when it ended: a date, or a time in RFC 3339"},
	{flag: "performance", member: "model_performance", kind: numberField, unit: "0..1", help: "how good its model is"},
	{flag: "cost", member: "compute_cost", kind: numberField, unit: "NUMBER", help: "what it cost, in the tenant's unit"},
	{flag: "impact", member: "business_impact", kind: numberField, unit: "NUMBER", help: "what it brought, in the tenant's unit"},
	{flag: "attribute", member: "attributes", kind: pairsField, help: "NAME=VALUE, an extra input of the predictor; may be given several times"},
	{flag: "metadata", member: "metadata", kind: objectField, unit: "JSON", help: "free JSON object"},
}

func statusWords() (words []string) {
	for _, s := range tracking.Statuses {
		words = append(words, string(s))
	}
	return words
}

var projectColumns = []column[client.Project]{
	{name: "name", value: func(p *client.Project) any { return p.Name }},
	{name: "problem_class", value: func(p *client.Project) any { return p.ProblemClass }},
	{name: "status", value: func(p *client.Project) any { return p.Status }},
	{name: "success_score", value: func(p *client.Project) any { return p.SuccessScore }},
	{name: "complexity_score", value: func(p *client.Project) any { return p.ComplexityScore }, extra: true},
	{name: "team_size", value: func(p *client.Project) any { return p.TeamSize }},
	{name: "start_date", value: func(p *client.Project) any { return instantOf(p.StartDate) }},
	{name: "completion_date", value: func(p *client.Project) any { return instantOf(p.CompletionDate) }},
	{name: "model_performance", value: func(p *client.Project) any { return p.ModelPerformance }, extra: true},
	{name: "compute_cost", value: func(p *client.Project) any { return p.ComputeCost }, extra: true},
	{name: "business_impact", value: func(p *client.Project) any { return p.BusinessImpact }, extra: true},
	{name: "attributes", value: func(p *client.Project) any { return p.Attributes }, extra: true},
	{name: "metadata", value: func(p *client.Project) any { return p.Metadata }, extra: true},
	{name: "description", value: func(p *client.Project) any { return p.Description }, extra: true},
	{name: "created_at", value: func(p *client.Project) any { return instant(p.CreatedAt) }, extra: true},
	{name: "updated_at", value: func(p *client.Project) any { return instant(p.UpdatedAt) }, extra: true},
	{name: "id", value: func(p *client.Project) any { return p.ID }},
}

func (a *app) projectCommand() *cobra.Command {
	return remote(a.group("project", "Keep the record of projects",
		a.projectList(), a.projectShow(), a.projectCreate(), a.projectUpdate(), a.projectSuccess(), a.projectDelete()))
}

func (a *app) projectList() *cobra.Command {
	var params client.ListProjectsParams
	var limit int
	c := &cobra.Command{Use: "list", Short: "List projects", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		c, err := a.connect(cmd)
		if err != nil {
			return err
		}
		params.Limit = pageSize
		projects, err := collect(c.AllProjects(cmd.Context(), params), limit)
		if err != nil {
			return err
		}
		return printList(a.out, a.form, projectColumns, projects)
	}}
	c.Flags().StringVar(&params.Status, "status", "", "only of this status")
	c.Flags().StringVar(&params.ProblemClass, "problem-class", "", "only of this class")
	c.Flags().StringVar(&params.Sort, "sort", "", "created_at, updated_at, name or success_score; -name for descending")
	c.Flags().IntVar(&limit, "limit", 0, "at most so many (default all)")
	return c
}

func (a *app) projectShow() *cobra.Command {
	return &cobra.Command{Use: "show PROJECT", Short: "Show a project, by name or id", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeProjects(),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.connect(cmd)
			if err != nil {
				return err
			}
			p, err := findProject(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			return printOne(a.out, a.form, projectColumns, p)
		}}
}

func (a *app) projectCreate() *cobra.Command {
	c := &cobra.Command{Use: "create NAME", Short: "Record a project", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		members, err := readFields(cmd, projectFields)
		if err != nil {
			return err
		}
		members["name"] = args[0]
		body, err := decodeFields[client.ProjectFields](members)
		if err != nil {
			return err
		}
		c, err := a.connect(cmd)
		if err != nil {
			return err
		}
		p, err := c.CreateProject(cmd.Context(), client.CreateProjectParams{}, body)
		if err != nil {
			return err
		}
		return printOne(a.out, a.form, projectColumns, p)
	}}
	addFields(c, projectFields)
	return c
}

func (a *app) projectUpdate() *cobra.Command {
	fields := append([]field{{flag: "name", member: "name", unit: "NAME", help: "its new name"}}, projectFields...)
	c := &cobra.Command{Use: "update PROJECT", Short: "Change a project", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeProjects(),
		RunE: func(cmd *cobra.Command, args []string) error {
			patch, err := readPatch[client.ProjectFieldsPatch](cmd, fields)
			if err != nil {
				return err
			}
			c, err := a.connect(cmd)
			if err != nil {
				return err
			}
			p, err := findProject(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			if p, err = c.UpdateProject(cmd.Context(), p.ID, client.UpdateProjectParams{}, patch); err != nil {
				return err
			}
			return printOne(a.out, a.form, projectColumns, p)
		}}
	addFields(c, fields)
	addClear(c, fields)
	return c
}

// outcomeFields are the projectFields that say how a project turned out.
var outcomeFields = []field{
	{flag: "performance", member: "model_performance", kind: numberField, unit: "0..1", help: "how good its model is"},
	{flag: "impact", member: "business_impact", kind: numberField, unit: "NUMBER", help: "what it brought, in the tenant's unit"},
	{flag: "cost", member: "compute_cost", kind: numberField, unit: "NUMBER", help: "what it cost, in the tenant's unit"},
	{flag: "completion", member: "completion_date", unit: "DATE", help: "when it ended (default now)"},
}

func (a *app) projectSuccess() *cobra.Command {
	c := &cobra.Command{Use: "success PROJECT", Short: "Record how a project turned out, which completes it", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeProjects(),
		RunE: func(cmd *cobra.Command, args []string) error {
			outcome, err := readPatch[client.Outcome](cmd, outcomeFields)
			if err != nil {
				return err
			}
			c, err := a.connect(cmd)
			if err != nil {
				return err
			}
			p, err := findProject(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			if p, err = c.RecordSuccess(cmd.Context(), p.ID, client.RecordSuccessParams{}, outcome); err != nil {
				return err
			}
			return printOne(a.out, a.form, projectColumns, p)
		}}
	addFields(c, outcomeFields)
	return c
}

func (a *app) projectDelete() *cobra.Command {
	return &cobra.Command{Use: "delete PROJECT...", Short: "Delete projects with their team, usages and metrics", Args: cobra.MinimumNArgs(1), ValidArgsFunction: a.completeProjects(),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.connect(cmd)
			if err != nil {
				return err
			}
			for _, ref := range args {
				p, err := findProject(cmd.Context(), c, ref)
				if err != nil {
					return err
				}
				if err := c.DeleteProject(cmd.Context(), p.ID, client.DeleteProjectParams{}); err != nil {
					return err
				}
			}
			return nil
		}}
}
