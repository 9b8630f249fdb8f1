package tracking

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"maestro/tenancy"
)

const day = tenancy.Time(24 * 60 * 60 * 1_000_000)

var near = cmpopts.EquateApprox(0, 1e-9)

func TestSuccess(t *testing.T) {
	weights := tenancy.DefaultSuccessWeights()
	full := Outcome{
		Finished: true, ModelPerformance: new(0.9), BusinessImpact: new(50_000.0), ComputeCost: new(200.0),
		StartDate: new(day), CompletionDate: new(31 * day),
	}
	ranks := Ranks{
		BusinessImpact: Rank{Below: 8, Equal: 2, N: 10}, // percentile 90
		ComputeCost:    Rank{Below: 2, Equal: 1, N: 5},  // percentile 50
		DeliveryTime:   Rank{Below: 0, Equal: 1, N: 10}, // percentile 5
	}
	for _, test := range []struct {
		name    string
		change  func(o *Outcome, r *Ranks, w *tenancy.SuccessWeights)
		score   *float64
		weights [4]float64  // of model performance, business impact, cost efficiency, delivery speed
		values  [4]*float64 // nil: absent
	}{
		{
			"every part", func(*Outcome, *Ranks, *tenancy.SuccessWeights) {},
			new(0.40*90 + 0.30*90 + 0.15*50 + 0.15*95),
			[4]float64{0.40, 0.30, 0.15, 0.15}, [4]*float64{new(90.0), new(90.0), new(50.0), new(95.0)},
		},
		{
			"an absent part gives its weight to the others", func(o *Outcome, _ *Ranks, _ *tenancy.SuccessWeights) { o.BusinessImpact = nil },
			new((0.40*90 + 0.15*50 + 0.15*95) / 0.70),
			[4]float64{0.40 / 0.70, 0, 0.15 / 0.70, 0.15 / 0.70}, [4]*float64{new(90.0), nil, new(50.0), new(95.0)},
		},
		{
			"nothing known", func(o *Outcome, _ *Ranks, _ *tenancy.SuccessWeights) { *o = Outcome{Finished: true} },
			nil, [4]float64{}, [4]*float64{},
		},
		{
			"before completion only the model counts", func(o *Outcome, _ *Ranks, _ *tenancy.SuccessWeights) { o.Finished = false },
			new(90.0), [4]float64{1, 0, 0, 0}, [4]*float64{new(90.0), nil, nil, nil},
		},
		{
			"four projects are too few to rank", func(_ *Outcome, r *Ranks, _ *tenancy.SuccessWeights) {
				r.BusinessImpact.N, r.ComputeCost.N, r.DeliveryTime.N = 4, 4, 4
			},
			new(90.0), [4]float64{1, 0, 0, 0}, [4]*float64{new(90.0), nil, nil, nil},
		},
		{
			"five are enough", func(o *Outcome, r *Ranks, _ *tenancy.SuccessWeights) {
				*o = Outcome{Finished: true, BusinessImpact: new(1.0)}
				r.BusinessImpact = Rank{Below: 4, Equal: 1, N: 5}
			},
			new(90.0), [4]float64{0, 1, 0, 0}, [4]*float64{nil, new(90.0), nil, nil},
		},
		{
			"a project that ended before it began has no speed", func(o *Outcome, _ *Ranks, _ *tenancy.SuccessWeights) { o.CompletionDate = new(tenancy.Time(0)) },
			new((0.40*90 + 0.30*90 + 0.15*50) / 0.85),
			[4]float64{0.40 / 0.85, 0.30 / 0.85, 0.15 / 0.85, 0}, [4]*float64{new(90.0), new(90.0), new(50.0), nil},
		},
		{
			"the tenant's own weights, relative to one another", func(_ *Outcome, _ *Ranks, w *tenancy.SuccessWeights) {
				*w = tenancy.SuccessWeights{ModelPerformance: 1, DeliverySpeed: 1}
			},
			new((90.0 + 95) / 2), [4]float64{0.5, 0, 0, 0.5}, [4]*float64{new(90.0), new(90.0), new(50.0), new(95.0)},
		},
		{
			"only a part without weight exists", func(o *Outcome, _ *Ranks, w *tenancy.SuccessWeights) {
				*o = Outcome{ModelPerformance: new(0.9)}
				*w = tenancy.SuccessWeights{BusinessImpact: 1}
			},
			nil, [4]float64{}, [4]*float64{new(90.0), nil, nil, nil},
		},
		{
			"a performance of zero is known", func(o *Outcome, _ *Ranks, _ *tenancy.SuccessWeights) { *o = Outcome{ModelPerformance: new(0.0)} },
			new(0.0), [4]float64{1, 0, 0, 0}, [4]*float64{new(0.0), nil, nil, nil},
		},
		{
			"an imported performance out of bounds is bounded", func(o *Outcome, _ *Ranks, _ *tenancy.SuccessWeights) { *o = Outcome{ModelPerformance: new(93.0)} },
			new(100.0), [4]float64{1, 0, 0, 0}, [4]*float64{new(100.0), nil, nil, nil},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			o, r, w := full, ranks, weights
			test.change(&o, &r, &w)
			got := Success(o, r, w)
			if diff := cmp.Diff(test.score, got.Score, near); diff != "" {
				t.Error("score:", diff)
			}
			if got.Formula != "success/1" || len(got.Parts) != 4 {
				t.Fatalf("got formula %s with %d parts", got.Formula, len(got.Parts))
			}
			for i, name := range []string{"model_performance", "business_impact", "cost_efficiency", "delivery_speed"} {
				part := got.Parts[i]
				if part.Name != name {
					t.Errorf("part %d is %s, want %s", i, part.Name, name)
				}
				if diff := cmp.Diff(test.weights[i], part.Weight, near); diff != "" {
					t.Error(name, "weight:", diff)
				}
				if diff := cmp.Diff(test.values[i], part.Value, near); diff != "" {
					t.Error(name, "value:", diff)
				}
				if (part.Value == nil) != (part.Absent != "") || (part.Value == nil) != (part.Input == nil) {
					t.Errorf("%s is either there with its input or absent with a reason: %+v", name, part)
				}
			}
		})
	}
}

