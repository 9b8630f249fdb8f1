package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"maestro/client"
	"maestro/problem"
	"maestro/tenancy"
	"maestro/tracking"
)

func (a *app) importCommand() *cobra.Command {
	return a.group("import", "Import what was recorded elsewhere", remote(a.importProjects()), a.importLegacy(), a.importTenant())
}

func (a *app) importProjects() *cobra.Command {
	var plan importPlan
	var pairs []string
	var start string
	var preview, keepGoing bool
	c := &cobra.Command{Use: "projects FILE", Short: "Import a history of projects from CSV", Args: cobra.ExactArgs(1),
		Long: "Every row of the table becomes a project. --map says which column is which field:\n  " + strings.Join(importFields, ", ") + "\n" +
			"Other columns become attributes, extra inputs of the predictor, unless they are ignored. Dates may be years: a start is then the\n" +
			"year's first day, a completion its last. A duration gives the date that is missing.\n\n" +
			"Every row is checked before anything is sent, and when the server refuses one after all, those that were created are\n" +
			"deleted again: all are imported, or none.",
		Example: "  maestro import projects history.csv --preview --name 'legacy {ID}' \\\n    --map duration=Length --duration-unit months --map completion_date=YearEnd --map compute_cost=Effort",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := plan.complete(pairs, start, args[0]); err != nil {
				return err
			}
			file, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = file.Close() }() // it was only read
			projects, err := plan.read(file)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if preview {
				return a.previewImport(projects)
			}
			c, err := a.connect(cmd)
			if err != nil {
				return err
			}
			if err := a.importAll(cmd.Context(), c, projects, keepGoing); err != nil {
				return err
			}
			a.note("Imported %d projects.", len(projects))
			return nil
		}}
	flags := c.Flags()
	flags.StringArrayVar(&pairs, "map", nil, "FIELD=COLUMN; may be given several times")
	flags.StringSliceVar(&plan.ignored, "ignore", nil, "a column to leave out; may be given several times")
	flags.StringSliceVar(&plan.missing, "missing", nil, "a value that means that there is none; may be given several times")
	flags.StringVar(&plan.name, "name", "", "name of a project, with {COLUMN} and {row} replaced (default the file's name and {row})")
	flags.StringVar(&plan.class, "problem-class", "", "problem class, with {COLUMN} replaced")
	flags.StringVar(&plan.status, "status", "", "status (default completed when there is a completion date, otherwise planned)")
	flags.StringVar(&plan.unit, "duration-unit", "days", "unit of durations: "+strings.Join(unitNames, ", "))
	flags.StringVar(&start, "start", "", "when projects began of which only the duration is known")
	flags.BoolVar(&preview, "preview", false, "show the projects and send nothing")
	flags.BoolVar(&keepGoing, "keep-going", false, "leave out what the server refuses, instead of undoing everything")
	_ = c.RegisterFlagCompletionFunc("duration-unit", cobra.FixedCompletions(unitNames, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	return c
}

// complete reads the parts of the plan that flags give as text.
func (p *importPlan) complete(pairs []string, start, file string) error {
	p.mapping = make(map[string]string)
	for _, pair := range pairs {
		field, column, ok := strings.Cut(pair, "=")
		if !ok || column == "" {
			return usage("--map must be FIELD=COLUMN")
		}
		if !slices.Contains(importFields, field) {
			return usage(fmt.Sprintf("--map: there is no field %s; did you mean %s?", field, nearest(field, importFields)))
		}
		p.mapping[field] = column
	}
	if unitDays[p.unit] == 0 {
		return usage("--duration-unit must be one of " + strings.Join(unitNames, ", "))
	}
	if start != "" {
		parsed, err := tenancy.ParseTime(start)
		if err != nil {
			return usage("--start is " + err.Error())
		}
		t := parsed.Std()
		p.start = &t
	}
	if p.name == "" {
		p.name = strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)) + "-{row}"
	}
	return nil
}

