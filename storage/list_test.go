package storage

import (
	"fmt"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"maestro/registry"
)

// TestBothLooksFindTheSameRows pages through every filter and order of a library
// with first looks of several lengths: where the look ends must not be seen. Some
// artifacts are out of use, and some are not in the search index yet.
func TestBothLooksFindTheSameRows(t *testing.T) {
	s := openStore(t)
	tenant, neighbour := newTenant(t, s, "acme"), newTenant(t, s, "beta")
	for i := range 60 {
		fields := func(f *registry.ArtifactFields) {
			f.Version, f.Type, f.IsActive = fmt.Sprint(i), registry.ArtifactTypes[i%3], i%4 != 1
			f.Tags = []string{[]string{"even", "odd"}[i%2], fmt.Sprintf("of %d", i/50)}
		}
		made := newArtifact(t, tenant, fmt.Sprintf("name %d", i%7), fields)
		newArtifact(t, neighbour, fmt.Sprintf("name %d", i%7), fields)
		err := tenant.write(background, func(tx *Tx) error {
			if i%3 == 0 {
				if _, err := tx.exec("UPDATE artifacts SET usage_count = $3, avg_impact_score = $4, updated_at = updated_at + $5 WHERE tenant_id = $1 AND id = $2", tenant.scope.Tenant(), made.ID, i%5, float64(i), 1000*(60-i)); err != nil {
					return err
				}
			}
			if i%10 == 9 {
				if _, err := tx.exec("DELETE FROM artifact_search WHERE rowid = (SELECT search_id FROM artifacts WHERE tenant_id = $1 AND id = $2)", tenant.scope.Tenant(), made.ID); err != nil {
					return err
				}
				_, err := tx.exec("UPDATE artifacts SET search_id = NULL WHERE tenant_id = $1 AND id = $2", tenant.scope.Tenant(), made.ID)
				return err
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	all := func(first int, sort string, f ArtifactFilter) (found []string) {
		l := artifactList
		l.first = first
		for page := (Page{Limit: 4, Sort: sort}); ; {
			next, err := l.page(background, s, tenant.scope.Tenant(), page, tenant.narrowArtifacts(&f), func(r row) { found = append(found, r.id(0).String()) })
			if err != nil {
				t.Fatal(err)
			}
			if page.Cursor = next; next == "" {
				return found
			}
		}
	}
	yes, no := true, false
	for name, f := range map[string]struct {
		ArtifactFilter
		want int
	}{
		"type": {ArtifactFilter{Type: registry.ArtifactTypes[2]}, 20}, "tag": {ArtifactFilter{Tag: "odd"}, 30}, "rare tag": {ArtifactFilter{Tag: "of 1"}, 10},
		"no tag": {ArtifactFilter{Tag: "none"}, 0}, "name": {ArtifactFilter{Name: "name 3"}, 9}, "active": {ArtifactFilter{IsActive: &yes}, 45}, "inactive": {ArtifactFilter{IsActive: &no}, 15},
		"impact": {ArtifactFilter{MinImpact: ptr(30.0)}, 10}, "tag of active": {ArtifactFilter{Tag: "odd", IsActive: &yes}, 15},
		"type and tag out of use": {ArtifactFilter{Type: registry.ArtifactTypes[1], Tag: "odd", IsActive: &no}, 5}, "all": {ArtifactFilter{Type: registry.ArtifactTypes[0], Tag: "even", Name: "name 6", IsActive: &yes, MinImpact: ptr(1.0)}, 2},
	} {
		for _, sort := range artifactList.sortNames() {
			for _, direction := range []string{"", "-"} {
				want := all(0, direction+sort, f.ArtifactFilter)
				if len(want) != f.want {
					t.Errorf("%s by %s%s: %d rows, want %d", name, direction, sort, len(want), f.want)
				}
				for _, first := range []int{1, 7, 59, 60} {
					if diff := gocmp.Diff(want, all(first, direction+sort, f.ArtifactFilter)); diff != "" {
						t.Fatalf("%s by %s%s, %d rows first (-all +got):\n%s", name, direction, sort, first, diff)
					}
				}
			}
		}
	}
}

// TestTheSearchIndexTellsOfFew: more than few are not gathered for a page, and a
// neighbour's do not count.
func TestTheSearchIndexTellsOfFew(t *testing.T) {
	s := openStore(t)
	tenant, neighbour := newTenant(t, s, "acme"), newTenant(t, s, "beta")
	newArtifact(t, tenant, "one", func(f *registry.ArtifactFields) { f.Tags = []string{"a"} })
	few := func() (found bool) {
		err := s.read(background, func(c *conn) error {
			condition, err := tenant.narrowArtifacts(&ArtifactFilter{Tag: "a"}).few(background, c)
			found = condition != nil
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	missing := func(of *Tenant) { // artifacts that an upgrade brought
		err := of.write(background, func(tx *Tx) error {
			_, err := tx.exec(`WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i <= $2)
				INSERT INTO artifacts (tenant_id, id, name, type, version, created_at, updated_at) SELECT $1, randomblob(16), 'name', 'model', i, 1, 1 FROM c`,
				of.scope.Tenant(), fewArtifacts)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	missing(neighbour)
	if !few() {
		t.Error("one artifact is not few, beside a neighbour's many")
	}
	missing(tenant)
	if few() {
		t.Errorf("more than %d artifacts are few", fewArtifacts)
	}
}
