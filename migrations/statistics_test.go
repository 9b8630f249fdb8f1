package migrations

import (
	"testing"

	_ "modernc.org/sqlite"
)

// TestEveryIndexHasItsStatistics holds Apply to tell the planner of every index
// on tenants' rows, and of nothing that it would sample.
func TestEveryIndexHasItsStatistics(t *testing.T) {
	db := openDatabase(t)
	apply(t, db)
	indexes := number(t, db, "SELECT count(*) FROM ("+indexesOfTenants+")")
	if told := number(t, db, "SELECT count(*) FROM sqlite_stat1"); indexes < 20 || told != indexes {
		t.Errorf("%d of %d indexes have statistics", told, indexes)
	}
	if n := number(t, db, "SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_stat4'"); n != 0 {
		t.Error("there are samples, which make lists be planned at each call")
	}
}

func TestStatistics(t *testing.T) {
	for _, test := range []struct {
		name            string
		columns         int
		unique, partial bool
		want            string
	}{
		{"primary key", 2, true, false, "1000000 10000 1"},
		{"key of one column", 1, true, false, "1000000 1"},
		{"list", 3, false, false, "1000000 10000 100 10"},
		{"long", 6, false, false, "1000000 10000 100 10 2 2 2"},
		{"partial", 2, false, true, "10000 100 1"},
	} {
		if got := statistics(test.columns, test.unique, test.partial); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}
