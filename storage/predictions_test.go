package storage

import (
	"fmt"
	"testing"

	"maestro/problem"
	"maestro/tenancy"
	"maestro/tracking"
)

// finishProjects records n finished projects, each with so many attributes.
func finishProjects(tb testing.TB, tenant *Tenant, n, attributes int) {
	tb.Helper()
	for i := range n {
		f := tracking.ProjectFields{Name: fmt.Sprintf("finished %d", i), Status: tracking.Completed, ProblemClass: ptr("nlp"), ComplexityScore: ptr(float64(1 + 7*i%99)),
			StartDate: ptr(tenancy.Time(0)), CompletionDate: ptr(tenancy.Time(1 + int64(i*i)*1_000_000_000)), ComputeCost: ptr(float64(10 + 3*i)), ModelPerformance: ptr(float64(i%10) / 10),
			Attributes: tracking.Attributes{}}
		for k := range attributes {
			f.Attributes[fmt.Sprintf("a%d", k)] = float64((i*(k+3))%(17+k)) + 0.5*float64(i)
		}
		if _, _, err := tenant.CreateProject(background, f, Idempotency{}); err != nil {
			tb.Fatal(err)
		}
	}
}

func predictionOf(project *tenancy.ID) tracking.PredictionRequest {
	r := tracking.PredictionRequest{Level: tracking.DefaultLevel}
	r.ProjectID = project
	if project == nil {
		r.ComplexityScore = ptr(50.0)
	}
	return r
}

func readBack(t *testing.T) func(tracking.Prediction, error) tracking.Prediction {
	return func(p tracking.Prediction, err error) tracking.Prediction {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
}

func TestTheLatestPredictionsOfAProjectAreKept(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	p := newProject(t, tenant, "new")
	// As many as are kept, written in one go.
	err := tenant.write(background, func(tx *Tx) error {
		for range mostPredictions {
			for _, project := range []*tenancy.ID{&p.ID, nil} {
				old := tracking.Prediction{ID: tenancy.NewID(), TenantID: tenant.scope.Tenant(), ProjectID: project, CreatedAt: tx.Now - 1}
				if err := tenant.insertPrediction(tx, &old, 0.8); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	made, _, err := tenant.Predict(background, predictionOf(&p.ID), Idempotency{})
	if err != nil {
		t.Fatal(err)
	}
	count := func(project *tenancy.ID) (n int64) {
		err := s.read(background, func(c *conn) error {
			return c.queryRow("SELECT count(*) FROM predictions WHERE tenant_id = $1 AND project_id IS $2", []any{tenant.scope.Tenant(), project}, func(r row) { n = r.int(0) })
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := count(&p.ID); n != mostPredictions {
		t.Errorf("%d predictions of the project are kept, want %d", n, mostPredictions)
	}
	if n := count(nil); n != mostPredictions {
		t.Errorf("%d predictions of plans are kept, want %d", n, mostPredictions)
	}
	if _, err := tenant.Prediction(background, made.ID); err != nil {
		t.Errorf("the latest one is gone: %v", err)
	}
}

// A success score that moves because others finish is the actual one, too.
func TestTheActualSuccessFollowsTheScore(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	finishProjects(t, tenant, 6, 0)
	p := newProject(t, tenant, "new")
	made, _, err := tenant.Predict(background, predictionOf(&p.ID), Idempotency{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = tenant.UpdateProject(background, p.ID, nil, func(f *tracking.ProjectFields) error {
		f.Status, f.ComputeCost = tracking.Completed, ptr(1.0)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	before := readBack(t)(tenant.Prediction(background, made.ID))
	cheaper := tracking.ProjectFields{Name: "cheaper", Status: tracking.Completed, ComputeCost: ptr(0.5)}
	if _, _, err := tenant.CreateProject(background, cheaper, Idempotency{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Rescore(background); err != nil {
		t.Fatal(err)
	}
	now, err := tenant.Project(background, p.ID)
	if err != nil {
		t.Fatal(err)
	}
	after := readBack(t)(tenant.Prediction(background, made.ID))
	if after.ActualSuccessScore == nil || *after.ActualSuccessScore != *now.SuccessScore || *after.ActualSuccessScore == *before.ActualSuccessScore {
		t.Errorf("the actual success is %v, was %v, the score is %v", after.ActualSuccessScore, before.ActualSuccessScore, now.SuccessScore)
	}
}

func TestAProjectCompletedWhileItIsPredictedIsNot(t *testing.T) {
	tenant := newTenant(t, openStore(t), "acme")
	p := newProject(t, tenant, "new")
	if _, err := tenant.UpdateProject(background, p.ID, nil, func(f *tracking.ProjectFields) error { f.Status = tracking.Completed; return nil }); err != nil {
		t.Fatal(err)
	}
	_, _, err := tenant.Predict(background, predictionOf(&p.ID), Idempotency{})
	wantCode(t, err, problem.Conflict)
}

// An older system kept other inputs; its predictions are still read.
func TestPredictionsOfTheOlderSystemAreRead(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	id := tenancy.NewID()
	err := tenant.write(background, func(tx *Tx) error {
		_, err := tx.exec(`INSERT INTO predictions (tenant_id, id, inputs, predicted_success_score, recommendation, model_version, created_at)
			VALUES ($1, $2, '{"team_size": "four", "complexity_score": 7}', 85.0, 'Go on', 'v1', 5)`, tenant.scope.Tenant(), id)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	p := readBack(t)(tenant.Prediction(background, id))
	if *p.PredictedSuccessScore != 85 || p.SuccessScoreInterval != nil || p.Confidence != 0 || p.Recommendation != "Go on" || *p.Inputs.ComplexityScore != 7 {
		t.Errorf("read as %+v", p)
	}
}

// BenchmarkPredict must stay under 5 ms with what was learned at hand.
func BenchmarkPredict(b *testing.B) {
	for _, n := range []int{100, 2000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			tenant := newTenant(b, openStore(b), "acme")
			finishProjects(b, tenant, n, 16)
			request := predictionOf(nil)
			request.Attributes = tracking.Attributes{"a1": 5.0, "a3": 7.0}
			if _, err := tenant.forecast(background, &request); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := tenant.forecast(background, &request); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
