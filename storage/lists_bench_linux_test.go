package storage

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"maestro/registry"
	"maestro/tenancy"
	"maestro/tracking"
)

// listsData keeps the tenant that BenchmarkLists fills, a minute's work, for the
// next run.
var listsData = flag.String("lists-data", "", "directory that the benchmark of the lists keeps its data in")

// The lists are measured as the web UI's bars are: one tenant, all of it.
const (
	listedArtifacts = 500_000
	listedProjects  = 100_000
	listBar         = 100 * time.Millisecond
)

// BenchmarkLists reads the first page and one from the middle of every list of a
// large tenant's projects and artifacts, in every order, both ways, without a
// filter and with each alone, rare and common, and some together. It reports what
// the slowest needs of a core in milliseconds, how many need more than the bar, and
// logs all that need more than a tenth of it. -short takes a fiftieth of the rows.
func BenchmarkLists(b *testing.B) {
	scale := 1
	if testing.Short() {
		scale = 50
	}
	t := listedTenant(b, listedProjects/scale, listedArtifacts/scale)
	yes, no, score, none := true, false, 90.0, 101.0
	from := tenancy.TimeOf(time.Now().Add(-time.Hour))
	artifactFilters := map[string]ArtifactFilter{
		"-": {}, "type": {Type: "model"}, "no type": {Type: "none"}, "tag": {Tag: "nlp"}, "rare tag": {Tag: "rare"}, "early tag": {Tag: "early"}, "no tag": {Tag: "none"},
		"name": {Name: "Churn_Europe"}, "no name": {Name: "none"}, "active": {IsActive: &yes}, "inactive": {IsActive: &no}, "impact": {MinImpact: &score}, "no impact": {MinImpact: &none},
		"type+tag": {Type: "model", Tag: "nlp"}, "type+rare tag": {Type: "model", Tag: "rare"}, "type+impact": {Type: "model", MinImpact: &score},
		"inactive+tag": {IsActive: &no, Tag: "nlp"}, "all": {Type: "model", Tag: "nlp", IsActive: &yes, MinImpact: &score}, "name+tag": {Name: "Churn_Europe", Tag: "nlp"},
	}
	measureLists(b, "artifacts", &artifactList, artifactFilters, func(p Page, f ArtifactFilter) (string, int, error) {
		list, err := t.Artifacts(background, p, f)
		return list.Next, len(list.Items), err
	})
	projectFilters := map[string]ProjectFilter{
		"-": {}, "status": {Status: tracking.Active}, "no status": {Status: tracking.Completed, MinSuccess: &none}, "class": {ProblemClass: "nlp"}, "no class": {ProblemClass: "none"},
		"success": {MinSuccess: &score}, "created": {CreatedFrom: &from}, "created until": {CreatedUntil: &from}, "completed": {CompletedFrom: &from}, "completed until": {CompletedUntil: &from},
		"text": {Text: "churn"}, "rare text": {Text: "pilot 99"}, "no text": {Text: "nowhere"}, "words": {Text: "first look people every day nowhere"},
		"status+class": {Status: tracking.Planned, ProblemClass: "vision"}, "status+text": {Status: tracking.Planned, Text: "nowhere"},
	}
	measureLists(b, "projects", &projectList, projectFilters, func(p Page, f ProjectFilter) (string, int, error) {
		n := 0
		next, err := t.EachProject(background, p, f, func(*tracking.Project) { n++ })
		return next, n, err
	})
}

// measureLists times one page of each order and filter, a few times each.
func measureLists[F any](b *testing.B, name string, l *listing, filters map[string]F, read func(Page, F) (next string, n int, err error)) {
	b.Run(name, func(b *testing.B) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		var worst time.Duration
		var lines []string
		pages, over := 0, 0
		for b.Loop() {
			worst, lines, pages, over = 0, nil, 0, 0
			for _, filter := range slices.Sorted(maps.Keys(filters)) {
				for _, sort := range l.sortNames() {
					for _, direction := range []string{"", "-"} {
						cursor := ""
						for page := range 2 {
							before := threadTime(b)
							next, n, err := read(Page{Limit: 50, Sort: direction + sort, Cursor: cursor}, filters[filter])
							if err != nil {
								b.Fatal(err)
							}
							took := threadTime(b) - before
							pages++
							if took > listBar/10 {
								lines = append(lines, fmt.Sprintf("%8.1f ms  %s by %s%s, %s, page %d: %d rows", took.Seconds()*1000, name, direction, sort, filter, page+1, n))
							}
							if took > listBar {
								over++
							}
							worst = max(worst, took)
							if cursor = next; cursor == "" {
								break
							}
						}
					}
				}
			}
		}
		slices.Sort(lines)
		slices.Reverse(lines)
		b.Logf("of %d pages, above a tenth of the bar:\n%s", pages, strings.Join(lines, "\n"))
		b.ReportMetric(worst.Seconds()*1000, "worst-ms")
		b.ReportMetric(float64(over), "pages-over-100ms")
	})
}

