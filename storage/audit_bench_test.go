package storage

import (
	"testing"

	"maestro/audit"
	"maestro/tenancy"
	"maestro/tracking"
)

// BenchmarkEvent is what an event costs the writer within a transaction: what it
// says, its hash and its row.
func BenchmarkEvent(b *testing.B) {
	t := benchTenant(b)
	problemClass := "classification"
	p := tracking.Project{ID: tenancy.NewID(), ProjectFields: tracking.ProjectFields{Name: "churn of customers", Status: tracking.Active, ProblemClass: &problemClass,
		ComplexityScore: ptr(40.0), TeamSize: ptr(int64(5))}}
	b.ReportAllocs()
	const events = 500
	for range b.N/events + 1 {
		err := t.write(b.Context(), func(tx *Tx) error {
			for range events {
				if err := t.record(tx, audit.ProjectCreate, p.ID, projectChanges(nil, &p)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
