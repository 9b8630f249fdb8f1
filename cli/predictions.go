package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"maestro/client"
)

var predictionColumns = []column[client.Prediction]{
	{name: "created_at", value: func(p *client.Prediction) any { return instant(p.CreatedAt) }},
	{name: "project", value: func(p *client.Prediction) any { return p.ProjectName }},
	{name: "success_score", value: func(p *client.Prediction) any { return p.PredictedSuccessScore }},
	{name: "actual_success_score", value: func(p *client.Prediction) any { return p.ActualSuccessScore }},
	{name: "duration_days", value: func(p *client.Prediction) any { return p.PredictedDurationDays }},
	{name: "actual_duration_days", value: func(p *client.Prediction) any { return p.ActualDurationDays }},
	{name: "cost", value: func(p *client.Prediction) any { return p.PredictedCost }},
	{name: "actual_cost", value: func(p *client.Prediction) any { return p.ActualCost }},
	{name: "confidence", value: func(p *client.Prediction) any { return p.Confidence }},
	{name: "basis", value: func(p *client.Prediction) any { return p.Basis }, extra: true},
	{name: "note", value: func(p *client.Prediction) any { return p.Note }, extra: true},
	{name: "model_version", value: func(p *client.Prediction) any { return p.ModelVersion }, extra: true},
	{name: "recommendation", value: func(p *client.Prediction) any { return p.Recommendation }, extra: true},
	{name: "id", value: func(p *client.Prediction) any { return p.ID }},
}

// outcomeRow is one outcome of a prediction, for people.
type outcomeRow struct {
	outcome   string
	predicted *float64
	interval  *client.PredictedInterval
	actual    *float64
}

var outcomeColumns = []column[outcomeRow]{
	{name: "outcome", value: func(r *outcomeRow) any { return r.outcome }},
	{name: "predicted", value: func(r *outcomeRow) any { return r.predicted }},
	{name: "low", value: func(r *outcomeRow) any {
		return ifThere(r.interval, func(i *client.PredictedInterval) any { return i.Low })
	}},
	{name: "high", value: func(r *outcomeRow) any {
		return ifThere(r.interval, func(i *client.PredictedInterval) any { return i.High })
	}},
	{name: "level", value: func(r *outcomeRow) any {
		return ifThere(r.interval, func(i *client.PredictedInterval) any { return i.Level })
	}},
	{name: "typical", value: func(r *outcomeRow) any {
		return ifThere(r.interval, func(i *client.PredictedInterval) any { return i.Typical })
	}},
	{name: "basis", value: func(r *outcomeRow) any {
		return ifThere(r.interval, func(i *client.PredictedInterval) any { return i.Basis })
	}},
	{name: "actual", value: func(r *outcomeRow) any { return r.actual }},
}

var driverColumns = []column[client.Driver]{
	{name: "outcome", value: func(d *client.Driver) any { return d.Outcome }},
	{name: "driver", value: func(d *client.Driver) any { return d.Name }},
	{name: "input", value: func(d *client.Driver) any { return d.Input }},
	{name: "effect", value: func(d *client.Driver) any { return d.Effect }},
	{name: "factor", value: func(d *client.Driver) any { return d.Factor }},
}

var similarOutcomeColumns = []column[client.SimilarOutcome]{
	{name: "similar_project", value: func(s *client.SimilarOutcome) any { return s.Name }},
	{name: "similarity", value: func(s *client.SimilarOutcome) any { return s.Similarity }},
	{name: "success_score", value: func(s *client.SimilarOutcome) any { return s.SuccessScore }},
	{name: "duration_days", value: func(s *client.SimilarOutcome) any { return s.DurationDays }},
	{name: "cost", value: func(s *client.SimilarOutcome) any { return s.Cost }},
}

