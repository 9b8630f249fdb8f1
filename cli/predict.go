package cli

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"maestro/insight"
)

// evaluation is how well a table of finished projects predicts itself.
type evaluation struct {
	N             int     `json:"n"`
	Folds         int     `json:"folds"` // n: leave-one-out
	MdMRE         float64 `json:"mdmre"`
	MMRE          float64 `json:"mmre"`
	Pred25        float64 `json:"pred25"`
	SA            float64 `json:"sa"`
	Coverage      float64 `json:"coverage"`
	Level         float64 `json:"level"`
	Width         float64 `json:"width"`
	BaselineMdMRE float64 `json:"baseline_mdmre"`
}

var evaluationColumns = []column[evaluation]{
	{name: "n", value: func(e *evaluation) any { return e.N }},
	{name: "folds", value: func(e *evaluation) any { return e.Folds }},
	{name: "mdmre", value: func(e *evaluation) any { return e.MdMRE }},
	{name: "mmre", value: func(e *evaluation) any { return e.MMRE }},
	{name: "pred25", value: func(e *evaluation) any { return e.Pred25 }},
	{name: "sa", value: func(e *evaluation) any { return e.SA }},
	{name: "coverage", value: func(e *evaluation) any { return e.Coverage }},
	{name: "level", value: func(e *evaluation) any { return e.Level }},
	{name: "width", value: func(e *evaluation) any { return e.Width }},
	{name: "baseline_mdmre", value: func(e *evaluation) any { return e.BaselineMdMRE }},
}

func (a *app) predictEvaluate() *cobra.Command {
	var options insight.TableOptions
	var level float64
	var plot string
	c := &cobra.Command{Use: "evaluate FILE", Short: "Judge the predictor by leave-one-out over a table of finished projects", Args: cobra.ExactArgs(1),
		Long: "Reads a CSV of finished projects, one a row, and predicts each by what is learned from the others. Every column but --target and\n" +
			"the ignored is an input; an empty cell is missing; columns with text are categories. No server is needed. It prints\n" +
			"  n, folds        projects judged, in so many parts (the same number up to 500: leave-one-out)\n" +
			"  mdmre, mmre     median and mean of |actual - predicted| / actual\n" +
			"  pred25          share of projects predicted within 25 % of the actual\n" +
			"  sa              standardised accuracy: 1 - mean error / mean error of guessing another project's value\n" +
			"  coverage, level share of actual values within their interval, and what it should be\n" +
			"  width           median of the interval's width / predicted\n" +
			"  baseline_mdmre  mdmre of predicting the median of the others",
		Example: "  maestro predict evaluate desharnais.csv --target Effort --ignore Project,Length,YearEnd --categorical Language",
		RunE: func(cmd *cobra.Command, args []string) error {
			if options.Target == "" {
				return usage("--target is needed: the column to predict")
			}
			if !(level > 0 && level <= insight.HighestLevel) {
				return usage(fmt.Sprintf("--level must lie between 0 and %v", insight.HighestLevel))
			}
			judged, err := a.evaluateTable(cmd.Context(), args[0], options, level)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if plot != "" {
				if err := os.WriteFile(plot, plotEvaluation(judged, options.Target), 0o600); err != nil {
					return err
				}
			}
			return printOne(a.out, a.form, evaluationColumns, evaluation{
				N: judged.N, Folds: judged.Folds, MdMRE: judged.MdMRE, MMRE: judged.MMRE, Pred25: judged.Pred, SA: judged.SA,
				Coverage: judged.Coverage, Level: judged.Level, Width: judged.Width, BaselineMdMRE: judged.BaselineMdMRE,
			})
		}}
	flags := c.Flags()
	flags.StringVar(&options.Target, "target", "", "the column to predict")
	flags.StringSliceVar(&options.Ignore, "ignore", nil, "a column that is no input; may be given several times")
	flags.StringSliceVar(&options.Categorical, "categorical", nil, "a column whose numbers are codes of categories; may be given several times")
	flags.Float64Var(&level, "level", 0.8, "share of the actual values that the intervals should cover, above 0 and below 1")
	flags.StringVar(&plot, "plot", "", "write predicted against actual to this SVG file")
	return c
}

func (a *app) evaluateTable(ctx context.Context, path string, options insight.TableOptions, level float64) (insight.Evaluation, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return insight.Evaluation{}, err
	}
	rows, err := csv.NewReader(bytes.NewReader(content)).ReadAll()
	if err != nil {
		return insight.Evaluation{}, err // names the line
	}
	if len(rows) == 0 {
		return insight.Evaluation{}, errors.New("the table is empty")
	}
	inputs, target, err := insight.FromTable(rows[0], rows[1:], options)
	if err != nil {
		return insight.Evaluation{}, err
	}
	bar := a.showProgress("judging", int64(inputs.Rows()), false)
	defer bar.end()
	return insight.Evaluate(ctx, inputs, target, insight.EvaluateOptions{Level: level, Progress: func(done, total int) {
		bar.set(int64(done) * int64(inputs.Rows()) / int64(total))
	}})
}