func TestPercentile(t *testing.T) {
	for _, test := range []struct {
		name string
		rank Rank
		want float64
	}{
		{"alone", Rank{0, 1, 1}, 50},
		{"all the same", Rank{0, 7, 7}, 50},
		{"the least of five", Rank{0, 1, 5}, 10},
		{"the middle of five", Rank{2, 1, 5}, 50},
		{"the greatest of five", Rank{4, 1, 5}, 90},
		{"two share the top of four", Rank{2, 2, 4}, 75},
	} {
		if got := test.rank.Percentile(); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

func TestRankOf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Few distinct values, so that many are equal.
		values := rapid.SliceOfN(rapid.SampledFrom([]float64{-1e300, -2, math.Copysign(0, -1), 0, 0.5, 3, 1e300}), 1, 40).Draw(t, "values")
		sorted := slices.Sorted(slices.Values(values))
		mean := 0.0
		for _, value := range values {
			got, want := RankOf(sorted, value), countRank(values, value)
			if got != want {
				t.Fatalf("%v in %v: got %+v, want %+v", value, values, got, want)
			}
			if p := got.Percentile(); p <= 0 || p >= 100 {
				t.Fatalf("percentile %v", p)
			}
			mean += got.Percentile() / float64(len(values))
		}
		if math.Abs(mean-50) > 1e-9 {
			t.Fatalf("the mean percentile is %v, want 50", mean)
		}
	})
}

// countRank is RankOf by its definition.
func countRank(values []float64, value float64) (r Rank) {
	for _, other := range values {
		r.N++
		if other < value {
			r.Below++
		}
		if other == value {
			r.Equal++
		}
	}
	return r
}

var anyOutcome = rapid.Custom(func(t *rapid.T) Outcome {
	amount := rapid.Float64Range(-3, 3)
	few := rapid.Map(rapid.IntRange(0, 6), func(n int) float64 { return float64(n) })
	instant := rapid.Map(rapid.IntRange(0, 9), func(n int) tenancy.Time { return tenancy.Time(n) * day })
	return Outcome{
		Finished:         rapid.Float64Range(0, 1).Draw(t, "finished") < 0.8,
		ModelPerformance: rapid.Ptr(rapid.Float64Range(0, 1), true).Draw(t, "model_performance"),
		BusinessImpact:   rapid.Ptr(rapid.OneOf(amount, few), true).Draw(t, "business_impact"),
		ComputeCost:      rapid.Ptr(few, true).Draw(t, "compute_cost"),
		StartDate:        rapid.Ptr(instant, true).Draw(t, "start_date"),
		CompletionDate:   rapid.Ptr(instant, true).Draw(t, "completion_date"),
	}
})

var anyWeights = rapid.Custom(func(t *rapid.T) tenancy.SuccessWeights {
	weight := rapid.OneOf(rapid.Just(0.0), rapid.Float64Range(0, 1))
	return tenancy.SuccessWeights{
		ModelPerformance: weight.Draw(t, "model_performance"), BusinessImpact: weight.Draw(t, "business_impact"),
		CostEfficiency: weight.Draw(t, "cost_efficiency"), DeliverySpeed: weight.Draw(t, "delivery_speed"),
	}
})