// previewImport shows what would be imported.
func (a *app) previewImport(projects []plannedProject) error {
	fields := make([]tracking.ProjectFields, len(projects))
	for i, p := range projects {
		fields[i] = p.fields
	}
	if err := printList(a.out, a.form, plannedColumns, fields); err != nil {
		return err
	}
	a.note("%d projects would be imported; nothing was sent.", len(projects))
	return nil
}

var plannedColumns = []column[tracking.ProjectFields]{
	{name: "name", value: func(p *tracking.ProjectFields) any { return p.Name }},
	{name: "problem_class", value: func(p *tracking.ProjectFields) any { return p.ProblemClass }},
	{name: "status", value: func(p *tracking.ProjectFields) any { return p.Status }},
	{name: "start_date", value: func(p *tracking.ProjectFields) any { return plannedInstant(p.StartDate) }},
	{name: "completion_date", value: func(p *tracking.ProjectFields) any { return plannedInstant(p.CompletionDate) }},
	{name: "compute_cost", value: func(p *tracking.ProjectFields) any { return p.ComputeCost }},
	{name: "team_size", value: func(p *tracking.ProjectFields) any { return p.TeamSize }, extra: true},
	{name: "complexity_score", value: func(p *tracking.ProjectFields) any { return p.ComplexityScore }, extra: true},
	{name: "model_performance", value: func(p *tracking.ProjectFields) any { return p.ModelPerformance }, extra: true},
	{name: "business_impact", value: func(p *tracking.ProjectFields) any { return p.BusinessImpact }, extra: true},
	{name: "attributes", value: func(p *tracking.ProjectFields) any { return map[string]any(p.Attributes) }},
}

func plannedInstant(t *tenancy.Time) any {
	if t == nil {
		return nil
	}
	return instant(t.String())
}

// importAll creates the projects. When the server refuses one, those before it
// are deleted again, unless keepGoing is set.
func (a *app) importAll(ctx context.Context, c *client.Client, projects []plannedProject, keepGoing bool) error {
	bar := a.showProgress("Importing", int64(len(projects)), false)
	defer bar.end()
	var created []string
	var failures []error
	for _, p := range projects {
		fields, err := sameMembers[client.ProjectFields](p.fields)
		if err != nil {
			return err
		}
		params := client.CreateProjectParams{IdempotencyKey: tenancy.NewID().String()}
		made, err := c.CreateProject(ctx, params, fields)
		if err != nil && !keepGoing && inDoubt(err) {
			// The same request with the same key tells whether it was done.
			if again, err := c.CreateProject(context.WithoutCancel(ctx), params, fields); err == nil {
				created = append(created, again.ID)
			}
		}
		bar.add(1)
		if err == nil {
			created = append(created, made.ID)
			continue
		}
		err = fmt.Errorf("line %d: %w", p.line, err)
		if !keepGoing {
			return errors.Join(err, a.undoImport(ctx, c, created))
		}
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

// inDoubt reports whether a request may have been done although it failed.
func inDoubt(err error) bool {
	var lost *client.ConnectionError
	return errors.As(err, &lost) || errors.Is(err, context.Canceled)
}

// undoImport deletes what an import created. It goes on when ctx has ended: that
// may be why there is something to undo.
func (a *app) undoImport(ctx context.Context, c *client.Client, created []string) error {
	ctx = context.WithoutCancel(ctx)
	left := 0
	var last error
	for _, id := range created {
		err := c.DeleteProject(ctx, id, client.DeleteProjectParams{})
		var answer *client.Error
		if err != nil && !(errors.As(err, &answer) && problem.Code(answer.Code()) == problem.NotFound) {
			left, last = left+1, err
		}
	}
	if left > 0 {
		return fmt.Errorf("%d of the projects created before could not be deleted again: %w", left, last)
	}
	if len(created) > 0 {
		a.note("The %d projects created before were deleted again: nothing was imported.", len(created))
	}
	return nil
}