// printPrediction prints a prediction with what explains it.
func printPrediction(w io.Writer, form string, p client.Prediction) error {
	if form != formTable {
		return printOne(w, form, predictionColumns, p)
	}
	rows := []outcomeRow{
		{"success_score", p.PredictedSuccessScore, p.SuccessScoreInterval, p.ActualSuccessScore},
		{"duration_days", p.PredictedDurationDays, p.DurationDaysInterval, p.ActualDurationDays},
		{"cost", p.PredictedCost, p.CostInterval, p.ActualCost},
	}
	if err := printList(w, form, outcomeColumns, rows); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nConfidence %.2f, learned from %d finished projects.\n", p.Confidence, p.Basis)
	if p.Note != "" {
		fmt.Fprintf(w, "Note: %s.\n", visible(p.Note))
	}
	given, missing := splitDrivers(p.Drivers)
	if err := printSection(w, driverColumns, given); err != nil {
		return err
	}
	for _, m := range missing {
		fmt.Fprintf(w, "\nNot given, which comes to %+.3g of the %s: %s.\n", m.effect, m.outcome, visible(strings.Join(m.inputs, ", ")))
	}
	if err := printSection(w, similarOutcomeColumns, p.SimilarProjects); err != nil {
		return err
	}
	printAdvice(w, p.Recommendations)
	_, err := fmt.Fprintln(w, "\nid", p.ID)
	return err
}

// notGiven are the inputs of an outcome that a project says nothing to. They drive
// nothing, but the number goes by finished projects that said nothing, too.
type notGiven struct {
	outcome string
	inputs  []string
	effect  float64 // of all together, in the outcome's unit
}

// splitDrivers parts what drives the outcomes from what was not given, which is
// summed up by outcome.
func splitDrivers(all []client.Driver) (given []client.Driver, missing []notGiven) {
	for _, d := range all {
		if d.Input != "" {
			given = append(given, d)
			continue
		}
		i := slices.IndexFunc(missing, func(m notGiven) bool { return m.outcome == d.Outcome })
		if i < 0 {
			i, missing = len(missing), append(missing, notGiven{outcome: d.Outcome})
		}
		missing[i].inputs = append(missing[i].inputs, d.Name)
		missing[i].effect += d.Effect
	}
	return given, missing
}

// printSection prints a table with an empty line before it, unless it is empty.
func printSection[T any](w io.Writer, columns []column[T], items []T) error {
	if len(items) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	return printList(w, formTable, columns, items)
}

func printAdvice(w io.Writer, all []client.Recommendation) {
	if len(all) > 0 {
		fmt.Fprintln(w)
	}
	for _, r := range all {
		fmt.Fprintf(w, "%s: %s\n", r.Kind, visible(r.Text))
	}
}

func (a *app) predictCommand() *cobra.Command {
	var flags planFlags
	var level float64
	c := &cobra.Command{Use: "predict [PROJECT]", Short: "Predict how projects go, and judge the predictor", Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeProjects(),
		Long: "Predicts success, duration and cost of a recorded project, or of a plan that the flags describe, from the tenant's own\n" +
			"finished projects: with intervals, what drives the numbers, similar projects and advice. Every prediction is recorded, and\n" +
			"compared with what happened when its project is completed.",
		Example: "  maestro predict \"Churn\"\n  maestro predict --problem-class nlp --complexity 40 --team-size 5 --attribute function_points=300",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && cmd.Flags().NFlag() == 0 {
				return cmd.Help()
			}
			c, err := a.connect(cmd)
			if err != nil {
				return err
			}
			members, err := flags.read(cmd, c, args)
			if err != nil {
				return err
			}
			members["level"] = level
			asked, err := decodeFields[client.PredictionRequest](members)
			if err != nil {
				return err
			}
			p, err := c.CreatePrediction(cmd.Context(), client.CreatePredictionParams{}, asked)
			if err != nil {
				return err
			}
			return printPrediction(a.out, a.form, p)
		}}
	addFlags(c.Flags(), clientOptions)
	flags.add(c)
	c.Flags().Float64Var(&level, "level", 0.8, "with which probability an outcome should lie in its interval")
	c.AddCommand(remote(a.predictList()), remote(a.predictShow()), remote(a.predictCard()), a.predictEvaluate())
	return c
}

