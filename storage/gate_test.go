package storage

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"maestro/problem"
	"maestro/tenancy"
	"maestro/tracking"
)

func mustEnter(t testing.TB, g *gate, tenant tenancy.ID) (leave func()) {
	t.Helper()
	leave, err := g.enter(background, tenant)
	if err != nil {
		t.Fatal(err)
	}
	return leave
}

func TestOneTenantLeavesTheGateToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(2)
		loud, quiet, third := idOf(1), idOf(2), idOf(3)
		leave := mustEnter(t, g, loud)
		var turns []tenancy.ID
		work := func(tenant tenancy.ID) {
			done := mustEnter(t, g, tenant)
			turns = append(turns, tenant)
			done()
		}
		for range 10 {
			go work(loud)
		}
		synctest.Wait()
		mustEnter(t, g, quiet)() // at once, though ten of the loud tenant's wait
		hold := mustEnter(t, g, third)
		go work(quiet)
		synctest.Wait()
		if len(turns) != 0 {
			t.Fatalf("%d entered a gate that is full", len(turns))
		}
		leave()
		synctest.Wait()
		hold()
		synctest.Wait()
		if len(turns) != 11 || turns[0] != quiet {
			t.Errorf("the turns went to %v", turns)
		}
		if len(g.tenants) != 0 {
			t.Errorf("%d tenants are kept of a gate that nobody is at", len(g.tenants))
		}
	})
}

func TestAGateThatIsBusyTurnsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1)
		leave := mustEnter(t, g, idOf(1))
		for _, tenant := range []tenancy.ID{idOf(1), idOf(2)} {
			begin := time.Now()
			_, err := g.enter(background, tenant)
			var busy *problem.Error
			if !errors.As(err, &busy) || busy.Code != problem.Unavailable || busy.RetryAfter <= 0 || time.Since(begin) != longestTurn {
				t.Errorf("after %v: %v", time.Since(begin), err)
			}
			ctx, cancel := context.WithTimeout(background, time.Millisecond)
			if _, err := g.enter(ctx, tenant); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a withdrawn request: %v", err)
			}
			cancel()
		}
		leave()
		for _, tenant := range []tenancy.ID{idOf(1), idOf(2)} {
			mustEnter(t, g, tenant)() // who was turned away holds nothing
		}
	})
}

// TestComparisonsAndJudgementsTakeTurns asks for them while other tenants have
// every turn.
func TestComparisonsAndJudgementsTakeTurns(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	finishProjects(t, tenant, 20, 2)
	evaluate := func(level float64) (tracking.Judgement, error) {
		return tenant.EvaluatePredictor(background, tracking.EvaluationRequest{Outcome: "cost", Level: level})
	}
	known, err := evaluate(0.801)
	if err != nil || known.Evaluation == nil || known.Evaluation.Level != 0.8 {
		t.Fatalf("got %+v, %v", known.Evaluation, err)
	}
	for other := range workAtOnce {
		defer mustEnter(t, s.turns, idOf(other))()
	}
	if again, err := evaluate(0.799); err != nil || again.Evaluation.Level != 0.8 {
		t.Errorf("what is known waits for a turn: %v", err)
	}
	similar := make(chan error, 1)
	go func() {
		_, err := tenant.SimilarProjects(background, tracking.SimilarRequest{Name: "another", Limit: 5}, false)
		similar <- err
	}()
	_, err = evaluate(0.5)
	wantCode(t, err, problem.Unavailable)
	wantCode(t, <-similar, problem.Unavailable)
}

func TestJudgedLevelsAreFew(t *testing.T) {
	for asked, want := range map[float64]float64{0.8: 0.8, 0.804: 0.8, 0.7951: 0.8, 0.9999: 0.99, 1e-9: 0.01} {
		if got := judgedLevel(asked); got != want {
			t.Errorf("%v is judged as %v, want %v", asked, got, want)
		}
	}
}
