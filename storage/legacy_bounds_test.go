package storage

import (
	"context"
	"errors"
	"fmt"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"maestro/registry"
	"maestro/tracking"
)

// crowdedFile is legacyFile with so many team members and usages more of its first
// project than there may be, and some of its second. Their ids come behind the others.
func crowdedFile(t *testing.T, members, usages int) string {
	t.Helper()
	source := legacyFile(t, "VARCHAR(36)", dashed)
	db, err := openMigrating(source, nil)
	if err != nil {
		t.Fatal(err)
	}
	for text, rows := range map[string]int{
		"INSERT INTO team_members SELECT printf('40000000-0000-4000-8000-%012x', i), '" + dashed(10) + "', 'member ' || i, 'devops', 'mid', 1, 50, '2024-01-02 03:04:05' FROM c":            tracking.MaxMembers - 1 + members,
		"INSERT INTO team_members SELECT printf('50000000-0000-4000-8000-%012x', i), '" + dashed(11) + "', 'member ' || i, 'devops', 'mid', 1, 50, '2024-01-02 03:04:05' FROM c":            3,
		"INSERT INTO artifact_usage SELECT printf('40000000-0000-4000-8000-%012x', i), '" + dashed(20) + "', '" + dashed(10) + "', '2024-02-01 00:00:00', i % 100, '{}' FROM c":             registry.MaxUsages - 1 + usages,
		"INSERT INTO artifact_usage SELECT printf('50000000-0000-4000-8000-%012x', i), '" + dashed(20) + "', '" + dashed(11) + "', '2024-02-01 00:00:00', i % 100, '{}' FROM c WHERE i > 0": 4,
	} {
		if _, err := db.Exec(fmt.Sprintf("WITH RECURSIVE c (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < %d) ", rows-1) + text); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return source
}

// TestAnImportHoldsToTheBoundsOfAProject has more team members and usages of a project
// than the API would take. The first of them come in, the others are named, with their
// project, by a trial too; and what came can leave again: before, an export refused it.
func TestAnImportHoldsToTheBoundsOfAProject(t *testing.T) {
	const tooManyMembers, tooManyUsages = 3, 2
	dir := newDirectory(t)
	source := crowdedFile(t, tooManyMembers, tooManyUsages)
	run := func(ctx context.Context, dry bool, progress func(string, int64, int64)) (report []LegacyTable, reasons []string, err error) {
		o := LegacyOptions{Dir: dir, Source: source, Tenant: "default", DryRun: dry, Progress: progress, Temp: t.TempDir()}
		o.Misfit = func(m LegacyMisfit) {
			if (m.Table == memberTable || m.Table == usageTable) && m.Field == "" {
				reasons = append(reasons, m.Table+" "+m.Row+" "+m.Reason)
			}
		}
		report, err = ImportLegacy(ctx, o)
		return report, reasons, err
	}
	want := []string{usageTable + " " + dashed(31) + " project_id refers to nothing, or a value that must be there is missing"}
	for n := range tooManyUsages {
		want = append(want, fmt.Sprintf("%s 40000000-0000-4000-8000-%012x the project %s has %d usages, and there may be no more", usageTable, registry.MaxUsages-1+n, dashed(10), registry.MaxUsages))
	}
	for n := range tooManyMembers {
		want = append(want, fmt.Sprintf("%s 40000000-0000-4000-8000-%012x the project %s has %d members, and there may be no more", memberTable, tracking.MaxMembers-1+n, dashed(10), tracking.MaxMembers))
	}
	trial, reasons, err := run(background, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(want, reasons); diff != "" {
		t.Errorf("the trial's complaints (-want +got):\n%s", diff)
	}
	// Stopped amid the usages of the project, it knows how many came.
	ctx, cancel := context.WithCancel(background)
	_, before, err := run(ctx, false, func(table string, done, _ int64) {
		if table == usageTable && done >= 2*legacyBatch {
			cancel()
		}
	})
	cancel()
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("stopped with %v", err)
	}
	report, after, err := run(background, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(want, append(before, after...)); diff != "" {
		t.Errorf("the import's complaints (-want +got):\n%s", diff)
	}
	if diff := gocmp.Diff(trial, report); diff != "" {
		t.Errorf("the trial's report and the import's (-trial +import):\n%s", diff)
	}
	for _, table := range report {
		came := map[string]int64{memberTable: tracking.MaxMembers + 3, usageTable: registry.MaxUsages + 3}[table.Name]
		if !table.Equal || came > 0 && table.Imported != came {
			t.Errorf("%+v, want %d rows that are equal", table, came)
		}
	}
	s := reopenStore(t, dir)
	checkIntegrity(t, s)
	if n := count(t, s, "SELECT count(*) FROM import_misfits WHERE field = '' AND reason LIKE 'the project % has % and there may be no more' AND value LIKE '%\"project_id\":%'"); n != tooManyMembers+tooManyUsages {
		t.Errorf("%d rows are kept for their reason, want %d", n, tooManyMembers+tooManyUsages)
	}
	if _, moved := exported(t, s, "default", false); moved.Rows[memberTable] != tracking.MaxMembers+3 {
		t.Errorf("the archive has %d members", moved.Rows[memberTable])
	}
}