// ranksOf counts the ranks of one outcome, as a database would.
func ranksOf(outcomes []Outcome, o Outcome) (r Ranks) {
	var impacts, costs, times []float64
	for _, other := range outcomes {
		if !other.Finished {
			continue
		}
		if other.BusinessImpact != nil {
			impacts = append(impacts, *other.BusinessImpact)
		}
		if other.ComputeCost != nil {
			costs = append(costs, *other.ComputeCost)
		}
		if other.StartDate != nil && other.CompletionDate != nil && *other.StartDate <= *other.CompletionDate {
			times = append(times, float64(*other.CompletionDate-*other.StartDate))
		}
	}
	if o.BusinessImpact != nil {
		r.BusinessImpact = countRank(impacts, *o.BusinessImpact)
	}
	if o.ComputeCost != nil {
		r.ComputeCost = countRank(costs, *o.ComputeCost)
	}
	if micros, ok := o.DeliveryTime(); ok {
		r.DeliveryTime = countRank(times, micros)
	}
	return r
}

func TestSuccessScoresAtOnceEqualOneByOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		outcomes := rapid.SliceOfN(anyOutcome, 0, 30).Draw(t, "outcomes")
		weights := anyWeights.Draw(t, "weights")
		scores := SuccessScores(outcomes, weights)
		if len(scores) != len(outcomes) {
			t.Fatalf("%d scores of %d outcomes", len(scores), len(outcomes))
		}
		for i, o := range outcomes {
			want := Success(o, ranksOf(outcomes, o), weights)
			if diff := cmp.Diff(want.Score, scores[i]); diff != "" {
				t.Fatalf("outcome %d: %s", i, diff)
			}
		}
	})
}

func TestSuccessIsExplainedByItsParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		outcomes := rapid.SliceOfN(anyOutcome, 1, 20).Draw(t, "outcomes")
		got := Success(outcomes[0], ranksOf(outcomes, outcomes[0]), anyWeights.Draw(t, "weights"))
		total, weight := 0.0, 0.0
		for _, part := range got.Parts {
			if part.Value == nil {
				if part.Weight != 0 {
					t.Fatalf("an absent part weighs %v", part.Weight)
				}
				continue
			}
			if *part.Value < 0 || *part.Value > 100 {
				t.Fatalf("%s is %v", part.Name, *part.Value)
			}
			total += part.Weight * *part.Value
			weight += part.Weight
		}
		if got.Score == nil {
			if weight != 0 {
				t.Fatalf("no score, but parts of weight %v", weight)
			}
			return
		}
		if math.Abs(weight-1) > 1e-9 || math.Abs(total-*got.Score) > 1e-9 || *got.Score < 0 || *got.Score > 100 {
			t.Fatalf("score %v, parts %v of weight %v", *got.Score, total, weight)
		}
	})
}

// More benefit for less cost never lowers the score.
func TestSuccessRisesWithTheOutcome(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		outcomes := rapid.SliceOfN(anyOutcome, 1, 20).Draw(t, "outcomes")
		weights := anyWeights.Draw(t, "weights")
		weights.ModelPerformance += 0.1
		o := &outcomes[0]
		o.Finished, o.ModelPerformance = true, new(rapid.Float64Range(0, 1).Draw(t, "performance"))
		o.BusinessImpact, o.ComputeCost = new(1.0), new(3.0)
		before := SuccessScores(outcomes, weights)[0]
		o.BusinessImpact = new(*o.BusinessImpact + rapid.Float64Range(0, 5).Draw(t, "more impact"))
		o.ComputeCost = new(*o.ComputeCost - rapid.Float64Range(0, 5).Draw(t, "less cost"))
		if after := SuccessScores(outcomes, weights)[0]; *after < *before-1e-9 {
			t.Fatalf("the score fell from %v to %v", *before, *after)
		}
	})
}

func TestOutcomeOfAProject(t *testing.T) {
	p := fullProject()
	want := Outcome{
		Finished: true, ModelPerformance: new(0.913), BusinessImpact: new(120000.0), ComputeCost: new(1840.25),
		StartDate: p.StartDate, CompletionDate: p.CompletionDate,
	}
	if diff := cmp.Diff(want, p.Outcome()); diff != "" {
		t.Error(diff)
	}
	for _, status := range []Status{Planned, Active, Abandoned} {
		p.Status = status
		if p.Outcome().Finished {
			t.Errorf("%s counts as finished", status)
		}
	}
}

func BenchmarkSuccessScores(b *testing.B) {
	outcomes := make([]Outcome, 10_000)
	for i := range outcomes {
		x := float64(i * 7919 % 10_007)
		outcomes[i] = Outcome{Finished: true, ModelPerformance: new(x / 10_007), BusinessImpact: new(x), ComputeCost: new(-x), StartDate: new(day), CompletionDate: new(day + tenancy.Time(x))}
	}
	b.ReportAllocs()
	for b.Loop() {
		SuccessScores(outcomes, tenancy.DefaultSuccessWeights())
	}
}
