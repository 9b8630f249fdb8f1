package cli

import (
	"context"
	"encoding/json"
	"iter"
	"slices"
	"testing"

	"maestro/audit"
	"maestro/tenancy"
)

// trailOf is a sound chain as a server sends it, the newest event first.
func trailOf(t *testing.T, n int) []json.RawMessage {
	t.Helper()
	tenant := tenancy.NewID()
	link := audit.Link{}
	var sent []json.RawMessage
	for i := range n {
		e := audit.Event{TenantID: &tenant, ActorKind: tenancy.ActorSystem, Action: audit.ProjectCreate, Outcome: audit.Success}
		e.Seal(link, tenancy.Time(1_700_000_000_000_000+i), audit.Created().Text("name", "", "a <b> & \"c\" é\u2028").Size("metadata", "", "12"), nil)
		link = e.Link()
		sent = append(sent, e.AppendJSON(nil))
	}
	slices.Reverse(sent)
	return sent
}

func sending(events []json.RawMessage) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func TestATrailIsFollowedFromTheEvents(t *testing.T) {
	const n = 6
	sound := trailOf(t, n) // event i is at n-i
	read := func(i int) *audit.Event {
		e := new(audit.Event)
		if err := json.Unmarshal(sound[n-i], e); err != nil {
			t.Fatal(err)
		}
		return e
	}
	change := func(i int, f func(*audit.Event)) []json.RawMessage {
		changed, e := slices.Clone(sound), read(i)
		f(e)
		changed[n-i] = e.AppendJSON(nil)
		return changed
	}
	tenant := *read(1).TenantID
	for name, test := range map[string]struct {
		events  []json.RawMessage
		anchors []audit.Anchor
		broken  int64 // the event that is named; 0 for a sound chain
	}{
		"sound":              {sound, nil, 0},
		"empty":              {nil, nil, 0},
		"an anchor":          {sound, []audit.Anchor{read(2).Anchor(), read(n).Anchor()}, 0},
		"altered":            {change(3, func(e *audit.Event) { e.Object = "x" }), nil, 3},
		"altered first":      {change(1, func(e *audit.Event) { e.Outcome = audit.Denied }), nil, 1},
		"altered last":       {change(n, func(e *audit.Event) { e.After = nil }), nil, n},
		"another id":         {change(4, func(e *audit.Event) { e.ID = tenancy.NewID() }), nil, 4},
		"removed":            {slices.Delete(slices.Clone(sound), 2, 3), nil, 4},
		"the first removed":  {sound[:n-2], nil, 1},
		"swapped":            {slices.Concat(sound[:1], sound[2:3], sound[1:2], sound[3:]), nil, 4},
		"tail cut, unnoted":  {sound[2:], nil, 0},
		"tail cut, noted":    {sound[2:], []audit.Anchor{read(n).Anchor()}, n - 1},
		"another at a place": {sound, []audit.Anchor{{Tenant: tenant, Sequence: 3}}, 3},
		"nothing left":       {nil, []audit.Anchor{read(2).Anchor()}, 1},
		"two altered": {func() []json.RawMessage {
			both := change(2, func(e *audit.Event) { e.Object = "x" })
			both[n-5] = change(5, func(e *audit.Event) { e.Object = "x" })[n-5]
			return both
		}(), nil, 2},
	} {
		report, err := followBack(sending(test.events), test.anchors, &progress{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		broken := int64(0)
		if report.Fault != nil {
			broken = report.Fault.Sequence
		}
		if broken != test.broken || report.Events != int64(len(test.events)) {
			t.Errorf("%s: broken at %d of %d, want %d of %d", name, broken, report.Events, test.broken, len(test.events))
		}
	}
	if _, err := followBack(sending(sound), []audit.Anchor{{Tenant: tenancy.NewID(), Sequence: 1}}, &progress{}); exitCode(err) != exitUsage {
		t.Errorf("another chain's anchor: %v", err)
	}
	failing := func(yield func(json.RawMessage, error) bool) { yield(nil, context.Canceled) }
	if _, err := followBack(failing, nil, &progress{}); err == nil {
		t.Error("a trail that cannot be read is taken for one")
	}
}