// threadTime is what this thread has needed of a core: what a page costs on a
// machine whatever else runs there.
func threadTime(b *testing.B) time.Duration { return usedTime(b, syscall.RUSAGE_THREAD) }

// coreTime is what the process has needed of the cores.
func coreTime(b *testing.B) time.Duration { return usedTime(b, syscall.RUSAGE_SELF) }

func usedTime(b *testing.B, who int) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(who, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// listedTenant opens the tenant whose lists are measured, filled as the web UI's
// bars fill theirs, a thousand rows in a write.
func listedTenant(b *testing.B, projects, artifacts int) *Tenant {
	b.Helper()
	dir := *listsData
	if dir == "" {
		dir = b.TempDir()
	}
	_, err := os.Stat(filepath.Join(dir, databaseName))
	filled := err == nil
	s, err := Open(background, Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	if err := s.Maintain(background); err != nil {
		b.Fatal(err)
	}
	if filled {
		tenants, err := s.Tenants(background, Page{Limit: 1, Sort: "-created_at"})
		if err != nil || len(tenants.Items) == 0 {
			b.Fatal(err, "no tenant")
		}
		return s.Tenant(tenancy.Issue(tenants.Items[0].ID, tenancy.Actor{}))
	}
	t := newTenant(b, s, "large")
	start := time.Now()
	for first := 0; first < artifacts; first += 1000 {
		err := t.write(background, func(tx *Tx) error {
			for i := first; i < min(first+1000, artifacts); i++ {
				if err := listedArtifact(t, tx, i, artifacts); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	for first := 0; first < projects; first += 1000 {
		err := t.write(background, func(tx *Tx) error {
			for i := first; i < min(first+1000, projects); i++ {
				_, err := tx.exec(insertProject, tenancy.NewID(), t.scope.Tenant(), fmt.Sprintf("%s %s %d", listedThings[i%len(listedThings)], listedPlaces[i%len(listedPlaces)], i),
					"From the first look at the data to something that people use every day.", listedClasses[i%len(listedClasses)],
					[]string{"planned", "active", "active", "abandoned"}[i%4], float64(1+i%100), int64(1+i%12), nil, nil, float64(i%1000)/1000, nil, nil, "{}", "{}", nil, t.author(), tx.Now)
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.Logf("filled in %v", time.Since(start).Round(time.Second))
	return t
}

var (
	listedClasses = []string{"classification", "regression", "nlp", "forecasting", "recommendation", "vision", "clustering"}
	listedThings  = []string{"Churn", "Demand", "Fraud", "Routing", "Pricing", "Wear", "Clauses", "Yield", "Intent", "Outage", "Basket", "Shelf", "Claims"}
	listedPlaces  = []string{"Europe", "North", "retail", "pilot", "mobile", "Nordics", "wholesale", "APAC", "night shift", "line 4", "rework"}
)

// listedArtifact records artifact i of n. One in 50 is inactive, one in 3 was used,
// one in 5000 has a rare tag, and the first tenth has one of its own.
func listedArtifact(t *Tenant, tx *Tx, i, n int) error {
	f := registry.ArtifactFields{
		Name: fmt.Sprintf("%s_%s", listedThings[i%len(listedThings)], listedPlaces[(i/3)%len(listedPlaces)]), Type: registry.ArtifactTypes[i%len(registry.ArtifactTypes)],
		Version: fmt.Sprintf("1.%d.0", i), Description: "Made by one project for the next.", Tags: []string{listedClasses[i%len(listedClasses)], listedPlaces[i%len(listedPlaces)]},
		IsActive: i%50 != 7,
	}
	if i%5000 == 0 {
		f.Tags = append(f.Tags, "rare")
	}
	if i < n/10 {
		f.Tags = append(f.Tags, "early")
	}
	f.Normalise()
	searchID, err := t.index(tx, &f)
	if err != nil {
		return err
	}
	id := tenancy.NewID()
	_, err = tx.exec(insertArtifact, id, t.scope.Tenant(), f.Name, f.Type, f.Version, f.Description, encodeTags(f.Tags), f.ContentHash,
		f.MediaType, f.StorageURI, f.IsActive, "{}", searchID, t.author(), tx.Now)
	if err == nil && i%3 == 0 {
		_, err = tx.exec(`UPDATE artifacts SET usage_count = $3, avg_impact_score = $4, updated_at = $5 WHERE tenant_id = $1 AND id = $2`, t.scope.Tenant(), id, 1+i%20, float64(i%991)/10, tx.Now+tenancy.Time(i%1000))
	}
	return err
}