func (a *app) predictList() *cobra.Command {
	var project string
	var compared bool
	var limit int
	c := &cobra.Command{Use: "list", Short: "List predictions, the latest first", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		c, err := a.connect(cmd)
		if err != nil {
			return err
		}
		params := client.ListPredictionsParams{Limit: pageSize}
		if cmd.Flags().Changed("compared") {
			params.Compared = &compared
		}
		if project != "" {
			p, err := findProject(cmd.Context(), c, project)
			if err != nil {
				return err
			}
			params.ProjectID = p.ID
		}
		predictions, err := collect(c.AllPredictions(cmd.Context(), params), limit)
		if err != nil {
			return err
		}
		return printList(a.out, a.form, predictionColumns, predictions)
	}}
	c.Flags().StringVar(&project, "project", "", "only of this project, by name or id")
	c.Flags().BoolVar(&compared, "compared", false, "only those that were compared with what happened; =false: only the others")
	c.Flags().IntVar(&limit, "limit", 0, "at most so many (default all)")
	return c
}

func (a *app) predictShow() *cobra.Command {
	return &cobra.Command{Use: "show ID", Short: "Show a prediction, and what came of it", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		c, err := a.connect(cmd)
		if err != nil {
			return err
		}
		p, err := c.GetPrediction(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		return printPrediction(a.out, a.form, p)
	}}
}

func (a *app) predictCard() *cobra.Command {
	return &cobra.Command{Use: "card", Short: "Show what the predictor learned from and how far to trust it", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		c, err := a.connect(cmd)
		if err != nil {
			return err
		}
		card, err := c.GetPredictor(cmd.Context())
		if err != nil {
			return err
		}
		return printCard(a.out, a.form, card)
	}}
}

var cardColumns = []column[client.OutcomeCard]{
	{name: "outcome", value: func(o *client.OutcomeCard) any { return o.Outcome }},
	{name: "basis", value: func(o *client.OutcomeCard) any { return o.Basis }},
	{name: "median", value: func(o *client.OutcomeCard) any {
		return ifThere(o.BaseRate, func(r *client.BaseRate) any { return r.Median })
	}},
	{name: "mdmre", value: func(o *client.OutcomeCard) any {
		return ifThere(o.Evaluation, func(e *client.Evaluation) any { return e.Mdmre })
	}},
	{name: "baseline_mdmre", value: func(o *client.OutcomeCard) any {
		return ifThere(o.Evaluation, func(e *client.Evaluation) any { return e.BaselineMdmre })
	}},
	{name: "sa", value: func(o *client.OutcomeCard) any {
		return ifThere(o.Evaluation, func(e *client.Evaluation) any { return e.Sa })
	}},
	{name: "coverage", value: func(o *client.OutcomeCard) any {
		return ifThere(o.Evaluation, func(e *client.Evaluation) any { return e.Coverage })
	}},
	{name: "level", value: func(o *client.OutcomeCard) any {
		return ifThere(o.Evaluation, func(e *client.Evaluation) any { return e.Level })
	}},
	{name: "compared", value: func(o *client.OutcomeCard) any { return o.Recorded.N }},
	{name: "compared_mdmre", value: func(o *client.OutcomeCard) any { return o.Recorded.Mdmre }},
	{name: "compared_coverage", value: func(o *client.OutcomeCard) any { return o.Recorded.Coverage }},
}

func ifThere[T any](value *T, part func(*T) any) any {
	if value == nil {
		return nil
	}
	return part(value)
}

// printCard prints the predictor's card: how the history predicts itself, and how
// the recorded predictions did.
func printCard(w io.Writer, form string, card client.PredictorCard) error {
	if form == formJSON || form == formYAML {
		return printDocument(w, form, card)
	}
	if err := printList(w, form, cardColumns, card.Outcomes); err != nil || form != formTable {
		return err
	}
	if card.Note != "" {
		_, err := fmt.Fprintf(w, "\nNote: %s: %d finished projects; below %d there is only a base rate.\n", visible(card.Note), card.FinishedProjects, card.LeastHistory)
		return err
	}
	return nil
}
